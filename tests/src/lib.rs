//! The stage for tests of the assembled program: a remote, machines with a vault each, and the
//! real binaries. What the machines are told is literal; what is expected of them is too.

mod intruder;
mod running;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub use intruder::{Change, EXECUTABLE, FILE, Intruder, SUBMODULE, SYMLINK};
pub use running::{Running, eventually};

/// The passphrase of the owner's key in tests.
pub const PASSPHRASE: &str = "correct horse battery staple";

/// Orders are carried out at once, so that no test waits for a time to take them back.
const NO_WAIT: &str = "approval: { undo_seconds: { send_email: 0, post_invoice: 0, post_facebook: 0, \
                       post_instagram: 0, post_twitter: 0, post_linkedin: 0, send_whatsapp: 0, \
                       initiate_payment: 0 } }\n";

/// Nothing becomes due by itself while a test runs.
const NO_SCHEDULES: &str = "schedules: { entries: {} }\n";

/// A temporary folder with a bare repository and some machines.
pub struct World {
    root: TempDir,
    /// Lines in every machine's config.yaml.
    extra: String,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// An empty remote, and machines with sample events of every channel.
    pub fn new() -> Self {
        Self::with("")
    }

    /// An empty remote, and machines to which nothing happens but what the test does.
    pub fn quiet() -> Self {
        Self::with("watchers: { mock_channels: [] }\n")
    }

    /// An empty remote, and machines with these lines in their config.yaml.
    pub fn with(extra: &str) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        let world = Self { root, extra: extra.to_owned() };
        let made = Command::new("git")
            .args(["init", "--quiet", "--bare", "--initial-branch=main"])
            .arg(world.remote())
            .status()
            .expect("git");
        assert!(made.success(), "git init --bare");
        world
    }

    /// The temporary folder.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// The bare repository.
    pub fn remote(&self) -> PathBuf {
        self.path().join("remote.git")
    }

    /// What git says about the remote, trimmed.
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git").arg("-C").arg(self.remote()).args(arguments).output().expect("git");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The machine that is always on, synchronised through the remote.
    pub fn cloud(&self) -> Machine {
        self.machine("cloud-machine", "cloud-agent", "cloud-001", &self.synced())
    }

    /// The owner's machine, synchronised through the remote and initialised.
    pub fn owner(&self) -> Machine {
        let machine = self.machine("owner-machine", "local-agent", "local-001", &self.synced());
        machine.init();
        machine
    }

    /// One machine that does everything, without a remote, and initialised.
    pub fn gold(&self) -> Machine {
        let extra = "modes: { dry_run: false, mock_data: true }\n";
        let mut machine = self.machine("gold-machine", "local-agent", "gold-001", extra);
        machine.environment.insert("AGENT_ROLE".into(), "gold".into());
        machine.init();
        machine
    }

    /// The settings of a machine that shares this world's remote; live, on sample data.
    pub fn synced(&self) -> String {
        format!(
            "modes: {{ dry_run: false, mock_data: true }}\nsync: {{ enabled: true, push_gap_seconds: 0, remote: {:?} }}\n",
            self.remote()
        )
    }

    /// A machine with `extra` lines in its config.yaml.
    pub fn machine(&self, folder: &str, program: &str, agent: &str, extra: &str) -> Machine {
        let root = self.path().join(folder);
        std::fs::create_dir_all(&root).expect("the machine's folder");
        let machine = Machine { root, program: program.to_owned(), environment: BTreeMap::new() };
        let config = format!(
            "agent: {{ id: {agent}, executor: local-001 }}\n{NO_WAIT}{NO_SCHEDULES}owner: {{ name: Jane Doe }}\nvault: {{ path: {:?}, quiet_seconds: 0 }}\n{}{extra}",
            machine.vault(),
            self.extra
        );
        std::fs::write(machine.config(), config).expect("config.yaml");
        std::fs::write(machine.root.join("passphrase"), PASSPHRASE).expect("passphrase");
        machine
    }
}

/// One machine: its configuration, vault and data directory.
pub struct Machine {
    root: PathBuf,
    program: String,
    /// Environment variables beside the bare minimum.
    pub environment: BTreeMap<String, String>,
}

/// The folder of the binaries: where cargo put this test, one level up.
pub fn programs() -> PathBuf {
    let test = std::env::current_exe().expect("this test's path");
    let folder = test.ancestors().nth(2).expect("cargo's target folder").to_owned();
    let known = folder.join("local-agent");
    assert!(
        known.exists(),
        "{} is missing: run cargo test --workspace, which builds all binaries",
        known.display()
    );
    folder
}

impl Machine {
    /// The vault's folder.
    pub fn vault(&self) -> PathBuf {
        self.root.join("vault")
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The configuration's path.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.yaml")
    }

    /// Writes other words into config.yaml in place of some that are there.
    pub fn reconfigure(&self, from: &str, to: &str) {
        let config = std::fs::read_to_string(self.config()).expect("config.yaml");
        assert!(config.contains(from), "{from:?} is not in config.yaml: {config}");
        std::fs::write(self.config(), config.replace(from, to)).expect("config.yaml");
    }

    /// The passphrase file's path.
    pub fn passphrase(&self) -> String {
        self.root.join("passphrase").display().to_string()
    }

