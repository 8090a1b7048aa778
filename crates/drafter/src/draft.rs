//! What is asked of a drafter and what it answers.

use std::collections::BTreeSet;
use std::path::PathBuf;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use policy::{Class, Decision, House};
use serde_json::Value;
use task::{Action, Role, Server, Task};

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
    /// What this agent may call for it.
    pub reach: &'a Reach,
    /// Now.
    pub now: DateTime<Utc>,
}

/// The tools that an agent may call while it works on a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reach {
    /// The servers that are there.
    pub servers: BTreeSet<Server>,
    /// The highest class: DRAFT, or SAFE in a rehearsal.
    pub most: Class,
}

impl Reach {
    /// No tools at all: everything is proposed.
    pub const NONE: &'static Reach = &Reach { servers: BTreeSet::new(), most: Class::Safe };

    /// Whether `role` may call this tool here.
    pub fn allows(&self, role: Role, server: Server, tool: &str) -> bool {
        let class = policy::class(server, tool);
        self.servers.contains(&server)
            && class <= self.most
            && class < Class::Dangerous
            && policy::decide(role, server, tool) == Decision::Allow
    }
}

/// One of several steps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Next {
    /// What is done, in a line.
    pub what: String,
    /// How.
    pub act: Act,
    /// What is foreseen after it, in order.
    pub then: Vec<String>,
    /// Who planned it, as in [`Draft::Proposal`].
    pub drafter: String,
}

/// What a step does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// A SAFE or DRAFT tool is called; the drafter is asked again with what came of it.
    Call {
        /// The tool's server.
        server: Server,
        /// The tool.
        tool: String,
        /// Its arguments, an object.
        arguments: Value,
    },
    /// Nothing is called: what was found out is written down for the steps to come.
    Note {
        /// In a line, for people.
        said: String,
        /// For the drafter, an object.
        result: Value,
    },
    /// The owner is asked to sign this; once it was carried out, and if anything is foreseen after
    /// it, the drafter is asked again.
    Propose(Action),
}

/// What became of a task.
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
    /// One step of a long task. What was done before stands in the task
    /// ([`task::FrontMatter::steps`]).
    Next(Next),
}

/// Why there is no draft. Trying again later may help, except for [`DraftError::Template`].
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// A template does not render.
    #[error("template {name} does not render: {source}")]
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
    /// The owner's template asks for what no template gets.
    #[error("template {} asks for {unknown}, which it does not get; it gets {known}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// What it asks for.
        unknown: String,
        /// What there is.
        known: String,
    },
    /// A template that stands in for none.
    #[error("{} is no template that is ever used; the names are {names}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// The names that are used.
        names: String,
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
