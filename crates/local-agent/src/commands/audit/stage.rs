//! Where everything is tried: a temporary folder beside the owner's real programs.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use daemon::{Failure, OrFailure as _, Setup};
use serde_json::{Value, json};
use task::{AgentId, Server, Task, TaskId};
use vault::{Limits, Vault};

use super::orders::Throwaway;
use onboarding::checks::programs_folder;

/// Everything that a try needs.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) setup: Setup,
    /// The owner's tool servers.
    pub(super) programs: PathBuf,
    /// This program.
    agent: PathBuf,
    pub(super) vault_id: String,
    pub(super) key: Arc<Throwaway>,
    folder: Arc<tempfile::TempDir>,
}

impl Stage {
    pub(super) fn build(setup: &Setup) -> Result<Self, Failure> {
        let vault_id = approval::read_vault_id(&setup.data.vault_id())
            .or_failed("cannot tell which vault this is")
            .map_err(|failure| failure.hint("run local-agent init first"))?;
        let folder = tempfile::Builder::new()
            .prefix("ai-employee-audit-")
            .tempdir()
            .or_failed("cannot make a temporary folder for the audit")?;
        let key = Throwaway::make(&make(folder.path(), "throwaway")?)?;
        Ok(Self {
            setup: setup.clone(),
            programs: programs_folder(setup)?,
            agent: std::env::current_exe().or_failed("cannot find this program")?,
            vault_id,
            key: Arc::new(key),
            folder: Arc::new(folder),
        })
    }

    /// A folder of this name.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, Failure> {
        make(self.folder.path(), name)
    }

    /// A data directory with the owner's approvers, or with the throw-away key as one.
    pub(super) fn data(&self, name: &str, approvers: Approvers) -> Result<PathBuf, Failure> {
        let data = self.folder(name)?;
        let from = match approvers {
            Approvers::Owners => self.setup.data.approvers(),
            Approvers::Throwaway => self.key.files.approvers.clone(),
        };
        copy(&from, &data.join("approvers"))?;
        copy(&self.setup.data.vault_id(), &data.join("vault-id"))?;
        Ok(data)
    }

    /// An empty vault.
    pub(super) fn vault(&self, name: &str) -> Result<Vault, Failure> {
        let folder = self.folder(name)?;
        Vault::open(folder, Limits::default()).or_failed("cannot make a vault for the audit")
    }

    /// A tool server of the owner's, with the owner's configuration and everything live that is
    /// live there.
    pub(super) fn server(&self, server: Server, data: &Path) -> Command {
        let mut command = Command::new(self.programs.join(server.binary()));
        if let Some(config) = &self.setup.config_file {
            command.arg("--config").arg(config);
        }
        let modes = &self.setup.modes;
        command
            .args(["--max-class", "dangerous"])
            .arg("--data")
            .arg(data)
            .env("AGENT_ID", self.setup.agent.as_str())
            .env("AGENT_ROLE", self.setup.role.to_string())
            .env("DRY_RUN", "false")
            .env("MOCK_DATA", modes.mock_data.to_string())
            .env("ODOO_MOCK", modes.odoo_mock.to_string())
            .env("WHATSAPP_MOCK", modes.whatsapp_mock.to_string())
            .env("PAYMENT_MOCK", modes.payment_mock.to_string());
        command
    }

    /// A program in an environment of nothing, with a configuration of its own.
    pub(super) fn apart(&self, program: &Path, name: &str, config: &Value) -> Result<Command, Failure> {
        let home = self.folder(name)?;
        let file = home.join("config.yaml");
        // JSON is YAML.
        std::fs::write(&file, config.to_string()).or_failed("cannot write a configuration for the audit")?;
        let mut command = Command::new(program);
        command.env_clear().env("HOME", &home).env("PATH", self.setup.env.get("PATH").unwrap_or_default());
        command.current_dir(&home).arg("--config").arg(&file);
        Ok(command)
    }

    /// This program, on sample data, with `vault` and `data`.
    pub(super) fn agent(&self, name: &str, vault: &Vault, data: &Path) -> Result<Command, Failure> {
        let me = self.agent_id();
        let config = json!({
            "agent": {"id": me, "executor": me, "role": "local"},
            "modes": {"dry_run": false, "mock_data": true},
            "watchers": {"mock_channels": []},
            "mcp": {"directory": self.programs},
        });
        let mut command = self.apart(&self.agent, name, &config)?;
        command.arg("--data").arg(data).arg("--vault").arg(vault.root());
        Ok(command)
    }

    /// The agent that carries out orders here.
    pub(super) fn agent_id(&self) -> &AgentId {
        &self.setup.agent
    }
}

/// Who may sign in a data directory.
#[derive(Clone, Copy)]
pub(super) enum Approvers {
    Owners,
    Throwaway,
}

fn make(root: &Path, name: &str) -> Result<PathBuf, Failure> {
    let path = root.join(name);
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(&path).or_failed("cannot make a folder for the audit")?;
    Ok(path)
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let copied = std::fs::copy(from, to);
    copied.map(drop).or_failed(format!("cannot copy {} for the audit", from.display()))
}

/// A task that proposes `action`.
pub(super) fn task(id: &TaskId, action: task::Action) -> Task {
    let mut front = task::FrontMatter::new(id.clone(), chrono::Utc::now());
    front.requires_approval = true;
    front.subject = Some(super::orders::MARK.to_owned());
    front.action = Some(action);
    Task::new(front, format!("{}\n", super::orders::MARK))
}
