//! The MCP server `mcp-social`.

fn main() -> std::process::ExitCode {
    mcp_servers::main(task::Server::Social)
}
