//! Sessions with the MCP servers: start, filter by policy, call, restart.
