//! The journal by itself.

use std::os::unix::fs::MetadataExt as _;

use super::*;
use crate::journal::{Dispatch, Ending};
use crate::{Journal, JournalError, State};

fn order(machine: &Machine) -> (Order, String, String) {
    let order = machine.approve("EMAIL_1", mail());
    let front = machine.file("EMAIL_1").task.front;
    (order, front.order.expect("order"), front.signature.expect("signature"))
}

#[test]
fn invariant_5_an_approval_passes_each_state_once_whoever_asks() {
    let machine = Machine::new();
    let (order, text, signature) = order(&machine);
    let path = machine.data().join("journal.sqlite");
    let (one, two) = (Journal::open(&path).expect("open"), Journal::open(&path).expect("open"));
    let key = order.approval.as_str();
    let done = Ending::new(State::Done, "sent");
    assert_eq!(one.get(key).expect("get"), None);
    let limits = config::Limits::default();
    let dispatch = |journal: &Journal| journal.dispatch(&order, &limits, start()).expect("dispatch");
    assert_eq!(dispatch(&one), Dispatch::NotAccepted, "nothing was accepted");
    assert_eq!(one.accept(&order, &text, &signature, start()).expect("accept").state, State::Accepted);
    assert_eq!(
        two.accept(&order, "{}", "other", start()).expect("accept").text,
        text,
        "the first one counts"
    );
    assert_eq!(dispatch(&two), Dispatch::Now);
    assert_eq!(dispatch(&one), Dispatch::NotAccepted);
    let withdrawn = Ending::new(State::Withdrawn, "expired");
    assert!(!one.end(key, &withdrawn, start()).expect("end"), "what may have been called is not withdrawn");
    assert!(one.end(key, &Ending::new(State::Unknown, "lost"), start()).expect("end"));
    assert!(!two.end(key, &done, start()).expect("end"));
    assert!(!two.take_back(key).expect("take back"));
    assert!(two.resolve(key, &done, start()).expect("resolve"));
    assert!(!two.resolve(key, &Ending::new(State::Failed, "no"), start()).expect("resolve"));
    let row = one.get(key).expect("get").expect("row");
    assert_eq!((row.state, row.message.as_deref(), row.ended), (State::Done, Some("sent"), Some(start())));
    assert_eq!(one.of_task(&id("EMAIL_1")).expect("rows"), [row]);
}

#[test]
fn invariant_8_the_journal_is_private_and_every_commit_reaches_the_disk() {
    let machine = Machine::new();
    let path = machine.data().join("journal.sqlite");
    let journal = Journal::open(&path).expect("open");
    assert_eq!(std::fs::metadata(&path).expect("journal").mode() & 0o777, 0o600);
    let pragmas = journal.pragmas().expect("pragmas");
    // 2 is FULL: an fsync of the write-ahead log in every commit.
    assert_eq!(pragmas, ("wal".to_owned(), 2));
}

#[test]
fn a_journal_that_cannot_be_used_says_why() {
    let machine = Machine::new();
    let check = |path: std::path::PathBuf, expected: &str| {
        let Err(error) = Journal::open(path) else { panic!("{expected}") };
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(machine.data().join("none/journal.sqlite"), "failed to create the journal");
    let garbage = machine.data().join("garbage.sqlite");
    std::fs::write(&garbage, "this is no database, whatever it is called").expect("write");
    check(garbage, "failed to use the journal");
    let newer = machine.data().join("newer.sqlite");
    let connection = rusqlite::Connection::open(&newer).expect("open");
    connection.pragma_update(None, "user_version", 99).expect("version");
    drop(connection);
    let Err(error) = Journal::open(newer) else { panic!("newer") };
    assert!(matches!(error, JournalError::Newer { version: 99, .. }), "{error}");
}
