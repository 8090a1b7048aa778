//! An action as text for an editor, and back.

use serde_json::Value;
use task::{Action, ActionError, Call, TaskId, strict_yaml};

/// Why an edited text is no action.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// YAML that is more than data, or none.
    #[error("edited text has {0}")]
    Refused(#[from] strict_yaml::Refusal),
    /// YAML of something else.
    #[error("edited text does not fit: {0}")]
    Decode(String),
    /// An action that is none.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// Arguments alone, but nothing that they belong to.
    #[error("edited text has no tool; write server, tool, account and arguments")]
    NoTool,
    /// The action cannot be written as YAML.
    #[error("action cannot be written as YAML: {0}")]
    Encode(String),
}

/// The text for the owner's editor.
pub fn to_editable(
    id: &TaskId,
    question: Option<&str>,
    action: Option<&Action>,
) -> Result<String, EditError> {
    let mut text = format!("# {id}: change what is below, save and close. An empty file changes nothing.\n");
    for line in question.unwrap_or_default().lines() {
        text.push_str(&format!("# {}\n", crate::visible(line)));
    }
    match action {
        Some(action) => {
            text.push_str(&serde_yaml::to_string(action).map_err(|e| EditError::Encode(e.to_string()))?);
        }
        None => {
            text.push_str(&format!("# tools: {}\n", Call::NAMES.join(", ")));
            text.push_str("#server: email\n#tool: send_email\n#account: owner@example.com\n#arguments:\n");
            text.push_str("#  to: [alice@example.com]\n#  subject: Hello\n#  body: |\n#    Dear Alice,\n");
        }
    }
    Ok(text)
}

/// Reads YAML or JSON: a whole action, or the arguments alone, which then go with `current`'s tool
/// and account. `None` when there is nothing but comments.
pub fn from_editable(text: &str, current: Option<&Action>) -> Result<Option<Action>, EditError> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(None);
    }
    strict_yaml::check(text)?;
    let value: Value = serde_yaml::from_str(text).map_err(|e| EditError::Decode(e.to_string()))?;
    if value.get("tool").is_some() || value.get("arguments").is_some() {
        let action = serde_json::from_value(value).map_err(|e| EditError::Decode(e.to_string()))?;
        return Ok(Some(action));
    }
    let current = current.ok_or(EditError::NoTool)?;
    let call = Call::decode(current.call.tool(), value)?;
    Ok(Some(Action { account: current.account.clone(), call }))
}
