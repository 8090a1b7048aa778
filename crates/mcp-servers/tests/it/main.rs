//! The servers as their clients see them: in this process, as programs, kept by `mcp-client`, and
//! against a real mail server.

mod binaries;
mod mail_servers;
mod sessions;
mod support;
mod tools;
