//! A client that asks a tool server itself.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use super::owner::Machine;

/// The conversation; dropped, the server is ended.
pub(super) struct Direct {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    id: u64,
}

/// What came of a call.
pub(super) struct Answer {
    /// Whether it is a plain no.
    pub(super) refused: bool,
    pub(super) said: String,
}

impl Direct {
    pub(super) fn start(machine: &Machine) -> Result<Self, String> {
        let mut child = machine
            .server()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("mcp-email does not start: {e}"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("mcp-email was started without pipes".into());
        };
        let mut direct = Self { child, stdin, stdout: BufReader::new(stdout), id: 0 };
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {},
                           "clientInfo": {"name": "torture", "version": "1"}});
        direct.exchange("initialize", &hello)?;
        direct.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        Ok(direct)
    }

    fn write(&mut self, message: &Value) -> Result<(), String> {
        writeln!(self.stdin, "{message}").map_err(|e| format!("mcp-email does not listen: {e}"))
    }

    fn exchange(&mut self, method: &str, params: &Value) -> Result<Value, String> {
        self.id += 1;
        self.write(&json!({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}))?;
        let mut line = String::new();
        self.stdout.read_line(&mut line).map_err(|e| format!("mcp-email does not answer: {e}"))?;
        serde_json::from_str(&line).map_err(|e| format!("mcp-email answers {line:?}: {e}"))
    }

    pub(super) fn ask(&mut self, call: &Value) -> Result<Answer, String> {
        let answer = self.exchange("tools/call", call)?;
        let result = &answer["result"];
        let no = answer.get("error").is_some()
            || (result["isError"] == true && result["structuredContent"]["effect"] != "done");
        Ok(Answer { refused: no, said: answer.to_string().chars().take(300).collect() })
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
