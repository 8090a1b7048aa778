//! Acknowledged means durable, and one place: a process is killed with SIGKILL while it works,
//! again and again. What it reported as done is there, whole, once.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

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

#[test]
fn kill_nine_loses_doubles_and_tears_nothing_that_was_acknowledged() {
    let temp = tempfile::tempdir().expect("a folder");
    let mut acknowledged = std::collections::BTreeMap::new();
    for round in 0..15 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "work_until_killed", "--ignored", "--nocapture"])
            .env(FOLDER, temp.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("spawn");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let mut seen = 0;
        for line in lines {
            let line = line.expect("line");
            // The test runner's own words stand before the first of them on its line.
            if let Some((_, said)) = line.split_once("ack ") {
                let (id, step) = said.split_once(' ').expect("id and step");
                acknowledged.insert(id.to_owned(), step.parse::<usize>().expect("step"));
                seen += 1;
                if seen == 3 + round * 2 {
                    child.kill().expect("kill");
                }
            }
        }
        child.wait().expect("wait");
        assert!(seen >= 3 + round * 2, "the child died by itself");
    }

    let vault = Vault::open(temp.path(), Limits::default()).expect("open");
    assert_eq!(std::fs::read_dir(temp.path().join(".tmp")).expect("staging").count(), 0);
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
        assert!(reached >= step, "{found} had been acknowledged further on");
    }
    // The next record repairs a torn line, if there is one.
    vault.log(&agent(), AuditEvent::new("start", None), NOW.parse().expect("time")).expect("log");
    for check in vault.verify_logs().expect("verify") {
        check.result.expect("a sound log");
    }
}
