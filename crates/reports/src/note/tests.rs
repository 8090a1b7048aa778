use chrono::{DateTime, Utc};
use task::{Body, FrontMatter, Location, Stage, Task};
use vault::{Limits, Vault};

use task::EffectState;

use super::*;

fn now() -> DateTime<Utc> {
    "2026-02-23T03:15:00Z".parse().expect("time")
}

fn id(text: &str) -> TaskId {
    text.parse().expect("id")
}

struct Desk {
    _folder: tempfile::TempDir,
    vault: Vault,
    notes: Notes,
}

const NOTE: &str = "Errors/ERROR_EMAIL_1.reason.md";

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(folder.path().join("vault"), Limits::default()).expect("vault");
        let notes = Notes::new(vault.clone(), folder.path().join("error-notes.json"));
        Self { _folder: folder, vault, notes }
    }

    fn set_aside(&self, name: &str, change: impl FnOnce(&mut FrontMatter)) {
        let mut front = FrontMatter::new(id(name), now());
        front.subject = Some("Q1 [[invoice]]".into());
        front.from = Some("alice@example.com".into());
        front.failed("no draft from the language model: no route to host", Some(now()));
        change(&mut front);
        let task = Task::new(front, Body::of_original("hello").to_markdown());
        self.vault.create(&Location::new(Stage::Errors, id(name)), &task).expect("create");
    }

    fn refresh(&self) -> bool {
        self.notes.refresh(&BTreeMap::new()).expect("refresh")
    }

    fn note(&self) -> String {
        self.vault.read_page(NOTE).expect("read").expect("a note")
    }

    fn edit(&self, from: &str, to: &str) {
        let before = self.note();
        let after = before.replace(from, to);
        assert_ne!(before, after, "{from} is not in {before}");
        std::fs::write(self.vault.path_of(NOTE), after).expect("write");
    }

    fn conflicts(&self) -> usize {
        self.vault.dir_created("Conflicts").expect("folder").names().expect("names").len()
    }
}

#[test]
fn a_note_says_what_happened_what_was_tried_when_next_and_what_to_do() {
    let desk = Desk::new();
    desk.set_aside("EMAIL_1", |front| (front.attempts, front.returns) = (3, 2));
    assert!(desk.refresh());
    let note = desk.note();
    for line in [
        "# EMAIL_1 was set aside",
        "> [!failure] no draft from the language model: no route to host",
        "- tried: 3 times, after it had come back by itself 2 times",
        "- next: it comes back by itself at 2026-02-23 03:15 UTC",
        "- [ ] Try it again now ^error-retry",
        "- [ ] Drop it: nothing is to be done about it ^error-drop",
        "- [ ] Ask me again tomorrow ^error-later",
        "Tick one, or say it in a terminal: `local-agent retry EMAIL_1`, `local-agent drop EMAIL_1`, `local-agent later EMAIL_1`.",
    ] {
        assert!(note.lines().any(|found| found == line), "{line:?} is not in:\n{note}");
    }
    let what = note.lines().find(|line| line.starts_with("- what: ")).expect("what");
    assert!(what.starts_with("- what: [[EMAIL_1]] Q1 ") && !what.contains("[[invoice"), "{what}");
    assert!(!desk.refresh(), "the same note is not written twice");
}

#[test]
fn what_nobody_knows_is_never_ticked_away() {
    let desk = Desk::new();
    desk.set_aside("EMAIL_1", |front| {
        let state = EffectState::Unknown;
        front.effect = Some(task::Effect { state, at: now(), reference: None, message: None });
    });
    desk.refresh();
    let note = desk.note();
    assert!(note.contains("local-agent resolve EMAIL_1 --not-sent") && !note.contains("- [ ]"), "{note}");
    assert!(note.contains("never tried again by itself"), "{note}");
}

#[test]
fn a_tick_is_met_once_and_a_note_goes_with_its_task() {
    let desk = Desk::new();
    desk.set_aside("EMAIL_1", |_| {});
    desk.refresh();
    assert_eq!(desk.notes.ticked().expect("look"), []);
    desk.edit("- [ ] Try", "- [x] Try");
    assert!(!desk.refresh(), "a tick that was not taken yet stays");
    assert_eq!(desk.notes.ticked().expect("look"), [(id("EMAIL_1"), Choice::Retry)]);
    let at = Location::new(Stage::Errors, id("EMAIL_1"));
    desk.vault.advance(&at, Stage::NeedsAction).expect("retried");
    assert_eq!(desk.notes.ticked().expect("look"), []);
    assert!(desk.refresh());
    assert_eq!((desk.vault.read_page(NOTE).expect("read"), desk.conflicts()), (None, 0));
    desk.set_aside("EMAIL_2", |_| {});
    assert!(desk.refresh());
    let listed = desk.vault.list(&Folder::Errors).expect("list");
    assert_eq!(
        (listed.tasks.len(), listed.strangers.len()),
        (1, 0),
        "a note is neither a task nor a stranger"
    );
}

#[test]
fn a_tick_that_cannot_be_done_is_answered_on_the_note_and_taken_away() {
    let desk = Desk::new();
    desk.set_aside("EMAIL_1", |_| {});
    desk.refresh();
    desk.edit("- [ ] Drop", "- [x] Drop");
    let answers = BTreeMap::from([(id("EMAIL_1"), Some("the journal is away".to_owned()))]);
    assert!(desk.notes.refresh(&answers).expect("refresh"));
    assert!(desk.note().contains("could not be done: the journal is away"), "{}", desk.note());
    assert_eq!(desk.notes.ticked().expect("look"), []);
}

#[test]
fn two_ticks_are_no_answer_and_words_of_a_person_are_kept() {
    let desk = Desk::new();
    desk.set_aside("EMAIL_1", |_| {});
    desk.refresh();
    desk.edit("- [ ] ", "- [x] ");
    assert_eq!(desk.notes.ticked().expect("look"), []);
    desk.edit("## What to do", "I have called them.\n\n## What to do");
    assert!(!desk.refresh());
    assert!(desk.note().contains("I have called them."));
    let at = Location::new(Stage::Errors, id("EMAIL_1"));
    desk.vault.advance(&at, Stage::NeedsAction).expect("retried");
    desk.refresh();
    assert_eq!(desk.conflicts(), 1, "what was written on it is kept");
}

#[test]
fn a_note_that_this_machine_did_not_write_is_replaced_and_its_ticks_count_for_nothing() {
    let desk = Desk::new();
    desk.set_aside("EMAIL_1", |_| {});
    let forged = "- [x] Drop it: nothing is to be done about it ^error-drop\n";
    std::fs::write(desk.vault.path_of(NOTE), forged).expect("write");
    assert_eq!(desk.notes.ticked().expect("look"), []);
    assert!(desk.refresh());
    assert!(desk.note().contains("- [ ] Drop it"));
    assert_eq!(desk.notes.ticked().expect("look"), []);
}
