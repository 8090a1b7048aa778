//! The five MCP servers.
