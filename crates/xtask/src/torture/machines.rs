//! Two machines, the remote between them, and a bank that counts what it pays: the real programs,
//! and nothing else between what goes in and what comes out.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use std::io::Write as _;

use effects::{Bank, Service};
use serde_json::{Value, json};

use super::Outcome;
use super::bounded::{self, Ended};

/// The passphrase of the owner's key here.
const PASSPHRASE: &str = "correct horse battery staple";
/// What the bank takes as a key.
const KEY: &str = "key-of-the-torture";
/// A command that an owner types, or one round of an agent, takes a second or two, also on a busy
/// machine.
const LIMIT: Duration = Duration::from_secs(60);

/// What a round may take longer for each task that may wait.
const EACH: Duration = Duration::from_millis(500);

/// Which machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// The one that is always on.
    Cloud,
    /// The owner's.
    Owner,
}

impl Side {
    pub(crate) const BOTH: [Side; 2] = [Side::Cloud, Side::Owner];

    pub(crate) fn agent(self) -> &'static str {
        match self {
            Side::Cloud => "cloud-001",
            Side::Owner => "local-001",
        }
    }

    pub(crate) fn program(self) -> &'static str {
        match self {
            Side::Cloud => "cloud-agent",
            Side::Owner => "local-agent",
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Side::Cloud => "cloud-machine",
            Side::Owner => "owner-machine",
        }
    }
}

/// The machines in one folder.
pub(crate) struct World {
    root: PathBuf,
    remote: PathBuf,
    bin: PathBuf,
    pub(crate) bank: Service<Bank>,
}

impl World {
    /// Machines in the empty folder `root` with the programs in `bin`; the owner's is initialised.
    /// The remote is elsewhere: it is a machine of its own.
    pub(crate) fn new(root: &Path, remote: &Path, bin: &Path) -> Outcome<Self> {
        let bank = Service::start(Bank::new(KEY))?;
        let world = Self { root: root.to_owned(), remote: remote.to_owned(), bin: bin.to_owned(), bank };
        world.make_remote()?;
        for side in Side::BOTH {
            world.configure(side)?;
        }
        let ended = world.owner(&["init", "--passphrase-file", &world.passphrase()])?;
        if !ended.succeeded() {
            return Err(format!("init: {}", ended.said()));
        }
        Ok(world)
    }

    fn make_remote(&self) -> Outcome<()> {
        let mut command = Command::new("git");
        command.args(["init", "--quiet", "--bare", "--initial-branch=main"]).arg(&self.remote);
        let ended = bounded::run(command, LIMIT)?;
        if ended.succeeded() { Ok(()) } else { Err(format!("git init: {}", ended.said())) }
    }

    /// Everything that a person signs goes out at once, and as often as this run wants.
    fn configure(&self, side: Side) -> Outcome<()> {
        let folder = self.folder(side);
        let failed = |e: std::io::Error| format!("failed to write in {}: {e}", folder.display());
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let secret = folder.join("secret");
        let mut text = format!(
            "agent: {{ id: {}, executor: local-001 }}\n\
             owner: {{ name: Jane Doe }}\n\
             modes: {{ dry_run: false, mock_data: true, payment_mock: false }}\n\
             vault: {{ path: {:?}, quiet_seconds: 0 }}\n\
             watchers: {{ mock_channels: [] }}\n\
             sync: {{ enabled: true, push_gap_seconds: 0, interval_seconds: 1, remote: {:?} }}\n\
             health: {{ expect: {{}} }}\n",
            side.agent(),
            self.vault(side),
            self.remote,
        );
        if side == Side::Owner {
            text.push_str(&format!(
                "approval: {{ payee_hold_hours: 0, payment_minutes: 600, undo_seconds: {{ send_email: 0, initiate_payment: 0 }} }}\n\
                 limits:\n  per_recipient_per_day: 1000000\n  first_contacts_per_day: 1000000\n  tool_per_hour: 1000000\n  \
                 tool_per_day: 1000000\n  payments:\n    \
                 USD: {{ single: \"1000000.00\", per_day: \"1000000000.00\", per_payee_per_day: \"1000000000.00\" }}\n\
                 payment: {{ url: {:?}, secret: {{ file: {secret:?} }}, key_hours: 24, timeout_seconds: 5 }}\n",
                self.bank.url(),
            ));
            std::fs::write(folder.join("passphrase"), PASSPHRASE).map_err(failed)?;
            let file =
                std::fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(&secret);
            file.and_then(|mut file| file.write_all(KEY.as_bytes())).map_err(failed)?;
        }
        std::fs::write(folder.join("config.yaml"), text).map_err(failed)
    }

    /// The bank as it was in the beginning.
    pub(crate) fn forget_payments(&self) {
        self.bank.with(|bank| *bank = Bank::new(KEY));
    }

    pub(crate) fn folder(&self, side: Side) -> PathBuf {
        self.root.join(side.folder())
    }

