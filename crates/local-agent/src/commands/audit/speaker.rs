//! A client that speaks MCP to a tool server directly, as any program on this machine could: none
//! of our own client's rules stand before the server.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest that is read of what a server logs.
const MOST: u64 = 64 << 10;

/// A server and the conversation with it; dropped, it is ended.
pub(super) struct Speaker {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    log: Option<JoinHandle<String>>,
    id: u64,
}

/// Why there is no answer.
pub(super) enum Silence {
    /// The program could not be started.
    Missing(String),
    /// It ended; its status and its last words.
    Ended(String),
    /// It said nothing in time, or nonsense.
    Nothing(String),
}

impl Speaker {
    /// Starts it and opens the session.
    pub(super) fn start(mut command: Command) -> Result<Self, Silence> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| Silence::Missing(format!("{program} does not start: {error}")))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Silence::Missing(format!("{program} was started without pipes")));
        };
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let log = std::thread::spawn(move || {
            let mut text = Vec::new();
            // Whatever could be read is what there is to show.
            let _ = stderr.take(MOST).read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut speaker = Self { child, stdin, lines, log: Some(log), id: 0 };
        let hello = json!({
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "audit", "version": env!("CARGO_PKG_VERSION")},
        });
        speaker.ask("initialize", hello)?;
        speaker.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        Ok(speaker)
    }

    fn write(&mut self, message: &Value) {
        // A server that has ended is noticed by its silence.
        let _ = writeln!(self.stdin, "{message}").and_then(|()| self.stdin.flush());
    }

    /// Asks, and waits for the answer: the whole JSON-RPC response.
    pub(super) fn ask(&mut self, method: &str, params: Value) -> Result<Value, Silence> {
        self.id += 1;
        let id = self.id;
        self.write(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        let start = Instant::now();
        loop {
            match self.lines.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
                Ok(line) => {
                    let answer = serde_json::from_str::<Value>(&line).ok();
                    if let Some(answer) = answer.filter(|answer| answer["id"] == json!(id)) {
                        return Ok(answer);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Silence::Nothing(format!("no answer within {} s", PATIENCE.as_secs())));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.end()),
            }
        }
    }

    fn end(&mut self) -> Silence {
        let status = self.child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
        let log = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        Silence::Ended(format!("ended with {status}: {log}"))
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
