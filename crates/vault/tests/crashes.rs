//! Acknowledged means durable, and one place: a process is killed with SIGKILL while it works,
//! the power is cut, the disk runs full. What was reported as done is there, whole, once.
//!
//! The power cut is `FS_IOC_SHUTDOWN` without a flush of the journal on a loop-mounted image;
//! that needs root, and python3 for the ioctl, so these tests are ignored by default.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use task::{AgentId, AuditEvent, FrontMatter, Location, Stage, Task, TaskId};
use vault::{Folder, Limits, Vault};

const NOW: &str = "2026-02-23T03:15:00Z";
const FOLDER: &str = "VAULT_OF_THE_KILLED";

fn agent() -> AgentId {
    "cloud-001".parse().expect("agent")
}

/// The process that is killed: it makes tasks, claims, drafts and finishes them, and says so
/// after each step.
#[test]
#[ignore = "started by the test below"]
#[expect(clippy::print_stdout, reason = "the parent reads what is acknowledged")]
fn work_until_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let vault = Vault::open(folder, Limits::default()).expect("open");
    let now = NOW.parse().expect("time");
    for n in 0_u64.. {
        let id: TaskId = format!("EMAIL_{}_{n}", std::process::id()).parse().expect("id");
        let task = Task::new(FrontMatter::new(id.clone(), now), "body\n".repeat(200));
        let mut file = vault.create(&Location::new(Stage::NeedsAction, id.clone()), &task).expect("create");
        println!("ack {id} 0");
        let steps = [Stage::InProgress(agent()), Stage::PendingApproval];
        for (step, stage) in steps.into_iter().enumerate() {
            file = vault.finish(&file, &file.task, stage).expect("finish");
            println!("ack {id} {}", step + 1);
        }
        vault.log(&agent(), AuditEvent::new("draft", Some(id)), now).expect("log");
    }
}

/// Starts [`work_until_killed`], calls `blow` when it has acknowledged `steps` steps, and adds
/// all that it has acknowledged when it is dead.
fn work(root: &Path, steps: usize, acknowledged: &mut Acknowledged, mut blow: impl FnMut(&mut Child)) {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "work_until_killed", "--ignored", "--nocapture"])
        .env(FOLDER, root)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("spawn");
    let mut seen = 0;
    for line in BufReader::new(child.stdout.take().expect("stdout")).lines() {
        let line = line.expect("line");
        // The test runner's own words stand before the first of them on its line.
        let Some((_, said)) = line.split_once("ack ") else { continue };
        let (id, step) = said.split_once(' ').expect("id and step");
        acknowledged.insert(id.to_owned(), step.parse().expect("step"));
        seen += 1;
        if seen == steps {
            blow(&mut child);
        }
    }
    child.wait().expect("wait");
    assert!(seen >= steps, "the child died by itself");
}

/// The last acknowledged step of each task.
type Acknowledged = BTreeMap<String, usize>;

fn verify(root: &Path, acknowledged: &Acknowledged) {
    let vault = Vault::open(root, Limits::default()).expect("open");
    assert_eq!(std::fs::read_dir(root.join(".tmp")).expect("staging").count(), 0);
    let mut live: Vec<Location> = Vec::new();
    for folder in [Folder::NeedsAction, Folder::AllInProgress, Folder::PendingApproval, Folder::Errors] {
        let listing = vault.list(&folder).expect("list");
        assert!(listing.strangers.is_empty(), "{:?}", listing.strangers);
        live.extend(listing.tasks.into_iter().map(|entry| entry.location));
    }
    for location in &live {
        vault.read(location).expect("a whole task");
        assert_eq!(live.iter().filter(|l| l.id == location.id).count(), 1, "{location} is doubled");
    }
    for (id, step) in acknowledged {
        let id: TaskId = id.parse().expect("id");
        let found = vault.find(&id).expect("find").expect("an acknowledged task");
        let reached = match found.stage {
            Stage::NeedsAction => 0,
            Stage::InProgress(_) => 1,
            _ => 2,
        };
        assert!(reached >= *step, "{found} had been acknowledged further on");
    }
    // The next record repairs a torn line, if there is one.
    vault.log(&agent(), AuditEvent::new("start", None), NOW.parse().expect("time")).expect("log");
    for check in vault.verify_logs().expect("verify") {
        check.result.expect("a sound log");
    }
}