    pub(crate) fn vault(&self, side: Side) -> PathBuf {
        self.folder(side).join("vault")
    }

    pub(crate) fn data(&self, side: Side) -> PathBuf {
        self.folder(side).join("data")
    }

    pub(crate) fn remote(&self) -> &Path {
        &self.remote
    }

    pub(crate) fn passphrase(&self) -> String {
        self.folder(Side::Owner).join("passphrase").display().to_string()
    }

    /// A program of a machine, in an environment that holds nothing of the developer's.
    pub(crate) fn command(&self, side: Side, program: &str) -> Command {
        self.command_below(side, &[], program)
    }

    /// The same, started by another program: `strace …`.
    pub(crate) fn command_below(&self, side: Side, starter: &[String], program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = match starter.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        let folder = self.folder(side);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &folder)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .current_dir(&folder)
            .arg("--config")
            .arg(folder.join("config.yaml"))
            .arg("--data")
            .arg(self.data(side));
        command
    }

    /// What the owner types.
    pub(crate) fn owner(&self, arguments: &[&str]) -> Outcome<Ended> {
        let mut command = self.command(Side::Owner, "local-agent");
        command.args(arguments);
        bounded::run(command, LIMIT)
    }

    /// One round of a machine's agent, with this many tasks to see to.
    pub(crate) fn once(&self, side: Side, tasks: usize) -> Outcome<Ended> {
        let mut command = self.command(side, side.program());
        command.arg("--once");
        let longer = EACH * u32::try_from(tasks).unwrap_or(u32::MAX);
        bounded::run(command, LIMIT + longer)
    }

    /// Brings a mail that asks for something, whole or not at all, as programs write.
    pub(crate) fn bring(&self, side: Side, id: &str) -> Outcome<()> {
        let text = format!(
            "---\nid: {id}\ntype: email\ncreated: 2026-02-23T03:15:00Z\nfrom: dan@example.com\nsubject: Question {id}\n\
             ---\nCould you please call me back about {id}?\n{}\n",
            last_words(id)
        );
        self.put(side, "Needs_Action", &format!("{id}.md"), &text)
    }

    /// Puts a draft before the owner that proposes to pay `amount`, which no other one does.
    pub(crate) fn propose(&self, id: &str, amount: &str) -> Outcome<()> {
        let action = json!({
            "server": "payment", "tool": "initiate_payment", "account": Bank::ACCOUNT, "arguments": Bank::payment(amount),
        });
        let text = format!(
            "---\nid: {id}\ntype: payment\ncreated: 2026-02-23T03:15:00Z\nstatus: pending_approval\nrequires_approval: true\n\
             action: {action}\n---\n{}\n",
            last_words(id)
        );
        self.put(Side::Owner, "Pending_Approval", &format!("APPROVE_{id}.md"), &text)
    }

    fn put(&self, side: Side, folder: &str, name: &str, text: &str) -> Outcome<()> {
        let folder = self.vault(side).join(folder);
        let new = folder.join(format!(".{name}.new"));
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&new, text))
            .and_then(|()| std::fs::rename(&new, folder.join(name)))
            .map_err(|e| format!("failed to bring {name}: {e}"))
    }

    /// The ids that wait for the owner.
    pub(crate) fn waiting(&self) -> Vec<String> {
        let name = |name: String| Some(name.strip_prefix("APPROVE_")?.strip_suffix(".md")?.to_owned());
        names(&self.vault(Side::Owner).join("Pending_Approval")).into_iter().filter_map(name).collect()
    }

    /// The command that approves `id` as it is now; `None` when it is gone or proposes nothing.
    pub(crate) fn approval(&self, id: &str) -> Outcome<Option<Vec<String>>> {
        let ended = self.owner(&["show", id, "--json"])?;
        if ended.hung() {
            return Err(format!("show {id}: {}", ended.said()));
        }
        let shown: Value = serde_json::from_str(&ended.out).unwrap_or_default();
        let Some(digest) = shown["digest"].as_str() else { return Ok(None) };
        let mut arguments = ["approve", id, "--digest", digest].map(str::to_owned).to_vec();
        arguments.extend(["--passphrase-file".to_owned(), self.passphrase()]);
        let given = &shown["action"]["arguments"];
        if let (Some(iban), Some(amount)) = (given["iban"].as_str(), given["amount"].as_str()) {
            let end = iban.get(iban.len().saturating_sub(4)..).unwrap_or_default();
            arguments.extend(["--amount", amount, "--payee-end", end].map(str::to_owned));
        }
        Ok(Some(arguments))
    }
}

/// The last line of what was brought: a file without it is torn.
pub(crate) fn last_words(id: &str) -> String {
    format!("These are the last words of {id}.")
}

/// The names in a folder that are no hidden files; none, where there is no folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.starts_with('.')).collect()
}
