//! The tool servers as an agent may use them while it works on a task: SAFE and DRAFT tools only.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use daemon::{Failure, OrFailure as _, Setup};
use drafter::Reach;
use mcp_client::{IDLE, Sessions, Settings, ToolCaller};
use policy::Class;
use task::Server;

/// What may be called, and through whom.
pub struct Toolbox {
    /// Calls, filtered by policy.
    pub caller: Arc<dyn ToolCaller>,
    /// What is within reach.
    pub reach: Reach,
}

impl Toolbox {
    /// The servers that are installed beside this program. None of them is started yet.
    pub(crate) fn open(setup: &Setup) -> Result<Self, Failure> {
        let rehearsal = setup.modes.dry_run;
        let most = if rehearsal { Class::Safe } else { Class::Draft };
        let settings = session_settings(setup, most)?;
        let installed = |server: &Server| settings.directory.join(server.binary()).is_file();
        let configured = |server: &Server| match server {
            Server::Odoo => setup.modes.mock_data || setup.modes.odoo_mock || setup.config.odoo.is_some(),
            // Whether these can work, their own answer says.
            Server::Email | Server::Social | Server::Whatsapp | Server::Payment => true,
        };
        let servers = Server::ALL.into_iter().filter(installed).filter(configured).collect();
        Ok(Self { caller: Arc::new(Sessions::new(settings)), reach: Reach { servers, most } })
    }

    /// Ends the servers that nobody has called for a while.
    pub(crate) async fn rest(&self) {
        self.caller.rest(IDLE).await;
    }

    /// Ends all servers.
    pub(crate) async fn close(&self) {
        self.caller.end().await;
    }
}

/// Where the tool servers' programs are: as configured, else beside this program.
pub fn programs_folder(setup: &Setup) -> Result<PathBuf, Failure> {
    if let Some(directory) = &setup.config.mcp.directory {
        return Ok(directory.clone());
    }
    let own = std::env::current_exe().or_failed("cannot find this program's own folder")?;
    Ok(own.parent().map(Path::to_owned).unwrap_or_default())
}

/// How the tool servers are started on behalf of this setup, with tools up to `max_class`.
pub fn session_settings(setup: &Setup, max_class: Class) -> Result<Settings, Failure> {
    let modes = &setup.modes;
    let switches = [
        ("DRY_RUN", modes.dry_run),
        ("MOCK_DATA", modes.mock_data),
        ("ODOO_MOCK", modes.odoo_mock),
        ("WHATSAPP_MOCK", modes.whatsapp_mock),
        ("PAYMENT_MOCK", modes.payment_mock),
    ];
    let mut environment: Vec<(String, String)> =
        switches.iter().map(|(name, on)| ((*name).to_owned(), on.to_string())).collect();
    environment.push(("AGENT_ID".into(), setup.agent.to_string()));
    environment.push(("AGENT_ROLE".into(), setup.role.to_string()));
    Ok(Settings {
        directory: programs_folder(setup)?,
        agent: setup.agent.clone(),
        role: setup.role,
        max_class,
        config: setup.config_file.clone(),
        data: setup.data.root().to_owned(),
        environment,
        timeout: Duration::from_secs(setup.config.mcp.timeout_seconds),
    })
}
