//! A vault with two agents' logs over some days, their history in git, and the machine that keeps
//! how far it has seen them.

use std::fmt;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chrono::{DateTime, TimeDelta, Utc};
use sync::LogHistory;
use task::{AgentId, AuditEvent, AuditRecord, BadRecord, ChainHead};
use vault::{Limits, LogCheck, Vault};

use super::super::Outcome;
use super::tamper::{Logs, Tampering};

const AGENTS: [&str; 2] = ["cloud-001", "local-001"];
const DAYS: [&str; 3] = ["2026-02-23", "2026-02-24", "2026-02-26"];
/// Records of an agent on a day.
const RECORDS: i64 = 7;

pub(super) struct World {
    vault: Vault,
    logs: Logs,
    owner: Owner,
}

/// The first bad record, as verification names it.
pub(super) struct Found {
    file: String,
    line: u64,
    seq: u64,
    reason: String,
}

impl Found {
    pub(super) fn is(&self, tampering: &Tampering) -> bool {
        (self.file.as_str(), self.line, self.seq) == (tampering.file.as_str(), tampering.line, tampering.seq)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}, record {}: {}", self.file, self.line, self.seq, self.reason)
    }
}

fn failed<E: fmt::Display>(what: &str) -> impl FnOnce(E) -> String {
    move |e| format!("failed to {what}: {e}")
}

