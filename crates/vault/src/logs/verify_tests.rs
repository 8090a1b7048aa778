use std::convert::Infallible;
use std::path::Path;

use super::*;
use crate::Limits;
use task::AuditEvent;

struct World {
    _temp: tempfile::TempDir,
    /// The owner's machine, which keeps heads.
    vault: Vault,
    cloud: AgentId,
    local: AgentId,
    /// Whether what was undone is looked for.
    undone: std::cell::Cell<bool>,
}

fn write(vault: &Vault, agent: &AgentId, day: &str, hour: u32) {
    let now = format!("2026-02-{day}T0{hour}:15:00Z").parse().expect("time");
    vault.log(agent, AuditEvent::new("claim", None).with("hour", hour), now).expect("log");
}

impl World {
    /// Two agents with three records on each of two days.
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path().join("vault"), Limits::default()).expect("open");
        let vault = vault.keeping_heads(temp.path().join("heads"));
        let agent = |id: &str| id.parse::<AgentId>().expect("agent");
        let world = Self {
            _temp: temp,
            vault,
            cloud: agent("cloud-001"),
            local: agent("local-001"),
            undone: false.into(),
        };
        for day in ["23", "24"] {
            for hour in 1..4 {
                world.log(&world.local, day, hour);
                world.log_elsewhere(&world.cloud, day, hour);
            }
        }
        world
    }

    fn log(&self, agent: &AgentId, day: &str, hour: u32) {
        write(&self.vault, agent, day, hour);
    }

    /// As another machine writes it.
    fn log_elsewhere(&self, agent: &AgentId, day: &str, hour: u32) {
        write(&Vault::open(self.vault.root(), Limits::default()).expect("open"), agent, day, hour);
    }

    fn file(&self, agent: &AgentId, day: &str) -> PathBuf {
        self.vault.root().join(format!("Logs/2026-02-{day}_{agent}.jsonl"))
    }

    /// The file, day, line and number of the first bad record.
    fn first_bad(&self, committed: &[CommittedLog]) -> Option<(String, u64, u64, String)> {
        let committed = committed.iter().cloned().map(Ok::<_, Infallible>);
        let checks = self.vault.verify_logs_against(Some(&self.local), committed).expect("verify");
        checks.into_iter().find_map(|check| {
            let bad = if self.undone.get() { check.undone? } else { check.result.err()? };
            Some((check.path.file_name()?.to_str()?.to_owned(), bad.line, bad.seq, bad.reason))
        })
    }

    fn expect(&self, committed: &[CommittedLog], file: &Path, line: u64, seq: u64, part: &str) {
        let (name, at, number, reason) = self.first_bad(committed).expect(part);
        assert_eq!(name, file.file_name().expect("name").to_str().expect("utf-8"), "{reason}");
        assert_eq!((at, number), (line, seq), "{reason}");
        assert!(reason.contains(part), "{reason}");
    }

    fn commit(&self, file: &Path, name: &str) -> CommittedLog {
        let path = format!("Logs/{}", file.file_name().expect("name").to_str().expect("utf-8"));
        CommittedLog { path, commit: name.into(), bytes: std::fs::read(file).ok() }
    }
}

fn cut(file: &Path, lines: usize) {
    let text = std::fs::read_to_string(file).expect("read");
    std::fs::write(file, text.split_inclusive('\n').take(lines).collect::<String>()).expect("cut");
}

#[test]
fn an_own_log_that_was_cut_is_found_by_what_was_seen_of_it() {
    let world = World::new();
    assert_eq!(world.first_bad(&[]), None);
    let file = world.file(&world.local, "24");
    cut(&file, 1);
    world.expect(&[], &file, 2, 5, "this machine has seen records up to 6");
    // What is written after it neither hides it nor is lost.
    world.log(&world.local, "24", 5);
    world.log(&world.local, "24", 5);
    world.log(&world.local, "24", 5);
    world.expect(&[], &file, 3, 6, "rewritten or forked");
    std::fs::remove_file(&file).expect("remove");
    world.expect(&[], &world.file(&world.local, "23"), 4, 4, "has seen records up to 6");
}

