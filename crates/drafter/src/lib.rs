//! Task, handbook and context made into a plan and a proposed action, or into "no answer needed",
//! or into a question for the owner. It knows nothing of executing: what comes out is a value of
//! the closed type [`task::Action`], and the owner signs it or does not.

mod draft;
mod fields;
mod llm;
mod message;
mod quiet;
mod template;
mod text;

pub use draft::{BuildError, Draft, DraftError, Drafter, Request};
pub use llm::LlmDrafter;
pub use template::TemplateDrafter;

use std::path::PathBuf;
use std::sync::Arc;

use config::DrafterKind;
use secrecy::SecretString;
use task::Clock;

/// Builds the drafter that the configuration asks for. `api_key` is the model's, if it has one;
/// `budget_file` is where its cost of the day is kept.
pub fn build(
    config: &config::Drafter,
    api_key: Option<SecretString>,
    budget_file: PathBuf,
    clock: Arc<dyn Clock>,
) -> Result<Box<dyn Drafter>, BuildError> {
    Ok(match config.kind {
        DrafterKind::Template => Box::new(TemplateDrafter::new(config.templates.as_deref())?),
        DrafterKind::Llm => Box::new(LlmDrafter::new(config, api_key.as_ref(), budget_file, clock)?),
    })
}