fn git(vault: &Path, arguments: &[&str]) -> Outcome<()> {
    let who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.invalid"];
    let output = Command::new("git")
        .args(who)
        .args(["-c", "gc.auto=0", "-c", "maintenance.auto=false"])
        .args(arguments)
        .current_dir(vault)
        .output()
        .map_err(failed("start git"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn commit(vault: &Path) -> Outcome<()> {
    git(vault, &["add", "--all", "Logs"])?;
    git(vault, &["commit", "--quiet", "--allow-empty", "-m", "logs"])
}

impl World {
    pub(super) fn build(folder: &Path, program: &Path) -> Outcome<Self> {
        let root = folder.join("vault");
        let owner = Owner::at(folder, program)?;
        let vault = Vault::open(&root, Limits::default()).map_err(failed("open a vault"))?;
        let vault = vault.keeping_heads(owner.data.join("log-heads"));
        let other = Vault::open(&root, Limits::default()).map_err(failed("open a vault"))?;
        let [cloud, local] = AGENTS.map(agent);
        git(&root, &["init", "--quiet", "--initial-branch=main"])?;
        for day in DAYS {
            for n in 0..RECORDS {
                let now: DateTime<Utc> =
                    format!("{day}T01:00:00.25Z").parse().map_err(failed("read a time"))?;
                let now = now + TimeDelta::minutes(n);
                let event = || AuditEvent::new("claim", None).with("n", n).with("text", "a \"quoted\" wörd");
                vault.log(&local, event(), now).map_err(failed("log"))?;
                other.log(&cloud, event(), now).map_err(failed("log"))?;
                // The last record of each is on disk only.
                if n % 2 == 1 {
                    commit(&root)?;
                }
            }
        }
        vault.note_heads(&local).map_err(failed("note the other log's head"))?;
        let mut logs = Logs::new();
        for id in AGENTS {
            for day in DAYS {
                let name = format!("{day}_{id}.jsonl");
                let text =
                    std::fs::read_to_string(root.join("Logs").join(&name)).map_err(failed("read a log"))?;
                logs.push((name, text.split_inclusive('\n').map(str::to_owned).collect()));
            }
        }
        Ok(Self { vault, logs, owner })
    }

    pub(super) fn logs(&self) -> &Logs {
        &self.logs
    }

    /// The first bad record of the vault as it is.
    pub(super) fn verify(&self) -> Outcome<Option<Found>> {
        self.first(|check| check.result.err())
    }

    /// The first record that is bad, or was in a commit that was undone since.
    fn verify_history(&self) -> Outcome<Option<Found>> {
        self.first(|check| check.result.err().or(check.undone))
    }

    fn first(&self, bad: impl Fn(LogCheck) -> Option<BadRecord>) -> Outcome<Option<Found>> {
        let history = LogHistory::open(self.vault.root(), "main").map_err(failed("open the history"))?;
        let own = agent(AGENTS[1]);
        let checks = self.vault.verify_logs_against(Some(&own), history.into_iter().flatten());
        Ok(checks.map_err(failed("verify"))?.into_iter().find_map(|check| {
            let file = check.path.file_name()?.to_string_lossy().into_owned();
            let bad = bad(check)?;
            Some(Found { file, line: bad.line, seq: bad.seq, reason: bad.reason })
        }))
    }

    /// What verification says after the tampering; then everything is put back.
    pub(super) fn after(&self, tampering: &Tampering, committed: bool) -> Outcome<Option<Found>> {
        let root = self.vault.root();
        self.write(tampering)?;
        if committed {
            git(root, &["tag", "--force", "honest"])?;
            commit(root)?;
        }
        let mut said = self.verify()?;
        self.restore(tampering)?;
        if committed {
            // Put back in a later commit, the history still tells.
            commit(root)?;
            let later = self.verify_history()?;
            if later.as_ref().is_none_or(|later| !later.is(tampering)) {
                said = later;
            }
            git(root, &["reset", "--quiet", "--soft", "honest"])?;
        }
        Ok(said)
    }

    /// `local-agent log verify` names it too, and fails.
    pub(super) fn command_names(&self, tampering: &Tampering) -> Outcome<()> {
        self.write(tampering)?;
        let output = self.owner.verify(self.vault.root())?;
        self.restore(tampering)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let expected =
            format!("BAD  Logs/{}: line {}, record {}: ", tampering.file, tampering.line, tampering.seq);
        let first = text.lines().find(|line| line.starts_with("BAD")).unwrap_or_default();
        if first.starts_with(&expected) && output.status.code() == Some(1) {
            return Ok(());
        }
        let err = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "{tampering}: local-agent log verify ended with {} and said {err}\n{text}",
            output.status
        ))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.vault.root().join("Logs").join(name)
    }

    fn write(&self, tampering: &Tampering) -> Outcome<()> {
        for (name, bytes) in &tampering.files {
            let path = self.path(name);
            match bytes {
                Some(bytes) => std::fs::write(path, bytes),
                None => std::fs::remove_file(path),
            }
            .map_err(failed("tamper"))?;
        }
        Ok(())
    }

    fn restore(&self, tampering: &Tampering) -> Outcome<()> {
        for (name, lines) in self.logs.iter().filter(|(n, _)| tampering.files.iter().any(|(t, _)| t == n)) {
            std::fs::write(self.path(name), lines.concat()).map_err(failed("put a log back"))?;
        }
        Ok(())
    }
}

fn agent(id: &str) -> AgentId {
    #[expect(clippy::expect_used, reason = "a constant that fits the rule")]
    id.parse().expect("an agent id")
}

/// The owner's machine: its program and its data directory.
pub(super) struct Owner {
    program: PathBuf,
    config: PathBuf,
    data: PathBuf,
}

impl Owner {
    fn at(folder: &Path, program: &Path) -> Outcome<Self> {
        let (config, data) = (folder.join("config.yaml"), folder.join("data"));
        // As private as the program wants it.
        std::fs::DirBuilder::new().mode(0o700).create(&data).map_err(failed("make a folder"))?;
        std::fs::write(&config, "agent:\n  id: local-001\n").map_err(failed("write a configuration"))?;
        Ok(Self { program: program.to_owned(), config, data })
    }

    fn verify(&self, vault: &Path) -> Outcome<Output> {
        let mut command = Command::new(&self.program);
        command.args(["log", "verify"]).arg("--config").arg(&self.config);
        command.arg("--data").arg(&self.data).arg("--vault").arg(vault);
        command.output().map_err(failed("start local-agent"))
    }
}

/// A long log in a vault of its own.
pub(super) struct Long {
    vault: PathBuf,
    owner: Owner,
}

/// `count` records of two agents over ten days, in 40 commits.
pub(super) fn long_log(folder: &Path, count: u64, program: &Path) -> Outcome<Long> {
    let owner = Owner::at(folder, program)?;
    let vault = folder.join("vault");
    let logs = vault.join("Logs");
    std::fs::create_dir_all(&logs).map_err(failed("make a folder"))?;
    git(&vault, &["init", "--quiet", "--initial-branch=main"])?;
    let mut heads = AGENTS.map(|_| ChainHead::default());
    let per_file = count / 20;
    for day in 0..10 {
        let date = format!("2026-03-{:02}", day + 1);
        let start: DateTime<Utc> =
            format!("{date}T00:00:00.123456Z").parse().map_err(failed("read a time"))?;
        for part in 0..4 {
            for (id, head) in AGENTS.into_iter().zip(&mut heads) {
                let mut text = String::new();
                for n in part * per_file / 4..(part + 1) * per_file / 4 {
                    let at = start + TimeDelta::seconds(i64::try_from(n).unwrap_or_default());
                    let event = AuditEvent::new("draft", None)
                        .with("server", "email")
                        .with("tool", "send_email")
                        .with("digest", format!("sha256:{}", head.hash))
                        .with("number", n);
                    let record =
                        AuditRecord::seal(event, agent(id), at, head).map_err(failed("seal a record"))?;
                    *head = record.head();
                    text.push_str(&record.to_line().map_err(failed("write a record"))?);
                }
                use std::io::Write as _;
                let mut file = std::fs::File::options();
                let file = file.create(true).append(true).open(logs.join(format!("{date}_{id}.jsonl")));
                file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed("write a log"))?;
            }
            commit(&vault)?;
        }
    }
    Ok(Long { vault, owner })
}

impl Long {
    /// Runs the command; it must find `count` records and nothing wrong.
    pub(super) fn command_says_sound(&self, count: u64) -> Outcome<()> {
        let output = self.owner.verify(&self.vault)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().filter(|line| line.ends_with(&format!(" to record {}", count / 2))).count();
        if output.status.success() && last == 2 {
            return Ok(());
        }
        let err = String::from_utf8_lossy(&output.stderr);
        Err(format!("local-agent log verify ended with {} and said {err}\n{text}", output.status))
    }
}
