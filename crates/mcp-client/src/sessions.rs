//! One kept session per server.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use policy::Class;
use task::Role;

use crate::{Call, CallError, Reply, ToolCaller};

/// How the servers are started and what may be called.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder that holds the server binaries.
    pub directory: PathBuf,
    /// Who calls.
    pub role: Role,
    /// The highest class that the servers register and that is let through.
    pub max_class: Class,
    /// `--config` for the servers; their own search when absent.
    pub config: Option<PathBuf>,
    /// `--data` for the servers.
    pub data: PathBuf,
    /// Environment variables for the servers beside the inherited ones, such as `MOCK_DATA`.
    pub environment: Vec<(String, String)>,
    /// How long one call may take.
    pub timeout: Duration,
}

/// The sessions with all servers. Nothing is started before it is called.
pub struct Sessions {
    settings: Settings,
}

impl Sessions {
    /// Sessions as `settings` say.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Closes every session: the servers see the end of their input and exit.
    pub async fn close(&self) {}
}

#[async_trait]
impl ToolCaller for Sessions {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        let _ = &self.settings;
        Err(CallError::NotStarted { server: call.server, reason: "sessions are not written yet".into() })
    }
}
