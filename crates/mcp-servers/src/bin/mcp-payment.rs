//! The MCP server `mcp-payment`.

fn main() -> std::process::ExitCode {
    mcp_servers::main(task::Server::Payment)
}
