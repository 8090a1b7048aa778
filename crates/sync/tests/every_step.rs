//! Every state-changing step of a synchronisation fails, and is the last thing that a process does:
//! both machines agree afterwards, nothing is lost or doubled, and a person's words are kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fault::at_every_step;
use sync::simulated::{Call, Fate, Files, Machine, Network, Remote};
use sync::{Settings, Side};
use task::{AgentId, Clock, FixedClock, Location};
use vault::{Limits, Vault};

/// Everything arrives, unless a plan says otherwise.
struct Way;

impl Network for Way {
    fn fate(&self, _: &AgentId, call: Call) -> Fate {
        let point = match call {
            Call::List => "remote.list",
            Call::Fetch => "remote.fetch",
            Call::Push => "remote.push",
            Call::Beat => "remote.beat",
        };
        if fault::reach(point).is_err() {
            return Fate::Unreachable;
        }
        if call == Call::Push && fault::reach("remote.answer").is_err() {
            return Fate::ReplyLost;
        }
        Fate::Arrives
    }

    fn accepted(&self, _: &AgentId, _: &Files) {}
}

struct World {
    temp: tempfile::TempDir,
    remote: Remote,
}

fn task(id: &str, words: &str) -> String {
    format!("---\nid: {id}\ntype: email\ncreated: 2026-02-23T03:15:00Z\n---\n{words}\n")
}

impl World {
    /// Two machines that agree on three tasks, and then both do something.
    fn new() -> Self {
        let world = Self {
            temp: tempfile::tempdir().expect("a folder"),
            remote: Remote::new("main").expect("a remote"),
        };
        for n in 1..=3 {
            world.write(
                "cloud-001",
                &format!("Needs_Action/EMAIL_{n}.md"),
                &task(&format!("EMAIL_{n}"), "as it came"),
            );
        }
        world.settle();
        // One is moved on, one is edited on both sides, one is new here, one is new there.
        world.rename("local-001", "Needs_Action/EMAIL_1.md", "Rejected/EMAIL_1.md");
        world.write("local-001", "Needs_Action/EMAIL_2.md", &task("EMAIL_2", "the owner's words"));
        world.write("cloud-001", "Needs_Action/EMAIL_2.md", &task("EMAIL_2", "the cloud's words"));
        world.write("local-001", "Inbox/note.md", "a note\n");
        world.write("cloud-001", "Needs_Action/EMAIL_4.md", &task("EMAIL_4", "as it came"));
        world.open("cloud-001").flush().expect("the cloud's part");
        world
    }

    fn root(&self, agent: &str) -> std::path::PathBuf {
        self.temp.path().join(agent).join("vault")
    }

    /// A new process of this agent.
    fn open(&self, agent: &str) -> Machine {
        self.try_open(agent).expect("open")
    }

    fn try_open(&self, agent: &str) -> Result<Machine, Box<dyn std::error::Error>> {
        fault::incarnate(fault::incarnation() + 1);
        let data = self.temp.path().join(agent).join("data");
        std::fs::create_dir_all(&data)?;
        let vault = Vault::open(self.root(agent), Limits::default())?;
        let clock: Arc<dyn Clock> = Arc::new(FixedClock::new("2026-02-23T03:15:00Z".parse()?));
        let settings = Settings {
            vault,
            config: config::Sync {
                enabled: true,
                remote: Some("simulated".into()),
                push_gap_seconds: 0,
                ..config::Sync::default()
            },
            agent: agent.parse()?,
            state_dir: data,
            side: if agent == "local-001" { Side::Owner } else { Side::Other },
        };
        Ok(Machine::open(settings, clock, &self.remote, Arc::new(Way))?)
    }

    /// Both machines, one after the other, until there is nothing more to exchange.
    fn settle(&self) {
        for _ in 0..3 {
            for agent in ["cloud-001", "local-001"] {
                self.open(agent).flush().expect("an undisturbed synchronisation");
            }
        }
    }

    fn write(&self, agent: &str, path: &str, text: &str) {
        let path = self.root(agent).join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        std::fs::write(path, text).expect("write");
    }

    fn rename(&self, agent: &str, from: &str, to: &str) {
        let (from, to) = (self.root(agent).join(from), self.root(agent).join(to));
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("folder");
        std::fs::rename(from, to).expect("rename");
    }

    /// What travels, path to text.
    fn files(&self, agent: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        collect(&self.root(agent), &self.root(agent), &mut found);
        found
    }
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            let shown = path.strip_prefix(root).expect("below").display().to_string();
            found.insert(shown, std::fs::read_to_string(&path).expect("text"));
        }
    }
}

#[test]
fn both_machines_agree_and_nothing_is_lost_or_doubled_whichever_step_fails_or_is_the_last() {
    let steps = ["sync.", "vault.", "remote.fetch", "remote.push", "remote.answer"];
    let work = |world: &World| {
        let machine = world.try_open("local-001").map_err(|error| error.to_string())?;
        machine.flush().map_err(|error| error.to_string())
    };
    let runs = at_every_step(&steps, World::new, work, |world, strike| {
        world.settle();
        let (owner, cloud) = (world.files("local-001"), world.files("cloud-001"));
        assert_eq!(owner, cloud, "after {strike:?}");
        let remote: Vec<String> = world.remote.files().expect("the remote").into_keys().collect();
        let travels: Vec<String> = remote.into_iter().filter(|path| !path.starts_with('.')).collect();
        assert_eq!(owner.keys().cloned().collect::<Vec<_>>(), travels, "after {strike:?}");
        for n in 1..=4 {
            let id = format!("EMAIL_{n}");
            let places: Vec<&String> = owner
                .keys()
                .filter(|path| Location::parse(path).is_ok_and(|at| at.id.as_str() == id))
                .collect();
            assert_eq!(places.len(), 1, "{id} is in {places:?} after {strike:?}");
        }
        assert!(owner.contains_key("Rejected/EMAIL_1.md"), "the owner's decision after {strike:?}");
        for words in ["the owner's words", "the cloud's words", "a note"] {
            let holders = owner.values().filter(|text| text.contains(words)).count();
            assert!(holders >= 1, "{words} is lost after {strike:?}");
        }
    });
    assert!(runs >= 60, "{runs}");
}
