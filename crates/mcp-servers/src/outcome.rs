//! What a tool answers, told by what may have happened.

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Map, Value, json};

/// The answer of a tool that worked.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// For people.
    pub text: String,
    /// For programs.
    pub content: Map<String, Value>,
}

impl Answer {
    /// An answer; `content` must be an object, anything else is kept under `value`.
    pub fn new(text: impl Into<String>, content: Value) -> Self {
        let content = match content {
            Value::Object(map) => map,
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        Self { text: text.into(), content }
    }

    /// Says that a DANGEROUS tool had its effect.
    pub(crate) fn done(mut self) -> Self {
        self.content.insert("effect".into(), "done".into());
        self.content.insert("message".into(), self.text.clone().into());
        self
    }

    /// Adds what went wrong although the tool worked.
    pub(crate) fn warn(&mut self, warnings: Vec<String>) {
        if warnings.is_empty() {
            return;
        }
        for warning in &warnings {
            self.text.push_str("; warning: ");
            self.text.push_str(warning);
        }
        self.content.insert("warnings".into(), json!(warnings));
    }
}

/// What is known about the effect of a tool that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Nothing happened.
    None,
    /// Nothing happened, because the other side was never reached: the same call may be made later.
    Unreached,
    /// It may have happened.
    Unknown,
}

impl Effect {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Effect::None | Effect::Unreached => "none",
            Effect::Unknown => "unknown",
        }
    }
}

/// Why a tool failed, with what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What is known about the effect.
    pub effect: Effect,
    /// One sentence for the owner.
    pub message: String,
}

impl Failure {
    /// It failed, and nothing happened.
    pub fn none(message: impl Into<String>) -> Self {
        Self { effect: Effect::None, message: message.into() }
    }

    /// It failed, and nothing happened, because the other side was never reached.
    pub fn unreached(message: impl Into<String>) -> Self {
        Self { effect: Effect::Unreached, message: message.into() }
    }

    /// It failed, and nobody knows what happened.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self { effect: Effect::Unknown, message: message.into() }
    }
}

/// The MCP form of an outcome.
pub(crate) fn result(outcome: Result<Answer, Failure>) -> CallToolResult {
    let (text, content, mut result) = match outcome {
        Ok(answer) => (answer.text, Value::Object(answer.content), CallToolResult::success(vec![])),
        Err(failure) => {
            let mut content = json!({"effect": failure.effect.name(), "message": failure.message});
            if failure.effect == Effect::Unreached {
                content["reached"] = false.into();
            }
            (failure.message, content, CallToolResult::error(vec![]))
        }
    };
    // The sentence, and for clients that show text alone the whole answer.
    result.content = vec![ContentBlock::text(text), ContentBlock::text(content.to_string())];
    result.structured_content = Some(content);
    result
}
