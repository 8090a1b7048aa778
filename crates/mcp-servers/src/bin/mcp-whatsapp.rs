//! The MCP server `mcp-whatsapp`.

fn main() -> std::process::ExitCode {
    mcp_servers::main(task::Server::Whatsapp)
}
