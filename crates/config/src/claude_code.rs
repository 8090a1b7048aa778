//! `drafter.claude_code:`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `drafter.claude_code:`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClaudeCode {
    /// The program.
    pub program: PathBuf,
    /// The model, as `--model` takes it; its own choice when absent.
    pub model: Option<String>,
    /// How long one draft may take.
    pub timeout_seconds: u64,
    /// How many turns with its tools it may take.
    pub max_turns: u32,
    /// What a draft is taken to cost at most, in tokens, until it says what it did cost.
    pub tokens_per_draft: u64,
    /// Whether the template steps in when there is no usable answer; the task says so.
    pub fallback_to_template: bool,
}

impl Default for ClaudeCode {
    fn default() -> Self {
        Self {
            program: "claude".into(),
            model: None,
            timeout_seconds: 300,
            max_turns: 15,
            tokens_per_draft: 60_000,
            fallback_to_template: true,
        }
    }
}
