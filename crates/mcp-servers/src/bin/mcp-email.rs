//! The MCP server `mcp-email`.

fn main() -> std::process::ExitCode {
    mcp_servers::main(task::Server::Email)
}
