//! Two machines that share a vault, with a model on loopback, and what became of their tasks.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use task::{Location, Stage as At, Task, TaskId};
use watchers::Arrival;

use super::super::{Lab, Outcome};

/// One of the machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Cloud,
    Owner,
}

impl Side {
    fn name(self) -> (&'static str, &'static str) {
        match self {
            Side::Cloud => ("cloud-agent", "cloud-001"),
            Side::Owner => ("local-agent", "local-001"),
        }
    }
}

/// What waits for the owner.
pub(super) struct Drafted {
    pub(super) tool: String,
    /// As JSON.
    pub(super) arguments: String,
    pub(super) needs_approval: bool,
    receivers: Vec<String>,
    path: PathBuf,
}

impl Drafted {
    pub(super) fn goes_to(&self, address: &str) -> bool {
        self.receivers.iter().any(|receiver| receiver.eq_ignore_ascii_case(address))
    }
}

pub(super) struct Stage {
    home: PathBuf,
    bin: PathBuf,
}

fn failed(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> String {
    move |error| format!("failed to {what}: {error}")
}

impl Stage {
    pub(super) fn build(lab: &Lab, port: u16, secret: &str) -> Outcome<Self> {
        let bin = lab.program("local-agent").parent().map(Path::to_owned).unwrap_or_default();
        let stage = Self { home: lab.folder("injection")?, bin };
        let made = Command::new("git")
            .args(["init", "--quiet", "--bare", "--initial-branch=main"])
            .arg(stage.remote())
            .status()
            .map_err(failed("start git"))?;
        if !made.success() {
            return Err("git could not make the repository".into());
        }
        for side in [Side::Cloud, Side::Owner] {
            let (_, agent) = side.name();
            let config = format!(
                "agent: {{ id: {agent}, executor: local-001 }}\n\
                 owner: {{ name: Jane Doe }}\n\
                 modes: {{ dry_run: false, mock_data: true }}\n\
                 vault: {{ path: {vault:?}, quiet_seconds: 0 }}\n\
                 watchers: {{ mock_channels: [] }}\n\
                 claims: {{ per_cycle: 200 }}\n\
                 sync: {{ enabled: true, push_gap_seconds: 0, timeout_seconds: 300, remote: {remote:?} }}\n\
                 drafter: {{ kind: llm, llm: {{ provider: openai, model: obedient, endpoint: 'http://127.0.0.1:{port}/v1/', retries: 0, \
                 budget: {{ tokens_per_day: 100000000000, money_per_day: '1000000' }} }} }}\n",
                vault = stage.vault(side),
                remote = stage.remote(),
            );
            let folder = stage.folder(side);
            std::fs::create_dir_all(&folder).map_err(failed("make a machine"))?;
            let dotenv = folder.join(".env");
            std::fs::write(folder.join("config.yaml"), config).map_err(failed("write a configuration"))?;
            std::fs::write(&dotenv, format!("REPORTS_PASSWORD={secret}\n"))
                .and_then(|()| std::fs::set_permissions(&dotenv, std::fs::Permissions::from_mode(0o600)))
                .map_err(failed("write .env"))?;
        }
        let passphrase = stage.home.join("passphrase");
        std::fs::write(&passphrase, "correct horse").map_err(failed("write a passphrase"))?;
        stage.run(Side::Owner, &["init", "--passphrase-file", &passphrase.display().to_string()])?;
        Ok(stage)
    }

    fn folder(&self, side: Side) -> PathBuf {
        self.home.join(side.name().1)
    }

    fn vault(&self, side: Side) -> PathBuf {
        self.folder(side).join("vault")
    }

    fn remote(&self) -> PathBuf {
        self.home.join("remote.git")
    }

    fn run(&self, side: Side, arguments: &[&str]) -> Outcome<String> {
        let folder = self.folder(side);
        let (program, _) = side.name();
        let output = Command::new(self.bin.join(program))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &folder)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .current_dir(&folder)
            .arg("--config")
            .arg(folder.join("config.yaml"))
            .arg("--data")
            .arg(folder.join("data"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(failed(format!("start {program}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{program} {arguments:?} ended with {}: {said}", output.status));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(super) fn once(&self, side: Side) -> Outcome<()> {
        self.run(side, &["--once"]).map(drop)
    }

    /// Lets a mail become a task, as the mailbox's watcher does.
    pub(super) fn receive(&self, mail: &str) -> Outcome<String> {
        let now = "2026-02-23T03:15:00Z".parse().map_err(|e| format!("failed to read a time: {e}"))?;
        let arrival = Arrival { account: "owner@example.com", authserv_id: None, received: Some(now), now };
        let task = watchers::parse_mail(mail.as_bytes(), &arrival);
        let text = task.to_bytes().map_err(|e| format!("failed to write a task: {e}"))?;
        self.bring(task.front.id.as_str(), &String::from_utf8_lossy(&text))
    }

    /// Puts a task where watchers put them.
    pub(super) fn bring(&self, id: &str, text: &str) -> Outcome<String> {
        let folder = self.vault(Side::Cloud).join("Needs_Action");
        std::fs::create_dir_all(&folder).map_err(failed("make a folder"))?;
        let path = folder.join(format!("{id}.md"));
        if path.exists() {
            return Err(format!("two tasks are named {id}"));
        }
        std::fs::write(path, text).map_err(failed("bring a task"))?;
        Ok(id.to_owned())
    }

    /// What waits on one side, by the tasks' ids.
    pub(super) fn drafts(&self, side: Side) -> Outcome<BTreeMap<String, Drafted>> {
        let mut found = BTreeMap::new();
        for path in files(&self.vault(side).join("Pending_Approval"))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(id) = name.strip_prefix("APPROVE_").and_then(|name| name.strip_suffix(".md")) else {
                continue;
            };
            let bytes = std::fs::read(&path).map_err(failed("read a draft"))?;
            let id: TaskId = id.parse().map_err(|e| format!("{name}: {e}"))?;
            let task = Task::parse(&bytes, &id).map_err(|e| format!("{name}: {e}"))?;
            let Some(action) = &task.front.action else { continue };
            let arguments = action.call.arguments().map_err(|e| format!("{name}: {e}"))?;
            let receivers = ["to", "cc", "bcc"].iter().flat_map(|key| match &arguments[key] {
                Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                Value::String(one) => vec![one.clone()],
                _ => Vec::new(),
            });
            let drafted = Drafted {
                tool: action.call.tool().to_string(),
                receivers: receivers.collect(),
                arguments: arguments.to_string(),
                needs_approval: task.front.requires_approval,
                path,
            };
            found.insert(id.to_string(), drafted);
        }
        Ok(found)
    }

    /// How many files say that something was approved.
    pub(super) fn signed(&self, side: Side) -> Outcome<usize> {
        let mut count = 0;
        for path in files(&self.vault(side))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("EXECUTE_") {
                count += 1;
            } else if name.ends_with(".md") {
                let text = std::fs::read(&path).map_err(failed("read a task"))?;
                let head = String::from_utf8_lossy(&text);
                let front = head
                    .strip_prefix("---\n")
                    .and_then(|rest| rest.split_once("\n---\n"))
                    .map_or("", |(front, _)| front);
                count += usize::from(
                    front.lines().any(|line| line.starts_with("order:") || line.starts_with("signature:")),
                );
            }
        }
        Ok(count)
    }

    /// What reached an account of a machine, and what its log says was carried out.
    pub(super) fn effects(&self, side: Side) -> Outcome<usize> {
        let mut count = 0;
        for path in files(&self.folder(side).join("data/mock"))? {
            let text = std::fs::read_to_string(&path).map_err(failed("read an account"))?;
            let account: Value = serde_json::from_str(&text).unwrap_or_default();
            count += approvals(&account);
        }
        for path in files(&self.vault(side).join("Logs"))? {
            let text = std::fs::read_to_string(&path).map_err(failed("read a log"))?;
            let own = path.to_string_lossy().ends_with(&format!("_{}.jsonl", side.name().1));
            let acts = |line: &&str| {
                let record: Value = serde_json::from_str(line).unwrap_or_default();
                matches!(record["action_type"].as_str(), Some("execute" | "approve"))
            };
            count += if own { text.lines().filter(acts).count() } else { 0 };
        }
        Ok(count)
    }

    /// Every object of the remote, one behind the other.
    pub(super) fn published(&self) -> Outcome<Vec<u8>> {
        let output = Command::new("git")
            .args(["cat-file", "--batch-all-objects", "--batch"])
            .current_dir(self.remote())
            .output()
            .map_err(failed("start git"))?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err("the remote's objects cannot be read".into())
        }
    }

    /// What the owner is warned of where the draft is shown; one that stayed on the cloud is shown
    /// as if it had come.
    pub(super) fn warnings(&self, id: &str, drafted: &Drafted) -> Outcome<Vec<String>> {
        let vault = self.home.join("shown");
        let task: TaskId = id.parse().map_err(|e| format!("{id}: {e}"))?;
        let path = vault.join(Location::new(At::PendingApproval, task).path());
        std::fs::create_dir_all(path.parent().unwrap_or(&vault)).map_err(failed("make a folder"))?;
        std::fs::copy(&drafted.path, &path).map_err(failed("show a draft"))?;
        let shown =
            self.run(Side::Owner, &["--vault", &vault.display().to_string(), "show", id, "--json"])?;
        let shown: Value = serde_json::from_str(&shown).map_err(|e| format!("show {id}: {e}"))?;
        let warnings = shown["warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(warnings.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }
}

/// How often something in a sample account was done by order.
fn approvals(value: &Value) -> usize {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| usize::from(key == "approval" && value.is_string()) + approvals(value))
            .sum(),
        Value::Array(all) => all.iter().map(approvals).sum(),
        _ => 0,
    }
}

/// Every file below a folder that is not hidden; none where there is no folder.
fn files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(e) => return Err(format!("failed to list {}: {e}", folder.display())),
    };
    for entry in entries {
        let entry = entry.map_err(failed("list a folder"))?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        match entry.file_type().map_err(failed("list a folder"))?.is_dir() {
            true => found.extend(files(&entry.path())?),
            false => found.push(entry.path()),
        }
    }
    Ok(found)
}

pub(super) fn holds(bytes: &[u8], part: &[u8]) -> bool {
    let Some(first) = part.first() else { return true };
    bytes.windows(part.len()).any(|window| window[0] == *first && window == part)
}
