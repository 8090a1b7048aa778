//! What a server is told when it starts.

use std::path::PathBuf;
use std::sync::Arc;

use policy::Class;
use secrecy::SecretString;
use task::{AgentId, Clock, Role};

/// Finds a secret, given whose it is; the error is a fragment with what to do.
pub type Secrets = Arc<dyn Fn(&config::Secret, &str) -> Result<SecretString, String> + Send + Sync>;

/// Everything a server knows.
#[derive(Clone)]
pub struct Setup {
    /// The data directory: approvers, vault id, ledger, sample data.
    pub data: PathBuf,
    /// The configuration.
    pub config: config::Config,
    /// Whether this server works with sample data.
    pub mock: bool,
    /// The agent that this machine's orders must name.
    pub agent: AgentId,
    /// Whose machine this is.
    pub role: Role,
    /// The highest class of tools that is registered.
    pub max_class: Class,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where passwords come from.
    pub secrets: Secrets,
}
