//! Every state-changing step of the vault fails, and is the last thing that a process does: what
//! was acknowledged is there, whole, in one place, and nothing is left behind.

use std::cell::Cell;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use fault::at_every_step;
use task::{AgentId, AuditEvent, FrontMatter, Location, Stage, StageName, Task, TaskId};
use vault::{Folder, KillSwitch, Limits, Vault};

fn now() -> DateTime<Utc> {
    "2026-02-23T03:15:00Z".parse().expect("time")
}

fn agent() -> AgentId {
    "cloud-001".parse().expect("agent")
}

fn id() -> TaskId {
    "EMAIL_1".parse().expect("id")
}

fn task(body: &str) -> Task {
    Task::new(FrontMatter::new(id(), now()), body)
}

/// A vault, and how much of the work was acknowledged.
struct World {
    temp: tempfile::TempDir,
    vault: Vault,
    acknowledged: Cell<usize>,
}

impl World {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path().join("vault"), Limits::default()).expect("open");
        Self { temp, vault, acknowledged: Cell::new(0) }
    }

    fn acknowledge(&self) {
        self.acknowledged.set(self.acknowledged.get() + 1);
    }

    /// The vault as the next process opens it.
    fn reopen(&self) -> Vault {
        fault::incarnate(fault::incarnation() + 1);
        let vault = Vault::open(self.vault.root(), Limits::default()).expect("open");
        let staged = std::fs::read_dir(self.vault.path_of(".tmp")).expect("staging").count();
        assert_eq!(staged, 0, "nothing of the dead is left");
        vault
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.vault.path_of(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        std::fs::write(path, text).expect("write");
    }

    /// How many files of the vault have these words.
    fn holders(&self, words: &str) -> usize {
        fn search(folder: &Path, words: &str) -> usize {
            let entries =
                std::fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").path());
            let holds = |path: &Path| {
                std::fs::read(path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(words))
            };
            entries
                .map(|path| if path.is_dir() { search(&path, words) } else { usize::from(holds(&path)) })
                .sum()
        }
        search(self.temp.path(), words)
    }
}

/// Every live place of a task.
fn places(vault: &Vault) -> Vec<Location> {
    let folders = [Folder::NeedsAction, Folder::AllInProgress, Folder::PendingApproval, Folder::Errors];
    let listed = folders.iter().flat_map(|folder| {
        let listing = vault.list(folder).expect("list");
        assert!(listing.strangers.is_empty(), "{:?}", listing.strangers);
        listing.tasks
    });
    listed.map(|entry| entry.location).collect()
}

#[test]
fn a_task_on_its_way_is_in_one_place_and_whole_and_as_far_as_was_acknowledged() {
    let bodies = ["new", "claimed", "drafted"].map(|word| format!("{word}\n").repeat(300));
    let stages = [Stage::NeedsAction, Stage::InProgress(agent()), Stage::PendingApproval];
    let names = [StageName::NeedsAction, StageName::InProgress, StageName::PendingApproval];
    let work = |world: &World| -> Result<(), Box<dyn std::error::Error>> {
        let at = Location::new(stages[0].clone(), id());
        let mut file = world.vault.create(&at, &task(&bodies[0]))?;
        world.acknowledge();
        for n in [1, 2] {
            file = world.vault.finish(&file, &task(&bodies[n]), stages[n].clone())?;
            world.acknowledge();
        }
        Ok(())
    };
    let steps = [
        "vault.create",
        "vault.write",
        "vault.fsync",
        "vault.publish",
        "vault.exchange",
        "vault.rename",
        "vault.fsync_dir",
    ];
    let runs = at_every_step(&steps, World::new, work, |world, strike| {
        assert_eq!(strike.result.is_some_and(|result| result.is_ok()), world.acknowledged.get() == 3);
        let vault = world.reopen();
        let acknowledged = world.acknowledged.get();
        match places(&vault).as_slice() {
            [] => assert_eq!(acknowledged, 0),
            [one] => {
                let reached = names.iter().position(|name| *name == one.stage.name()).expect("a stage");
                assert!(reached + 1 >= acknowledged, "{one} had been acknowledged further on");
                let body = vault.read(one).expect("whole").task.body;
                // The content is replaced before the move.
                let written = bodies.iter().position(|known| *known == body).expect("a whole body");
                assert!(written == reached || written == reached + 1, "{one} says {written}");
            }
            many => panic!("{many:?}"),
        }
    });
    assert!(runs >= 30, "{runs}");
}