    /// A command of this machine, in an environment that holds nothing of the developer's.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(programs().join(program));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.root)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs(&self.environment)
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .arg("--config")
            .arg(self.config())
            .arg("--data")
            .arg(self.data());
        command
    }

    /// Starts this machine's agent and leaves it running.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(&self.program);
        command.args(arguments);
        Running::start(command, &self.root)
    }

    /// Runs this machine's agent to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(&self.program).args(arguments).output().expect("the agent")
    }

    /// Runs it, expects success, and returns what it printed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{} {arguments:?}: {}\n{out}\n{err}", self.program, output.status);
        out.into_owned()
    }

    /// Runs it, expects this exit status, and returns what it said on stderr.
    pub fn fails(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{} {arguments:?}: {err}", self.program);
        err
    }

    /// Makes key, approvers and vault id.
    pub fn init(&self) {
        self.ok(&["init", "--passphrase-file", &self.passphrase()]);
    }

    /// What waits for the owner, as `list --json` says.
    pub fn waiting(&self) -> Vec<serde_json::Value> {
        serde_json::from_str(&self.ok(&["list", "--json"])).expect("JSON")
    }

    /// What names exactly the proposal that a draft makes now.
    pub fn digest(&self, id: &str) -> String {
        let shown: serde_json::Value = serde_json::from_str(&self.ok(&["show", id, "--json"])).expect("JSON");
        shown["digest"].as_str().expect("a digest").to_owned()
    }

    /// Approves a draft, naming its digest.
    pub fn approve(&self, id: &str) {
        self.ok(&["approve", id, "--digest", &self.digest(id), "--passphrase-file", &self.passphrase()]);
    }

    /// Every task file, path below the vault to content.
    pub fn tasks(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for folder in
            ["Inbox", "Needs_Action", "In_Progress", "Pending_Approval", "Rejected", "Done", "Errors"]
        {
            collect(&self.vault(), &self.vault().join(folder), &mut found);
        }
        found
    }

    /// The one place of a task, below the vault; it must have exactly one.
    pub fn place(&self, id: &str) -> String {
        let suffix = format!("{id}.md");
        let mut places: Vec<String> =
            self.tasks().into_keys().filter(|path| path.ends_with(&suffix)).collect();
        assert_eq!(places.len(), 1, "{id} has the places {places:?}");
        places.remove(0)
    }

    /// What is in a file of the vault.
    pub fn read(&self, path: &str) -> String {
        let path = self.vault().join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Writes a file of the vault, as a person with an editor would.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.vault().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        std::fs::write(&path, content).expect("write");
    }

    /// Puts a mail that wants an answer into Needs_Action.
    ///
    /// Whole or not at all, as programs write: where a daemon runs that leaves nothing alone for a
    /// quiet period, a half-written file would be set aside.
    pub fn bring(&self, id: &str) {
        self.write(&format!("Needs_Action/.{id}.new"), mail(id));
        let folder = self.vault().join("Needs_Action");
        std::fs::rename(folder.join(format!(".{id}.new")), folder.join(format!("{id}.md"))).expect("rename");
    }

    /// Whether some file of the vault, wherever it is, has these words.
    pub fn holds(&self, words: &str) -> bool {
        files(&self.vault()).iter().any(|path| {
            let bytes = std::fs::read(path).unwrap_or_default();
            !path.components().any(|part| part.as_os_str() == ".git")
                && String::from_utf8_lossy(&bytes).contains(words)
        })
    }

    /// The mails that were sent from the sample account.
    pub fn sent(&self) -> Vec<serde_json::Value> {
        let mails = self.mock("email")["mails"].as_array().cloned().unwrap_or_default();
        // What was sent by order carries the approval's id; the sample mails carry none.
        mails.into_iter().filter(|mail| mail["folder"] == "sent" && mail["approval"].is_string()).collect()
    }

    /// What a sample account has become, as its server keeps it.
    pub fn mock(&self, server: &str) -> serde_json::Value {
        let path = self.data().join("mock").join(format!("{server}.json"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "{}".into());
        serde_json::from_str(&text).expect("JSON")
    }

    /// How many mails the sample account has sent.
    pub fn mails_sent(&self) -> usize {
        self.sent().len()
    }

    /// Every record of every audit log in the vault.
    pub fn records(&self) -> Vec<serde_json::Value> {
        let mut logs = BTreeMap::new();
        collect(&self.vault(), &self.vault().join("Logs"), &mut logs);
        let lines = logs.values().flat_map(|text| text.lines());
        lines.map(|line| serde_json::from_str(line).expect("a record")).collect()
    }
}

/// The text of a task: a mail from a person who asks for something.
pub fn mail(id: &str) -> String {
    format!(
        "---\nid: {id}\ntype: email\ncreated: 2026-02-23T03:15:00Z\nfrom: dan@example.com\nsubject: Question {id}\n---\nCould you please call me back about {id}?\n"
    )
}

/// Every file below a folder; links are not followed.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.expect("an entry");
        match entry.file_type().expect("a type").is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            collect(root, &path, found);
        } else if !name.starts_with('.') && (name.ends_with(".md") || name.ends_with(".jsonl")) {
            let shown = path.strip_prefix(root).expect("below the vault").display().to_string();
            found.insert(shown, std::fs::read_to_string(&path).unwrap_or_default());
        }
    }
}
