//! A bare repository and some machines, each with a vault and a data directory of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeZone as _, Utc};
use claim::{Claims, Publisher};
use secrecy::SecretString;
use secret_scan::{Known, Scanner};
use sync::{Settings, Side, Sync};
use task::{FixedClock, Location};
use tempfile::TempDir;
use vault::{Limits, Vault};

/// A value that every machine knows as a secret. Nothing opens with it.
pub(crate) const SECRET: &str = "test-Only_7Kq2+vZ/9x";

pub(crate) struct World {
    pub(crate) temp: TempDir,
}

pub(crate) struct Machine {
    pub(crate) vault: Vault,
    pub(crate) sync: Sync,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) agent: String,
    pub(crate) data: PathBuf,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self { temp: tempfile::tempdir().expect("a folder") };
        git(world.temp.path(), &["init", "--quiet", "--bare", "--initial-branch=main", "remote.git"]);
        world
    }

    pub(crate) fn remote(&self) -> PathBuf {
        self.temp.path().join("remote.git")
    }

    pub(crate) fn machine(&self, agent: &str, side: Side) -> Machine {
        self.machine_with(agent, side, |_| {})
    }

    pub(crate) fn machine_with(
        &self,
        agent: &str,
        side: Side,
        adjust: impl Fn(&mut config::Sync),
    ) -> Machine {
        self.machine_in(agent, agent, side, adjust)
    }

    /// A machine in a folder of another name: two of them can be of the same agent.
    pub(crate) fn machine_in(
        &self,
        folder: &str,
        agent: &str,
        side: Side,
        adjust: impl Fn(&mut config::Sync),
    ) -> Machine {
        let home = self.temp.path().join(folder);
        let data = home.join("data");
        std::fs::create_dir_all(&data).expect("data");
        let vault = Vault::open(home.join("vault"), Limits::default()).expect("vault");
        let mut config = config::Sync {
            enabled: true,
            remote: Some(self.remote().display().to_string()),
            push_gap_seconds: 0,
            timeout_seconds: 30,
            ..Default::default()
        };
        adjust(&mut config);
        let start = Utc.with_ymd_and_hms(2026, 2, 23, 3, 15, 0).single().expect("a time");
        let clock = Arc::new(FixedClock::new(start));
        let settings = Settings {
            vault: vault.clone(),
            config,
            agent: agent.parse().expect("agent"),
            state_dir: data.clone(),
            side,
        };
        let known = Known { name: "mail account work".into(), value: SecretString::from(SECRET) };
        let secrets = Scanner::new([known]).expect("a scanner");
        let sync = Sync::open_guarded(settings, clock.clone(), Arc::new(secrets)).expect("sync");
        Machine { vault, sync, clock, agent: agent.to_owned(), data }
    }

    /// Owner's machine and cloud, in agreement.
    pub(crate) async fn pair(&self) -> (Machine, Machine) {
        let cloud = self.machine("cloud-001", Side::Other);
        let local = self.machine("local-001", Side::Owner);
        cloud.cycle().await;
        local.cycle().await;
        cloud.cycle().await;
        (cloud, local)
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.remote(), arguments)
    }

    pub(crate) fn tip(&self) -> String {
        self.git(&["rev-parse", "main"])
    }

    pub(crate) fn commits(&self) -> usize {
        self.git(&["rev-list", "--count", "main"]).parse().expect("a number")
    }

    /// Whether any object of the remote has these bytes in it.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        let output = Command::new("git")
            .args(["cat-file", "--batch-all-objects", "--batch"])
            .current_dir(self.remote())
            .output()
            .expect("git");
        assert!(output.status.success());
        output.stdout.windows(bytes.len()).any(|part| part == bytes)
    }

    /// Every object that the remote has.
    pub(crate) fn objects(&self) -> String {
        self.git(&["cat-file", "--batch-all-objects", "--batch-check"])
    }

    /// Makes the remote's tip whatever `change` makes of a checkout by hand, as a hostile or
    /// broken machine would.
    pub(crate) fn meddle(&self, change: impl Fn(&Path)) {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("clone");
        git(place.path(), &["clone", "--quiet", &self.remote().display().to_string(), "clone"]);
        change(&path);
        git(&path, &["add", "--all", "--force"]);
        git(&path, &["commit", "--quiet", "--allow-empty", "-m", "by hand"]);
        git(&path, &["push", "--quiet", "origin", "HEAD:main"]);
    }
}

impl Machine {
    pub(crate) async fn cycle(&self) -> sync::Report {
        self.sync.cycle().await.expect(&self.agent)
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.vault.root().join(relative)
    }

    pub(crate) fn write(&self, relative: &str, text: &str) {
        std::fs::create_dir_all(self.path(relative).parent().expect("a folder")).expect("folder");
        std::fs::write(self.path(relative), text).expect(relative);
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        std::fs::create_dir_all(self.path(to).parent().expect("a folder")).expect("folder");
        std::fs::rename(self.path(from), self.path(to)).expect(from);
    }

    pub(crate) fn text(&self, relative: &str) -> Option<String> {
        std::fs::read_to_string(self.path(relative)).ok()
    }

    pub(crate) fn claims(&self) -> Claims {
        let publisher: Arc<dyn Publisher> = Arc::new(self.sync.clone());
        let settings = claim::Settings {
            agent: self.agent.parse().expect("agent"),
            executor: "local-001".parse().expect("agent"),
            state_file: self.data.join("claims.json"),
            stale_after: Duration::from_secs(3600),
        };
        Claims::new(self.vault.clone(), settings, self.clock.clone()).published_by(publisher)
    }

    /// The vault's files with their texts, without hidden ones.
    pub(crate) fn files(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        collect(self.vault.root(), self.vault.root(), &mut found);
        found
    }

    /// What is kept in Conflicts.
    pub(crate) fn kept(&self) -> Vec<String> {
        let kept = self.files().into_iter().filter(|(path, _)| path.starts_with("Conflicts/"));
        kept.map(|(_, text)| text).collect()
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(self.vault.root(), arguments)
    }
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("folder") {
        let entry = entry.expect("entry");
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let kind = entry.file_type().expect("kind");
        if kind.is_dir() {
            collect(root, &entry.path(), found);
        } else {
            let path = entry.path().strip_prefix(root).expect("below").display().to_string();
            found.insert(path, std::fs::read_to_string(entry.path()).unwrap_or_default());
        }
    }
}

pub(crate) fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=somebody", "-c", "user.email=somebody@example.invalid"])
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("git");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub(crate) fn location(path: &str) -> Location {
    Location::parse(path).expect(path)
}
