//! One running server and the conversation with it.

use std::process::Stdio;
use std::time::Duration;

use rmcp::RoleClient;
use rmcp::model::{ClientCapabilities, ClientConfig, Implementation, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, Peer, RunningService};
use task::Server;
use tokio::process::{Child, Command};

use crate::Settings;
use crate::wire::{Fault, Wire};

/// How long a server may take until it answers for the first time.
const START: Duration = Duration::from_secs(10);

/// How long a server may take to exit once its input has ended; it finishes what it is doing.
const EXIT: Duration = Duration::from_secs(30);

/// A server process with its session. Dropping it kills the process.
pub(crate) struct Session {
    server: Server,
    running: RunningService<RoleClient, ClientConfig>,
    child: Child,
    fault: Fault,
}

impl Session {
    /// Starts the server and opens the session; the error is a fragment with what to do.
    pub(crate) async fn start(server: Server, settings: &Settings) -> Result<Self, String> {
        let path = settings.directory.join(server.binary());
        let mut command = Command::new(&path);
        if let Some(config) = &settings.config {
            command.arg("--config").arg(config);
        }
        command
            .arg("--data")
            .arg(&settings.data)
            .arg("--max-class")
            .arg(settings.max_class.to_string())
            .env("AGENT_ID", settings.agent.as_str())
            .env("AGENT_ROLE", settings.role.to_string())
            .envs(settings.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            // A terminal's Ctrl-C is for the agent; it ends the session when its calls are done.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| {
            format!("{} cannot be started: {error}; check mcp.directory in config.yaml", path.display())
        })?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("{} was started without pipes", path.display()));
        };
        let fault = Fault::default();
        let wire = Wire::new(stdout, stdin, fault.clone());
        let client = ClientConfig::new(
            ClientCapabilities::default(),
            Implementation::new("ai-employee", env!("CARGO_PKG_VERSION")),
        );
        let lifecycle = ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: Some(ProtocolVersion::V_2025_11_25),
        };
        match tokio::time::timeout(START, client.serve_with_lifecycle(wire, lifecycle)).await {
            Ok(Ok(running)) => Ok(Self { server, running, child, fault }),
            Ok(Err(error)) => {
                Err(Self::explain(&path.display().to_string(), &mut child, &fault, error).await)
            }
            Err(_) => Err(format!("{} did not answer within {} s", path.display(), START.as_secs())),
        }
    }

    /// Why a start failed: the server's own end says more than the protocol does.
    async fn explain(
        path: &str,
        child: &mut Child,
        fault: &Fault,
        error: rmcp::service::ClientInitializeError,
    ) -> String {
        // Its output has ended; its exit follows at once, or it is killed when dropped.
        let exited = tokio::time::timeout(Duration::from_secs(1), child.wait()).await;
        match (exited, fault.get()) {
            (Ok(Ok(status)), _) if !status.success() => {
                format!("{path} ended with {status}; its reason is in the log above")
            }
            (_, Some(fault)) => format!("{path} could not be talked to: {fault}"),
            (Ok(Ok(_)), None) => format!("{path} ended before it answered"),
            _ => format!("{path} could not be talked to: {error}"),
        }
    }

    /// Whether calls can be made.
    pub(crate) fn is_alive(&mut self) -> bool {
        let exited = !matches!(self.child.try_wait(), Ok(None));
        !exited && self.fault.get().is_none() && !self.running.is_transport_closed()
    }

    /// The other side, and why it went away if it does.
    pub(crate) fn peer(&self) -> (Peer<RoleClient>, Fault) {
        (self.running.peer().clone(), self.fault.clone())
    }

    /// Whether `fault` is this session's.
    pub(crate) fn has(&self, fault: &Fault) -> bool {
        self.fault.is(fault)
    }

    /// The process's id, while it runs.
    pub(crate) fn process_id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends the server's input and waits for its exit.
    pub(crate) async fn close(mut self) {
        let server = self.server;
        let end = async {
            // A server that does not read keeps even this waiting.
            if let Err(error) = self.running.close().await {
                tracing::warn!(%server, %error, "the session did not end in order");
            }
            self.child.wait().await
        };
        match tokio::time::timeout(EXIT, end).await {
            Ok(Ok(status)) => tracing::debug!(%server, %status, "server has ended"),
            Ok(Err(error)) => tracing::warn!(%server, %error, "failed to wait for the server's end"),
            Err(_) => tracing::warn!(%server, "server did not end within {} s: killed", EXIT.as_secs()),
        }
    }
}
