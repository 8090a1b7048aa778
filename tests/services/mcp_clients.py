"""usage: mcp_clients.py BIN_DIR

Lists and calls the tools of the five MCP servers in BIN_DIR with the `mcp` package of PyPI, over protocol 2026-07-28
(server/discover) and 2025-11-25 (initialize). mcp_clients.sh runs it.
"""

import asyncio
import os
import sys
import tempfile

import jsonschema
from mcp import Client, MCPError, StdioServerParameters

# Per server: the tools by class, and a call for every tool that reads or drafts.
MAIL = {"to": ["alice@example.com"], "subject": "Hello", "body": "Dear Alice"}
SERVERS = {
    "mcp-email": (
        {
            "list_drafts": {},
            "search_email": {"from": "alice"},
            "read_email": {"id": 1},
            "draft_email": MAIL,
        },
        {"send_email": MAIL},
    ),
    "mcp-odoo": (
        {
            "list_invoices": {},
            "read_invoice": {"invoice_id": 1},
            "list_partners": {},
            "read_transactions": {},
            "create_invoice_draft": {
                "partner": "Contoso Ltd",
                "lines": [{"description": "Work", "quantity": "1", "unit_price": "100.00"}],
                "currency": "EUR",
            },
        },
        {"post_invoice": {"invoice_id": 3, "partner": "Café Central", "total": "312.38", "currency": "EUR"}},
    ),
    "mcp-social": (
        {"get_social_summary": {}, "draft_social_post": {"platform": "linkedin", "text": "Hello"}},
        {name: {"text": "Hello"} for name in ("post_facebook", "post_instagram", "post_twitter", "post_linkedin")},
    ),
    "mcp-whatsapp": (
        {"list_whatsapp_chats": {}, "read_whatsapp_chat": {"number": "+491701234567"}},
        {"send_whatsapp": {"to": "+491701234567", "text": "Hello"}},
    ),
    "mcp-payment": (
        {
            "list_accounts": {},
            "get_balance": {"account": "main"},
            "list_transactions": {"account": "main"},
            "payment_status": {"idempotency_key": "none"},
        },
        {
            "initiate_payment": {
                "payee": "Bob",
                "iban": "DE89370400440532013000",
                "amount": "1.00",
                "currency": "EUR",
                "reference": "R1",
            }
        },
    ),
}
MODES = {"auto": "2026-07-28", "legacy": "2025-11-25"}


async def expect_error(client: Client, tool: str, arguments: dict) -> None:
    try:
        result = await client.call_tool(tool, arguments)
    except MCPError:
        return
    assert result.is_error, f"{tool} was not refused: {result}"


async def check(program: str, data: str, mode: str, version: str) -> int:
    name = os.path.basename(program)
    harmless, dangerous = SERVERS[name]
    calls = 0
    for max_class in ("draft", "dangerous"):
        parameters = StdioServerParameters(
            command=program,
            args=["--data", data, "--max-class", max_class],
            cwd=os.path.dirname(data),
            env={"RUST_LOG": "error"},
        )
        async with asyncio.timeout(30), Client(parameters, mode=mode) as client:
            assert client.protocol_version == version, client.protocol_version
            assert client.server_info.name == name, client.server_info
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            expected = set(harmless) | (set(dangerous) if max_class == "dangerous" else set())
            assert set(tools) == expected, f"{sorted(tools)} instead of {sorted(expected)}"
            for tool in tools.values():
                jsonschema.Draft202012Validator.check_schema(tool.input_schema)
                assert tool.description and tool.annotations is not None, tool
            for tool, arguments in harmless.items():
                jsonschema.validate(arguments, tools[tool].input_schema)
                result = await client.call_tool(tool, arguments)
                assert not result.is_error and result.structured_content is not None, f"{tool}: {result}"
                calls += 1
            # Without an order nothing that acts runs, whether it is registered or not.
            for tool, arguments in dangerous.items():
                await expect_error(client, tool, arguments)
            await expect_error(client, "no_such_tool", {})
    return calls


async def main(directory: str) -> None:
    with tempfile.TemporaryDirectory() as work:
        for name in SERVERS:
            for mode, version in MODES.items():
                data = os.path.join(work, f"{name}-{mode}")
                calls = await check(os.path.join(directory, name), data, mode, version)
                print(f"- {name} over {version}: {calls} calls", flush=True)


if __name__ == "__main__":
    asyncio.run(main(os.path.abspath(sys.argv[1])))