#[test]
fn kill_nine_loses_doubles_and_tears_nothing_that_was_acknowledged() {
    let temp = tempfile::tempdir().expect("a folder");
    let mut acknowledged = Acknowledged::new();
    for round in 0..15 {
        work(temp.path(), 3 + round * 2, &mut acknowledged, |child| child.kill().expect("kill"));
    }
    verify(temp.path(), &acknowledged);
}

/// An ext4 image, mounted.
struct Disk {
    temp: tempfile::TempDir,
}

impl Disk {
    fn new(megabytes: u64) -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(temp.path().join("mnt")).expect("folder");
        let image = std::fs::File::create(temp.path().join("image")).expect("image");
        image.set_len(megabytes << 20).expect("size");
        let disk = Self { temp };
        disk.run("mkfs.ext4", &["-q", "-m", "0", "image"]);
        disk.mount();
        disk
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(program);
        let path = format!("{}:/sbin:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let status = command.args(arguments).env("PATH", path).current_dir(self.temp.path()).status();
        assert!(status.expect(program).success(), "{program} {arguments:?}");
    }

    fn mount(&self) {
        self.run("mount", &["-o", "loop", "image", "mnt"]);
    }

    fn root(&self) -> PathBuf {
        self.temp.path().join("mnt/vault")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.run("umount", &["mnt"]);
    }
}

const CUT_THE_POWER: &str = "import fcntl, os, struct\n\
    fcntl.ioctl(os.open('mnt', os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

#[test]
#[ignore = "needs root, loop devices and python3"]
fn a_power_cut_loses_doubles_and_tears_nothing_that_was_acknowledged() {
    let disk = Disk::new(64);
    let mut acknowledged = Acknowledged::new();
    for round in 0..8 {
        // The child dies of the errors that follow.
        work(&disk.root(), 3 + round * 2, &mut acknowledged, |_| disk.run("python3", &["-c", CUT_THE_POWER]));
        disk.run("umount", &["mnt"]);
        disk.mount();
        verify(&disk.root(), &acknowledged);
    }
}

#[test]
#[ignore = "needs root and loop devices"]
fn a_full_disk_gets_one_clear_message_and_loses_nothing() {
    let disk = Disk::new(8);
    let vault = Vault::open(disk.root(), Limits::default()).expect("open");
    let now = NOW.parse().expect("time");
    let task = |n: u32, body: &str| {
        let id: TaskId = format!("EMAIL_{n}").parse().expect("id");
        Task::new(FrontMatter::new(id, now), body)
    };
    let place = |n: u32| Location::new(Stage::NeedsAction, format!("EMAIL_{n}").parse().expect("id"));
    let file = vault.create(&place(1), &task(1, "before")).expect("create");
    vault.log(&agent(), AuditEvent::new("claim", None), now).expect("log");

    // Fill it to the last block.
    let mut filler = std::fs::File::create(disk.temp.path().join("mnt/filler")).expect("filler");
    for size in [64 << 10, 1 << 10] {
        while filler.write_all(&vec![1; size]).is_ok() {}
    }
    let large = "x".repeat(100_000);
    let message = vault.create(&place(2), &task(2, &large)).expect_err("full").to_string();
    assert!(message.contains("No space left on device"), "{message}");
    assert!(vault.replace(&file, &task(1, &large)).is_err());
    let event = AuditEvent::new("draft", None).with("text", large.as_str());
    assert!(vault.log(&agent(), event, now).is_err());
    assert_eq!(vault.read(&file.location).expect("read").task.body, "before");
    assert_eq!(vault.find(&place(2).id).expect("find"), None);

    drop(filler);
    std::fs::remove_file(disk.temp.path().join("mnt/filler")).expect("remove");
    // ext4 gives freed blocks out again after the next commit of its journal, at times a little later.
    let created = (0..50).find_map(|_| {
        disk.run("sync", &["-f", "mnt"]);
        vault.create(&place(2), &task(2, &large)).ok()
    });
    created.expect("created once there is room");
    verify(&disk.root(), &Acknowledged::from([("EMAIL_1".to_owned(), 0), ("EMAIL_2".to_owned(), 0)]));
}
