//! Task, handbook and context made into a plan and a proposed action, or into "no answer needed",
//! or into a question for the owner. It knows nothing of executing: what comes out is a value of
//! the closed type [`task::Action`], and the owner signs it or does not. A long task is drafted one
//! step at a time ([`Next`]): the drafter reads what came of the steps before, and says the next.

mod accounts;
mod claude_code;
mod draft;
mod fields;
mod house;
mod llm;
mod message;
mod payment;
mod quiet;
mod template;
mod text;

pub use accounts::Accounts;
pub use claude_code::{ClaudeCodeDrafter, ToolServers};
pub use draft::{Act, BuildError, Draft, DraftError, Drafter, Next, Reach, Request};
pub use house::{blocked, writers};
pub use llm::{LlmDrafter, SpentDay, spending};
pub use template::TemplateDrafter;

use std::path::PathBuf;
use std::sync::Arc;

use config::DrafterKind;
use house::Housed;
use secrecy::SecretString;
use task::Clock;

/// The template drafter of a configuration, under the handbook's rules.
pub fn template(config: &config::Drafter) -> Result<Box<dyn Drafter>, BuildError> {
    Ok(Box::new(Housed(TemplateDrafter::new(config.templates.as_deref())?)))
}

/// Builds the drafter that the configuration asks for, under the handbook's rules. `api_key` is the model's, if it has one;
/// `tool_servers` is for a drafter that starts tool servers, `budget_file` is where its cost of the day is kept.
pub fn build(
    config: &config::Drafter,
    api_key: Option<SecretString>,
    budget_file: PathBuf,
    tool_servers: ToolServers,
    clock: Arc<dyn Clock>,
) -> Result<Box<dyn Drafter>, BuildError> {
    Ok(match config.kind {
        DrafterKind::Template => template(config)?,
        DrafterKind::ClaudeCode => {
            Box::new(Housed(ClaudeCodeDrafter::new(config, tool_servers, budget_file, clock)?))
        }
        DrafterKind::Llm => Box::new(Housed(LlmDrafter::new(config, api_key.as_ref(), budget_file, clock)?)),
    })
}
