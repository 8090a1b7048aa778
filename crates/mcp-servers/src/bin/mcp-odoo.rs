//! The MCP server `mcp-odoo`.

fn main() -> std::process::ExitCode {
    mcp_servers::main(task::Server::Odoo)
}
