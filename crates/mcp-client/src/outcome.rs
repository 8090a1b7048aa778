//! What an answer, or its absence, says about the effect.

use policy::Class;
use rmcp::ServiceError;
use rmcp::model::{CallToolResult, ErrorCode};
use serde_json::Value;
use task::Server;

use crate::{CallError, Reply};

/// Names the call in the outcome and knows how much harm it can do.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) server: Server,
    pub(crate) tool: String,
    pub(crate) class: Class,
}

impl Asked {
    fn refused(self, message: impl Into<String>) -> CallError {
        CallError::Refused { server: self.server, tool: self.tool, message: message.into() }
    }

    /// The server did not reach the other side.
    fn not_started(self, reason: impl Into<String>) -> CallError {
        CallError::NotStarted { server: self.server, reason: reason.into() }
    }

    /// No usable answer: only a DANGEROUS tool leaves a question behind.
    fn lost(self, message: impl Into<String>) -> CallError {
        let (server, tool, message) = (self.server, self.tool, message.into());
        match self.class {
            Class::Dangerous => CallError::Unknown { server, tool, message },
            Class::Safe | Class::Draft => CallError::Refused { server, tool, message },
        }
    }

    /// Reads a result.
    pub(crate) fn result(self, result: CallToolResult) -> Result<Reply, CallError> {
        let content = result.structured_content.unwrap_or(Value::Null);
        // With structured content, further text repeats it.
        let most = if content.is_null() { usize::MAX } else { 1 };
        let text = result.content.iter().filter_map(|block| block.as_text()).map(|t| t.text.as_str());
        let text = text.take(most).collect::<Vec<_>>().join("\n");
        if result.is_error != Some(true) {
            // A DANGEROUS tool that worked says so; anything else is not taken for success.
            return match self.class {
                Class::Dangerous if content["effect"] != "done" => {
                    Err(self.lost(format!("the answer does not say that it is done: {}", short(&text))))
                }
                _ => Ok(Reply { text, content }),
            };
        }
        let message = content["message"].as_str().map_or_else(|| short(&text), str::to_owned);
        match (&content["effect"], &content["reached"]) {
            (Value::String(none), Value::Bool(false)) if none == "none" => Err(self.not_started(message)),
            (Value::String(none), _) if none == "none" => Err(self.refused(message)),
            _ => Err(self.lost(message)),
        }
    }

    /// Reads a failed exchange. `fault` is why the session ended, if it did.
    pub(crate) fn failure(self, error: &ServiceError, fault: Option<&str>) -> CallError {
        match error {
            // The request was read and not routed: these two codes say that no tool ran.
            ServiceError::McpError(e)
                if [ErrorCode::METHOD_NOT_FOUND, ErrorCode::INVALID_PARAMS].contains(&e.code) =>
            {
                self.refused(e.message.clone())
            }
            ServiceError::McpError(e) => self.lost(format!("the server answered with an error: {e}")),
            ServiceError::Timeout { timeout } => {
                self.lost(format!("no answer within {} s", timeout.as_secs_f32()))
            }
            other => match fault {
                Some(fault) => self.lost(format!("the session ended: {fault}")),
                None => self.lost(format!("the session ended: {other}")),
            },
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, PartialEq)]
    enum Verdict {
        Reply,
        NotStarted,
        Refused,
        Unknown,
    }

    fn verdict(outcome: &Result<Reply, CallError>) -> Verdict {
        match outcome {
            Ok(_) => Verdict::Reply,
            Err(CallError::Unknown { .. }) => Verdict::Unknown,
            Err(CallError::NotStarted { .. }) => Verdict::NotStarted,
            Err(CallError::Refused { .. }) => Verdict::Refused,
        }
    }

    fn asked(class: Class) -> Asked {
        Asked { server: Server::Email, tool: "send_email".into(), class }
    }

    #[test]
    fn only_what_says_done_is_done_and_only_what_says_none_is_none() {
        let check = |class, result: CallToolResult, expected| {
            assert_eq!(verdict(&asked(class).result(result)), expected);
        };
        let ok = |content| CallToolResult::structured(content);
        let error = |content| CallToolResult::structured_error(content);
        check(Class::Dangerous, ok(json!({"effect": "done"})), Verdict::Reply);
        check(Class::Dangerous, ok(json!({"message": "fine"})), Verdict::Unknown);
        check(Class::Dangerous, ok(json!({"effect": "none"})), Verdict::Unknown);
        check(Class::Dangerous, error(json!({"effect": "none", "message": "550"})), Verdict::Refused);
        check(Class::Dangerous, error(json!({"effect": "none", "reached": false})), Verdict::NotStarted);
        check(Class::Dangerous, error(json!({"effect": "unknown", "reached": false})), Verdict::Unknown);
        check(Class::Dangerous, error(json!({"reached": false})), Verdict::Unknown);
        check(Class::Dangerous, error(json!({"effect": "unknown"})), Verdict::Unknown);
        check(Class::Dangerous, error(json!({})), Verdict::Unknown);
        check(Class::Dangerous, CallToolResult::error(vec![]), Verdict::Unknown);
        check(Class::Safe, ok(json!({"messages": []})), Verdict::Reply);
        check(Class::Safe, error(json!({})), Verdict::Refused);
    }

    #[test]
    fn a_lost_session_is_unknown_for_what_acts_alone() {
        let lost = |class| Err(asked(class).failure(&ServiceError::TransportClosed, Some("it died")));
        assert_eq!(verdict(&lost(Class::Dangerous)), Verdict::Unknown);
        assert_eq!(verdict(&lost(Class::Draft)), Verdict::Refused);
        assert!(lost(Class::Dangerous).is_err_and(|e| e.to_string().contains("it died")));
    }
}