#[test]
fn an_audit_log_is_sound_and_has_every_acknowledged_record() {
    let work = |world: &World| -> Result<(), vault::LogError> {
        for n in 0..3 {
            world.vault.log(&agent(), AuditEvent::new("draft", Some(id())).with("n", n), now())?;
            world.acknowledge();
        }
        Ok(())
    };
    at_every_step(&["log.open", "log.append", "log.fsync"], World::new, work, |world, _| {
        let vault = world.reopen();
        // The next record repairs a torn line, if there is one.
        vault.log(&agent(), AuditEvent::new("start", None), now()).expect("log");
        for check in vault.verify_logs().expect("verify") {
            check.result.expect("a sound log");
        }
        let records = vault.recent_records(10).expect("records");
        let drafts = records.iter().filter(|record| record.action_type == "draft").count();
        assert!(drafts >= world.acknowledged.get(), "{records:?}");
    });
}

#[test]
fn what_a_person_wrote_meanwhile_is_kept_whatever_goes_wrong() {
    let set = || {
        let world = World::new();
        let at = Location::new(Stage::NeedsAction, id());
        world.vault.create(&at, &task("as it was\n")).expect("create");
        world
    };
    let work = |world: &World| -> Result<(), Box<dyn std::error::Error>> {
        let file = world.vault.read(&Location::new(Stage::NeedsAction, id()))?;
        let text = String::from_utf8(world.vault.read_bytes(&file.location)?)?;
        world.write("Needs_Action/EMAIL_1.md", &(text + "A person's words.\n"));
        world.vault.replace(&file, &task("as the agent has it\n"))?;
        Ok(())
    };
    at_every_step(&["vault.exchange"], set, work, |world, strike| {
        let vault = world.reopen();
        assert!(world.holders("A person's words.") >= 1, "{strike}");
        assert_eq!(places(&vault).len(), 1);
        vault.read(&Location::new(Stage::NeedsAction, id())).expect("a whole task");
    });
}

#[test]
fn what_a_person_dropped_into_the_inbox_is_taken_in_once() {
    let set = || {
        let world = World::new();
        world.write("Inbox/Call the printer.md", "Please call the printer about the flyers.\n");
        world
    };
    let work = |world: &World| world.vault.intake(now(), TimeDelta::zero());
    at_every_step(&["vault."], set, work, |world, _| {
        let vault = world.reopen();
        vault.intake(now(), TimeDelta::zero()).expect("the next intake");
        assert_eq!(places(&vault).len(), 1);
        assert_eq!(world.holders("call the printer about the flyers"), 1);
    });
}

#[test]
fn a_file_that_is_set_aside_is_neither_lost_nor_doubled() {
    let set = || {
        let world = World::new();
        world.write("Needs_Action/EMAIL_1.md", "no front matter, but words\n");
        world
    };
    let broken = Path::new("Needs_Action/EMAIL_1.md");
    let work = |world: &World| world.vault.quarantine(broken, "it does not parse");
    at_every_step(&["vault."], set, work, |world, _| {
        let vault = world.reopen();
        if vault.path_of("Needs_Action/EMAIL_1.md").exists() {
            vault.quarantine(broken, "it does not parse").expect("the next process sets it aside");
        }
        assert_eq!(world.holders("no front matter, but words"), 1);
    });
}

#[test]
fn a_stop_that_was_acknowledged_holds() {
    let switch = |world: &World| KillSwitch::new(world.vault.clone(), world.temp.path().join("stopped"));
    let work = |world: &World| switch(world).engage("enough");
    at_every_step(&["vault."], World::new, work, |world, strike| {
        world.reopen();
        let engaged = switch(&world).engaged();
        if strike.result.is_some_and(|result| result.is_ok()) {
            assert_eq!(engaged.as_deref(), Some("enough"));
        }
        // Half a stop is none that could not be lifted.
        switch(&world).lift().expect("lift");
        assert_eq!(switch(&world).engaged(), None);
    });
}
