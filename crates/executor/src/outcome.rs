//! What an answer means for the journal.

use mcp_client::{CallError, Reply};
use serde_json::Value;

use crate::State;
use crate::journal::Ending;

/// Longer messages are cut: they go into front matter and log.
const MAX_MESSAGE: usize = 500;

/// What is known after a call.
pub(crate) enum Known {
    /// How it ended.
    Ended(Ending),
    /// Nothing reached the server.
    NotStarted(String),
    /// It may have happened.
    Nothing(String),
}

/// Reads the outcome of a DRAFT or DANGEROUS call.
pub(crate) fn of_call(outcome: Result<Reply, CallError>) -> Known {
    match outcome {
        Ok(reply) => {
            let mut message = reply.content["message"].as_str().unwrap_or(&reply.text).to_owned();
            for warning in reply.warnings() {
                message.push_str("; warning: ");
                message.push_str(warning);
            }
            let reference = reference(&reply.content);
            Known::Ended(Ending { state: State::Done, reference, message: line(&message) })
        }
        Err(CallError::NotStarted { reason, .. }) => Known::NotStarted(line(&reason)),
        Err(CallError::Refused { message, .. }) => Known::Ended(Ending::new(State::Failed, line(&message))),
        Err(CallError::Unknown { message, .. }) => Known::Nothing(line(&message)),
    }
}

/// The other side's handle of an effect.
fn reference(content: &Value) -> Option<String> {
    let keys = ["message_id", "post_id", "payment_id", "invoice_id", "draft_id", "id", "reference"];
    keys.into_iter().find_map(|key| match &content[key] {
        Value::String(text) => Some(line(text)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// One line of bounded length: it is shown, logged and written into front matter.
pub(crate) fn line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(MAX_MESSAGE).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_handle_is_a_text_or_a_number() {
        for (content, expected) in [
            (json!({"message_id": "<a@x>", "id": 5}), Some("<a@x>")),
            (json!({"invoice_id": 7}), Some("7")),
            (json!({"id": ["7"]}), None),
            (json!({}), None),
        ] {
            assert_eq!(reference(&content).as_deref(), expected, "{content}");
        }
    }
}
