//! What is asked of a drafter and what it answers.

use std::path::PathBuf;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use policy::House;
use task::{Action, Role, Task};

use crate::Accounts;

/// A task to be drafted, with what belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The task, as it stands in the vault: hostile text.
    pub task: &'a Task,
    /// The owner's handbook; may be empty.
    pub handbook: &'a str,
    /// The rules of the handbook that drafting obeys.
    pub house: &'a House,
    /// How drafts are signed.
    pub owner_name: &'a str,
    /// The owner's accounts, for tasks that name none themselves.
    pub accounts: &'a Accounts,
    /// Who drafts; what a role may not even propose is left to the owner.
    pub role: Role,
    /// Now.
    pub now: DateTime<Utc>,
}

/// What became of a task.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is moved once")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Draft {
    /// Nothing is to be done.
    NoAction {
        /// Why, for the task's record.
        reason: String,
    },
    /// The owner has to decide something before anything can be proposed.
    NeedsPerson {
        /// What.
        question: String,
        /// What has been found out so far, a step per entry.
        plan: Vec<String>,
    },
    /// An action for the owner to approve.
    Proposal {
        /// How it was arrived at, a step per entry.
        plan: Vec<String>,
        /// The action, validated.
        action: Action,
        /// Who wrote it: `template`, `llm <model>`, or `template (fallback: <why>)`.
        drafter: String,
    },
}

/// Why there is no draft. Trying again later may help, except for [`DraftError::Template`].
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// A template does not render.
    #[error("template {name} does not render")]
    Template {
        /// Its file's name.
        name: &'static str,
        /// Why.
        #[source]
        source: Box<minijinja::Error>,
    },
    /// The language model was not asked or did not answer, and nothing may stand in for it.
    #[error("no draft from the language model: {reason}")]
    Model {
        /// Why.
        reason: String,
    },
}

/// Why a drafter cannot be built; the configuration is wrong.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The owner's template cannot be read.
    #[error("cannot read template {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The owner's template is none.
    #[error("template {} is not valid", path.display())]
    Template {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<minijinja::Error>,
    },
    /// The client of the language model cannot be made.
    #[error("cannot set up the language model: {0}")]
    Model(String),
}

/// Writes drafts.
#[async_trait]
pub trait Drafter: Send + Sync {
    /// Drafts one task. Cancelling it leaves nothing behind but, for a language model, the cost
    /// that was reserved.
    async fn draft(&self, request: &Request<'_>) -> Result<Draft, DraftError>;
}
