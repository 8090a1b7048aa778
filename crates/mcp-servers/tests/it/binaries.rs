//! The programs, spoken to line by line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use serde_json::{Value, json};
use task::Server;

use crate::support::data_dir;

pub(crate) fn binary(server: Server) -> &'static str {
    match server {
        Server::Email => env!("CARGO_BIN_EXE_mcp-email"),
        Server::Odoo => env!("CARGO_BIN_EXE_mcp-odoo"),
        Server::Social => env!("CARGO_BIN_EXE_mcp-social"),
        Server::Whatsapp => env!("CARGO_BIN_EXE_mcp-whatsapp"),
        Server::Payment => env!("CARGO_BIN_EXE_mcp-payment"),
    }
}

/// A server program in a folder of its own, with nothing of this machine's configuration.
pub(crate) fn command(server: Server, data: &Path) -> Command {
    let mut command = Command::new(binary(server));
    command.current_dir(data).env_clear().env("HOME", data).arg("--data").arg(data);
    command
}

struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Program {
    fn start(server: Server, data: &Path) -> Self {
        let mut child = command(server, data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        Self { child, stdin, stdout }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().expect("stdin").write_all(bytes).expect("written");
    }

    fn tell(&mut self, message: &Value) {
        self.write(format!("{message}\n").as_bytes());
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.stdout.read_line(&mut line).expect("answer"), 0, "the program has gone");
        serde_json::from_str(&line).expect("one message per line")
    }

    fn ask(&mut self, id: u32, method: &str, params: Value) -> Value {
        self.tell(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        let answer = self.hear();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Ends the input and waits; a program that does not exit hangs the test, which is the failure.
    fn finish(mut self) -> ExitStatus {
        self.stdin = None;
        self.child.wait().expect("exit")
    }
}

/// The `_meta` of a 2026-07-28 request.
fn modern(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    params
}

fn legacy() -> Value {
    json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}})
}

fn first_tool(server: Server) -> &'static str {
    policy::TOOLS.iter().find(|row| row.server == server).expect("a tool").name
}

#[test]
fn each_program_tells_its_own_name_and_version() {
    for server in Server::ALL {
        let output = Command::new(binary(server)).arg("--version").output().expect("started");
        let expected =
            format!("{server_name} {}\n", env!("CARGO_PKG_VERSION"), server_name = server.binary());
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}

#[test]
fn a_2026_client_discovers_lists_and_calls_without_initialize() {
    for server in Server::ALL {
        let data = data_dir();
        let mut program = Program::start(server, data.path());
        let discovered = program.ask(1, "server/discover", modern(json!({})));
        let versions = discovered["result"]["supportedVersions"].as_array().expect("versions");
        assert!(versions.contains(&json!("2026-07-28")), "{discovered}");
        let listed = program.ask(2, "tools/list", modern(json!({})));
        assert_eq!(listed["result"]["tools"][0]["name"], first_tool(server));
        let call = json!({"name": first_tool(server), "arguments": {}});
        let called = program.ask(3, "tools/call", modern(call));
        assert_ne!(called["result"]["isError"], true, "{called}");
        assert_eq!(program.ask(4, "no/such", modern(json!({})))["error"]["code"], -32601);
        assert!(program.finish().success());
    }
}

#[test]
fn a_2025_client_initializes_lists_and_calls() {
    for server in Server::ALL {
        let data = data_dir();
        let mut program = Program::start(server, data.path());
        let answer = program.ask(1, "initialize", legacy());
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{answer}");
        assert_eq!(answer["result"]["serverInfo"]["name"], server.binary());
        program.tell(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        let listed = program.ask(2, "tools/list", json!({}));
        assert_eq!(listed["result"]["tools"][0]["name"], first_tool(server));
        let call = json!({"name": first_tool(server), "arguments": {}});
        assert_ne!(program.ask(3, "tools/call", call)["result"]["isError"], true);
        for method in ["no/such", "prompts/list", "resources/list", "logging/setLevel"] {
            let answer = program.ask(4, method, json!({"level": "info"}));
            assert_eq!(answer["error"]["code"], -32601, "{method}: {answer}");
        }
        assert!(program.finish().success());
    }
}

#[test]
fn garbage_is_survived_before_and_after_the_handshake() {
    let garbage: &[&[u8]] = &[
        b"hello\n",
        b"\n\r\n",
        b"\xff\xfe\x00\x01\n",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":9}}\n",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/made_up\"}\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":{}}\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":78,\"error\":{\"code\":1,\"message\":\"x\"}}\n",
        b"{\"a\":",
        b"\n",
    ];
    for server in Server::ALL {
        let data = data_dir();
        let mut program = Program::start(server, data.path());
        garbage.iter().for_each(|bytes| program.write(bytes));
        // A method that is not known is answered even before the handshake.
        assert_eq!(program.ask(1, "no/such", json!({}))["error"]["code"], -32601);
        assert!(program.ask(2, "initialize", legacy())["result"].is_object());
        garbage.iter().for_each(|bytes| program.write(bytes));
        program.write(&vec![b'x'; 5 << 20]);
        program.write(b"\n");
        assert!(program.ask(3, "tools/list", json!({}))["result"].is_object());
        assert!(program.finish().success());
    }
}

#[test]
fn a_program_exits_when_its_input_ends_whenever_that_is() {
    for server in Server::ALL {
        let data = data_dir();
        assert!(Program::start(server, data.path()).finish().success(), "before anything was said");
        let mut program = Program::start(server, data.path());
        program.write(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"meth");
        assert!(program.finish().success(), "in the middle of a line");
    }
}

#[test]
fn bad_arguments_and_configuration_exit_with_2_and_say_so() {
    let data = data_dir();
    let check = |arguments: &[&str], config: &str, part: &str| {
        std::fs::write(data.path().join("config.yaml"), config).expect("config");
        let output = assert_cmd::Command::from_std(command(Server::Email, data.path()))
            .args(arguments)
            .output()
            .expect("output");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(part) && output.stdout.is_empty(), "{said}");
    };
    check(&["--max-class", "everything"], "", "one of safe, draft, dangerous");
    check(&[], "maill: []\n", "did you mean \"mail\"");
    check(&["--config", "missing.yaml"], "", "missing.yaml");
}
