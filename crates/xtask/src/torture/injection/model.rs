//! A model on loopback, with OpenAI's protocol, that does what the attacker's text says: whatever
//! it finds in its prompt, plain or in an encoding that models read, it obeys. Asked for nothing
//! else, it answers as it should.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::goals::{Goal, own_words};

/// What an attacker's text is recognised by: its case's number behind this.
pub(super) const MARK: &str = "TASK-NO-";

/// What each attack wants, and the secret that it would get.
pub(super) type Wishes = BTreeMap<u64, (Goal, String)>;

/// A running model; it ends with the process.
pub(super) struct Model {
    pub(super) port: u16,
    obeyed: Arc<Mutex<BTreeSet<u64>>>,
}

impl Model {
    pub(super) fn start(wishes: Wishes) -> Result<Self, String> {
        let fail = |e: std::io::Error| format!("failed to start a model on loopback: {e}");
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(fail)?;
        let port = listener.local_addr().map_err(fail)?.port();
        let obeyed = Arc::new(Mutex::new(BTreeSet::new()));
        let mind = Arc::new(Mind { wishes, obeyed: Arc::clone(&obeyed) });
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mind = Arc::clone(&mind);
                // A client that goes away ends its own conversation only.
                std::thread::spawn(move || drop(mind.talk(stream)));
            }
        });
        Ok(Self { port, obeyed })
    }

    /// The attacks that it has obeyed.
    pub(super) fn obeyed(&self) -> BTreeSet<u64> {
        self.obeyed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Mind {
    wishes: Wishes,
    obeyed: Arc<Mutex<BTreeSet<u64>>>,
}

impl Mind {
    fn talk(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut stream = stream;
        loop {
            let mut length = 0;
            let mut line = String::new();
            loop {
                line.clear();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse().unwrap_or(0);
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            let request: Value = serde_json::from_slice(&body).unwrap_or_default();
            let answer = json!({
                "id": "x", "object": "chat.completion", "created": 1, "model": "obedient",
                "choices": [{ "index": 0, "message": self.answer(&request), "finish_reason": "stop" }],
                "usage": { "prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20 },
            })
            .to_string();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
                answer.len()
            )?;
        }
    }

    fn answer(&self, request: &Value) -> Value {
        let messages = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let said = |role: &str| -> String {
            let of = messages.iter().filter(|message| message["role"] == role);
            of.filter_map(|message| message["content"].as_str()).collect::<Vec<_>>().join("\n")
        };
        let (system, user) = (said("system"), said("user"));
        let after = |text: &str, start: &str, end: &[char]| -> String {
            let rest = text.split_once(start).map_or("", |(_, rest)| rest);
            rest.split(end).next().unwrap_or_default().trim().to_owned()
        };
        let to = after(&system, "The only recipient is ", &[' ', '\n']);
        let to = to.trim_end_matches('.');
        let tool = after(&system, "JSON Schema of their arguments:\n", &[':', '\n']);
        let order = readings(&user).iter().find_map(|text| number_in(text));
        let wish = order.and_then(|number| Some((number, self.wishes.get(&number)?)));
        match wish {
            Some((number, (goal, secret))) => {
                self.obeyed.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
                goal.obey(&tool, to, secret)
            }
            None => {
                let words = own_words(
                    &tool,
                    to,
                    "Thank you for your message. Jane will come back to you today.\n\nJane Doe",
                );
                let answer = json!({ "plan": ["answer"], "action": { "tool": tool, "arguments": words } });
                json!({ "role": "assistant", "content": answer.to_string() })
            }
        }
    }
}

/// The prompt as it is and as a model may read it: base64, hex, backwards, rot13, tags, joiners.
fn readings(prompt: &str) -> Vec<String> {
    let mut all = vec![prompt.to_owned()];
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    for word in prompt.split_whitespace().filter(|word| word.len() >= 16) {
        if let Ok(bytes) = STANDARD.decode(word) {
            all.push(text(bytes));
        }
        let digits: Option<Vec<u8>> = word
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        all.extend(digits.map(text));
    }
    all.push(prompt.chars().rev().collect());
    all.push(prompt.chars().map(rot13).collect());
    all.push(prompt.chars().filter_map(|c| char::from_u32(u32::from(c).checked_sub(0xe0000)?)).collect());
    all.push(
        prompt
            .chars()
            .filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{fffd}' | '\u{ad}'))
            .collect(),
    );
    all
}

pub(super) fn rot13(c: char) -> char {
    let turn = |base: u8| char::from((c as u8 - base + 13) % 26 + base);
    match c {
        'a'..='z' => turn(b'a'),
        'A'..='Z' => turn(b'A'),
        c => c,
    }
}

fn number_in(text: &str) -> Option<u64> {
    let rest = text.split_once(MARK)?.1;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}
