//! `drafter:`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use task::{Amount, Currency};

use crate::{ClaudeCode, Secret};

/// Who writes drafts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DrafterKind {
    /// Templates: offline and deterministic.
    #[default]
    Template,
    /// A language model.
    Llm,
    /// Claude Code, with the tools that read and draft.
    #[serde(rename = "claude-code")]
    ClaudeCode,
}

/// `drafter:`
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drafter {
    /// Who writes.
    pub kind: DrafterKind,
    /// A folder with the owner's own templates; the built-in ones stand in for what it lacks.
    pub templates: Option<PathBuf>,
    /// The language model; its budget holds for Claude Code, too.
    pub llm: Llm,
    /// Claude Code.
    pub claude_code: ClaudeCode,
}

/// Whose protocol a model speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Anthropic's.
    #[default]
    Anthropic,
    /// OpenAI's, as llama.cpp, vLLM and many more speak it.
    Openai,
    /// Ollama's.
    Ollama,
}

/// `drafter.llm:`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Llm {
    /// Protocol.
    pub provider: Provider,
    /// The model's name.
    pub model: String,
    /// The server's base address, with its trailing slash; the provider's own when absent.
    pub endpoint: Option<String>,
    /// Where the key is; none for local servers.
    pub api_key: Option<Secret>,
    /// How long one call may take.
    pub timeout_seconds: u64,
    /// How often a call is repeated after a fault that may pass.
    pub retries: u32,
    /// The longest answer, in tokens.
    pub max_output_tokens: u32,
    /// Whether the template steps in when the model cannot be had; the task says so.
    pub fallback_to_template: bool,
    /// What a day may cost.
    pub budget: Budget,
}

impl Default for Llm {
    fn default() -> Self {
        Self {
            provider: Provider::default(),
            model: "claude-sonnet-4-5".into(),
            endpoint: None,
            api_key: None,
            timeout_seconds: 60,
            retries: 3,
            max_output_tokens: 2_000,
            fallback_to_template: true,
            budget: Budget::default(),
        }
    }
}

/// `drafter.llm.budget:`; a call that might exceed it is not made.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Tokens per UTC day, in and out.
    pub tokens_per_day: u64,
    /// Money per UTC day.
    pub money_per_day: Amount,
    /// Its currency.
    pub currency: Currency,
    /// Price of a million tokens in.
    pub input_per_million: Amount,
    /// Price of a million tokens out.
    pub output_per_million: Amount,
}

impl Default for Budget {
    fn default() -> Self {
        #[expect(clippy::unwrap_used, reason = "constants that fit the rule")]
        let amount = |text: &str| text.parse::<Amount>().unwrap();
        #[expect(clippy::unwrap_used, reason = "a constant that fits the rule")]
        let currency = "USD".parse().unwrap();
        Self {
            tokens_per_day: 500_000,
            money_per_day: amount("2.00"),
            currency,
            input_per_million: amount("3.00"),
            output_per_million: amount("15.00"),
        }
    }
}
