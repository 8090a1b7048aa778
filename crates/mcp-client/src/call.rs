//! A tool call and what can come of it.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};
use task::Server;

/// One call of one tool.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which server has the tool.
    pub server: Server,
    /// The tool's name.
    pub tool: String,
    /// Its arguments, a JSON object.
    pub arguments: Value,
    /// The request's `_meta`; for a DANGEROUS tool the keys
    /// [`META_TEXT`](task::Order::META_TEXT), [`META_SIGNATURE`](task::Order::META_SIGNATURE) and
    /// [`META_KEY`](task::Order::META_KEY).
    pub meta: Map<String, Value>,
    /// How long to wait for the answer; the sessions' own limit when absent.
    pub timeout: Option<Duration>,
}

impl Call {
    /// A call without `_meta`, with the sessions' own time limit.
    pub fn new(server: Server, tool: impl Into<String>, arguments: Value) -> Self {
        Self { server, tool: tool.into(), arguments, meta: Map::new(), timeout: None }
    }

    /// The same call with an order and its signature. The idempotency key is the approval's id.
    #[must_use]
    pub fn with_order(mut self, order: &str, signature: &str, approval: &str) -> Self {
        for (key, value) in [
            (task::Order::META_TEXT, order),
            (task::Order::META_SIGNATURE, signature),
            (task::Order::META_KEY, approval),
        ] {
            self.meta.insert(key.to_owned(), Value::String(value.to_owned()));
        }
        self
    }
}

/// What a tool answered when it worked.
#[derive(Clone, PartialEq, Debug)]
pub struct Reply {
    /// For people.
    pub text: String,
    /// For programs: the result's `structuredContent`, an object, or null. A DANGEROUS tool's has
    /// `effect: "done"`, a `message`, what identifies the effect (`message_id`, `post_id`, …) and
    /// perhaps `warnings`, a list of sentences.
    pub content: Value,
}

impl Reply {
    /// What the tool warns of although it worked.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.content["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str)
    }
}

/// Why there is no reply, told by what may have happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nothing reached the server, or the server did not reach the service behind it: it may be called again later.
    #[error("{server} server was not called: {reason}")]
    NotStarted {
        /// Which server.
        server: Server,
        /// Why, with what to do.
        reason: String,
    },
    /// The server says that nothing happened.
    #[error("{server} server refused {tool}: {message}")]
    Refused {
        /// Which server.
        server: Server,
        /// Which tool.
        tool: String,
        /// The server's words.
        message: String,
    },
    /// It may have happened: no answer, a garbled one, or the server says so itself. Only a
    /// DANGEROUS tool ends like this; a lost SAFE or DRAFT call is [`CallError::Refused`],
    /// because nobody is harmed by making it again.
    #[error("nobody knows whether {tool} of the {server} server had its effect: {message}")]
    Unknown {
        /// Which server.
        server: Server,
        /// Which tool.
        tool: String,
        /// What is known.
        message: String,
    },
}

/// How long a server is kept that nobody calls: longer than a task's steps are apart.
pub const IDLE: Duration = Duration::from_secs(120);

/// Calls tools. The executor and the agents see nothing else of MCP.
#[async_trait]
pub trait ToolCaller: Send + Sync {
    /// Calls one tool and waits for its outcome.
    async fn call(&self, call: Call) -> Result<Reply, CallError>;

    /// Lets go of what no call has used for as long as `idle`, without waiting for its end; the next
    /// call takes it up again.
    async fn rest(&self, _idle: Duration) {}

    /// Lets go of everything, and waits for its end.
    async fn end(&self) {}
}