#[test]
fn anothers_log_that_was_rewritten_or_cut_is_found_by_what_was_seen_of_it() {
    let world = World::new();
    let note = || world.vault.note_heads(&world.local).expect("note");
    assert_eq!(note(), []);
    world.log_elsewhere(&world.cloud, "25", 1);
    assert_eq!(note(), [], "goes on on another day");
    let file = world.file(&world.cloud, "25");
    let before = std::fs::read(&file).expect("read");
    // Written anew, with every hash fitting.
    cut(&file, 0);
    world.log_elsewhere(&world.cloud, "25", 2);
    assert_eq!(note(), [], "no longer than before: not looked into");
    world.expect(&[], &file, 1, 7, "rewritten or forked");
    world.log_elsewhere(&world.cloud, "25", 3);
    let told = note().remove(0);
    assert_eq!(told.result.expect_err("rewritten").seq, 7);
    world.expect(&[], &file, 1, 7, "rewritten or forked");
    cut(&file, 0);
    assert_eq!(note().len(), 1);
    world.expect(&[], &file, 1, 7, "this machine has seen records up to 7");
    std::fs::write(&file, before).expect("restore");
    assert_eq!((note(), world.first_bad(&[])), (vec![], None));
}

#[test]
fn every_committed_version_is_the_beginning_of_what_is_there() {
    let world = World::new();
    let file = world.file(&world.cloud, "23");
    let whole = std::fs::read_to_string(&file).expect("read");
    let all = world.commit(&file, "c3");
    let version = |text: &str| CommittedLog { bytes: Some(text.into()), commit: "c1".into(), ..all.clone() };
    let first = whole.split_inclusive('\n').next().expect("line");
    assert_eq!(world.first_bad(&[version(first), version(&format!("{first}{{\"torn")), all.clone()]), None);
    // Rewritten in one commit and so on disk too.
    let (one, two) = (version(&whole.replacen("\"hour\":2", "\"hour\":7", 1)), version(first));
    world.expect(&[two.clone(), one.clone(), all.clone()], &file, 2, 2, "another than commit c1 has");
    // Rewritten, cut or removed in one commit, and restored in the next.
    let removed = CommittedLog { bytes: None, commit: "c4".into(), ..all.clone() };
    for (false_one, line, part) in [
        (one, 2, "commit c1 has another, and the earlier c3 this one"),
        (two, 2, "commit c1 lacks it, though the earlier c3 has it"),
        (removed, 1, "commit c4 lacks it"),
    ] {
        let history = [all.clone(), false_one, all.clone()];
        assert_eq!(world.first_bad(&history), None, "the file is as it was");
        world.undone.set(true);
        world.expect(&history, &file, line, line, part);
        world.undone.set(false);
    }
    cut(&file, 2);
    world.expect(std::slice::from_ref(&all), &file, 3, 3, "it is missing; commit c3 has it");
    std::fs::remove_file(&file).expect("remove");
    world.expect(&[all], &file, 1, 1, "the file is gone; commit c3 has it");
}

#[test]
fn a_false_version_of_the_own_log_is_no_harm_to_it() {
    let world = World::new();
    let file = world.file(&world.local, "24");
    let whole = std::fs::read_to_string(&file).expect("read");
    let more = format!("{whole}{}", whole.split_inclusive('\n').next().expect("line"));
    let false_one = CommittedLog { bytes: Some(more.into()), ..world.commit(&file, "c1") };
    assert_eq!(world.first_bad(std::slice::from_ref(&false_one)), None);
    world.undone.set(true);
    world.expect(std::slice::from_ref(&false_one), &file, 4, 7, "it is missing; commit c1 has it");
    // Unless it is not as it was written.
    world.undone.set(false);
    cut(&file, 2);
    world.expect(&[false_one], &file, 3, 6, "it is missing; commit c1 has it");
}

#[test]
fn a_record_that_was_moved_to_another_day_or_agent_is_found() {
    let world = World::new();
    let (one, two) = (world.file(&world.cloud, "23"), world.file(&world.cloud, "24"));
    let (first, second) =
        (std::fs::read_to_string(&one).expect("read"), std::fs::read_to_string(&two).expect("read"));
    let last = first.split_inclusive('\n').next_back().expect("line");
    cut(&one, 2);
    std::fs::write(&two, format!("{last}{second}")).expect("write");
    world.expect(&[], &two, 1, 3, "it is of 2026-02-23 and stands in the file of 2026-02-24");
    std::fs::write(&one, format!("{first}{}", second.split_inclusive('\n').next().expect("line")))
        .expect("write");
    world.expect(&[], &one, 4, 4, "it is of 2026-02-24 and stands in the file of 2026-02-23");
    let local = world.file(&world.local, "23");
    std::fs::copy(&local, &one).expect("copy");
    world.expect(&[], &one, 1, 1, "a record of local-001 stands in its place");
}
