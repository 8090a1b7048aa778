//! An HTTP server that is told how to fail. One request a connection.

mod bank;
mod odoo;
mod social;
mod tokens;
mod whatsapp;

pub use bank::Bank;
pub use odoo::Odoo;
pub use social::{Post, Social};
pub use tokens::Tokens;
pub use whatsapp::Whatsapp;

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::caller::{Which, kill};

/// How a request that acts goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It is refused; nothing happens.
    Refuse,
    /// The connection ends before anything happens.
    LoseRequest,
    /// It happens, and the connection ends without an answer.
    LoseReply,
    /// It happens, and the answer is half of one.
    BreakReply,
    /// It happens, and the answer is the server's own failure.
    Fail,
    /// It happens, and no answer ever comes.
    Hang,
    /// It happens, and then the caller is ended. An agent's end is answered: its tool server lives.
    Kill(Which),
}

impl Fault {
    /// Every way.
    pub const ALL: [Fault; 9] = [
        Fault::Refuse,
        Fault::LoseRequest,
        Fault::LoseReply,
        Fault::BreakReply,
        Fault::Fail,
        Fault::Hang,
        Fault::Kill(Which::Caller),
        Fault::Kill(Which::Parent),
        Fault::Kill(Which::Both),
    ];

    /// Whether the effect happens all the same.
    pub fn acts(self) -> bool {
        !matches!(self, Fault::Refuse | Fault::LoseRequest)
    }
}

/// How a service is away: whoever calls it gets no answer, and nothing happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absence {
    /// Every connection ends at once.
    Refuses,
    /// No request is ever answered.
    Hangs,
}

/// A request, as far as a service looks at it.
pub struct Request {
    /// `GET` or `POST`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// The query, decoded no further.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's bytes as text.
    pub body: String,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Status and body of an answer.
pub struct Answer {
    /// HTTP's.
    pub status: u16,
    /// JSON, or what is not.
    pub body: String,
    /// Headers beside the usual ones.
    pub headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self::raw(status, &body.to_string())
    }

    pub(crate) fn raw(status: u16, body: &str) -> Self {
        Self { status, body: body.to_owned(), headers: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// What a service knows and counts.
pub trait Book: Send + 'static {
    /// Whether a request is meant to have an effect.
    fn acts(&self, request: &Request) -> bool;

    /// Answers a request; what has an effect is counted.
    fn serve(&mut self, request: &Request) -> Answer;

    /// How a request is refused.
    fn refusal(&self) -> Answer;

    /// How many effects there were.
    fn effects(&self) -> usize;
}

struct Shared<B> {
    book: B,
    next: VecDeque<Fault>,
    absence: Option<Absence>,
    requests: u64,
}

/// A service that runs until the process ends.
pub struct Service<B> {
    address: SocketAddr,
    shared: Arc<Mutex<Shared<B>>>,
}

impl<B: Book> Service<B> {
    /// Starts it on a free port of loopback.
    pub fn start(book: B) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("no free port: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let shared = Arc::new(Mutex::new(Shared { book, next: VecDeque::new(), absence: None, requests: 0 }));
        let theirs = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = theirs.clone();
                // A caller that goes away is what this is for.
                std::thread::spawn(move || talk(&stream, &shared).ok());
            }
        });
        Ok(Self { address, shared })
    }

    /// Its base address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How the next requests that act go wrong; those after them work.
    pub fn will(&self, faults: impl IntoIterator<Item = Fault>) {
        self.lock().next.extend(faults);
    }

    /// From now on it is away; `None`: it is back.
    pub fn is_away(&self, absence: Option<Absence>) {
        self.lock().absence = absence;
    }

    /// Faults that have not happened yet do not happen any more.
    pub fn forgive(&self) {
        self.lock().next.clear();
    }

    /// Whether every fault that was ordered has happened.
    pub fn is_through(&self) -> bool {
        self.lock().next.is_empty()
    }

    /// Looks at, or changes, what the service knows.
    pub fn with<T>(&self, look: impl FnOnce(&mut B) -> T) -> T {
        look(&mut self.lock().book)
    }

    /// How many effects there were.
    pub fn effects(&self) -> usize {
        self.lock().book.effects()
    }

    /// How many requests came, of whatever kind.
    pub fn requests(&self) -> u64 {
        self.lock().requests
    }

    fn lock(&self) -> MutexGuard<'_, Shared<B>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn talk<B: Book>(stream: &TcpStream, shared: &Mutex<Shared<B>>) -> std::io::Result<()> {
    let Some(request) = read(stream)? else { return Ok(()) };
    let mut locked = shared.lock().unwrap_or_else(PoisonError::into_inner);
    locked.requests += 1;
    if let Some(absence) = locked.absence {
        drop(locked);
        return match absence {
            Absence::Refuses => Ok(()),
            Absence::Hangs => silence(stream),
        };
    }
    let fault = if locked.book.acts(&request) { locked.next.pop_front() } else { None };
    let answer = match fault {
        Some(Fault::Refuse) => locked.book.refusal(),
        Some(Fault::LoseRequest) => return Ok(()),
        _ => locked.book.serve(&request),
    };
    drop(locked);
    match fault {
        None | Some(Fault::Refuse | Fault::LoseRequest) => write(stream, &answer),
        Some(Fault::LoseReply) => Ok(()),
        Some(Fault::BreakReply) => {
            // It ends in the middle of what was announced.
            let body = &answer.body;
            let half = body.get(..body.len() / 2).unwrap_or_default();
            let mut broken = Answer::raw(answer.status, half);
            broken.headers = vec![("content-length", (body.len() + 1).to_string())];
            write(stream, &broken)
        }
        Some(Fault::Fail) => write(stream, &Answer::raw(500, "<h1>Internal Server Error</h1>")),
        Some(Fault::Hang) => silence(stream),
        Some(Fault::Kill(which)) => {
            kill(which, stream.peer_addr()?).map_err(std::io::Error::other)?;
            match which {
                Which::Parent => write(stream, &answer),
                Which::Caller | Which::Both => Ok(()),
            }
        }
    }
}

/// Says nothing until the caller gives up.
fn silence(mut stream: &TcpStream) -> std::io::Result<()> {
    let mut rest = [0; 64];
    while stream.read(&mut rest)? > 0 {}
    Ok(())
}

/// Reads one request; `None` when the caller said nothing.
fn read(stream: &TcpStream) -> std::io::Result<Option<Request>> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut parts = line.split_whitespace();
    let method = parts.next().unwrap_or_default().to_owned();
    let target = parts.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or_default();
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(Request { method, path, query, headers, body }))
}

fn write(mut stream: &TcpStream, answer: &Answer) -> std::io::Result<()> {
    let mut head =
        format!("HTTP/1.1 {} -\r\ncontent-type: application/json\r\nconnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !answer.headers.iter().any(|(name, _)| *name == "content-length") {
        head.push_str(&format!("content-length: {}\r\n", answer.body.len()));
    }
    write!(stream, "{head}\r\n{}", answer.body)
}
