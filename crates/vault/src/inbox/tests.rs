use super::*;
use crate::Limits;

const NOW: &str = "2026-02-23T03:15:00Z";

fn vault() -> (tempfile::TempDir, Vault) {
    let temp = tempfile::tempdir().expect("a folder");
    let vault = Vault::open(temp.path(), Limits { max_task_bytes: 2000 }).expect("open");
    (temp, vault)
}

fn drop_in(temp: &tempfile::TempDir, name: &str, bytes: impl AsRef<[u8]>) {
    let path = temp.path().join("Inbox").join(name);
    std::fs::write(&path, bytes).expect("write");
    let at: DateTime<Utc> = NOW.parse().expect("time");
    let old = std::time::SystemTime::from(at - TimeDelta::seconds(60));
    std::fs::File::options().write(true).open(path).and_then(|f| f.set_modified(old)).expect("set time");
}

fn intake(vault: &Vault) -> Intake {
    vault.intake(NOW.parse().expect("time"), TimeDelta::seconds(30)).expect("intake")
}

#[test]
fn any_text_under_any_name_becomes_a_task() {
    let (temp, vault) = vault();
    let check = |name: &str, text: &str, id: &str, subject: &str| {
        drop_in(&temp, name, text);
        let intake = intake(&vault);
        assert!(intake.strangers.is_empty(), "{:?}", intake.strangers);
        let location = &intake.taken[0].location;
        assert!(location.id.as_str().starts_with(id), "{location}");
        let file = vault.read(location).expect("a task");
        assert_eq!(file.task.front.subject.as_deref(), Some(subject));
        assert_eq!(file.task.front.source.as_deref(), Some("inbox"));
        assert!(!temp.path().join("Inbox").join(name).exists());
        Body::parse(&file.task.body).original.unwrap_or_default()
    };
    let text = check(
        "Anruf bei Zoë!.txt",
        "# Call her\r\n\r\nabout the invoice\n",
        "NOTE_anruf-bei-zoe_",
        "Call her",
    );
    assert_eq!(text, "# Call her\n\nabout the invoice");
    check("leer.md", "", "leer", "leer.md");
    check("PAYMENT_rent für März.md", "pay it", "PAYMENT_rent-fur-marz_", "pay it");
    check("EXECUTE_EMAIL_1.md", "do it", "NOTE_execute-email-1_", "do it");
    check("SCHEDULE_1.md", "---\ntags: [a]\nsubject:\n---\nevery Monday\n", "SCHEDULE_1", "every Monday");
    check("x.md", "---\nid: EMAIL_7\nsubject: S\n---\n", "EMAIL_7", "S");
}

#[test]
fn a_file_that_is_still_being_written_is_left_alone() {
    let (temp, vault) = vault();
    drop_in(&temp, "a.md", "x");
    let now = DateTime::<Utc>::from(
        std::fs::metadata(temp.path().join("Inbox/a.md")).and_then(|m| m.modified()).expect("time"),
    );
    let early = vault.intake(now + TimeDelta::seconds(29), TimeDelta::seconds(30)).expect("intake");
    assert_eq!((early.unquiet, early.taken.len()), (1, 0));
    let later = vault.intake(now + TimeDelta::seconds(30), TimeDelta::seconds(30)).expect("intake");
    assert_eq!((later.unquiet, later.taken.len()), (0, 1));
}

#[test]
fn ids_stay_unique_and_nothing_is_overwritten() {
    let (temp, vault) = vault();
    let mut ids = Vec::new();
    for n in 0..4 {
        drop_in(&temp, "call-bob.md", format!("number {n}"));
        ids.extend(intake(&vault).taken.into_iter().map(|t| t.location.id.to_string()));
    }
    assert_eq!(ids, ["call-bob", "call-bob-2", "call-bob-3", "call-bob-4"]);
    for (n, id) in ids.iter().enumerate() {
        let file = vault.read(&Location::new(Stage::NeedsAction, id.parse().expect("id"))).expect("read");
        assert!(file.task.body.contains(&format!("number {n}")));
    }
}

#[test]
fn a_name_that_ends_in_the_largest_number_is_taken_in_twice_like_any_other() {
    let (temp, vault) = vault();
    for n in 0..2 {
        drop_in(&temp, "call-4294967295.md", format!("number {n}"));
        assert_eq!(intake(&vault).taken.len(), 1);
    }
}

#[test]
fn a_crash_between_completing_and_moving_doubles_nothing() {
    let (temp, vault) = vault();
    drop_in(&temp, "Call Bob.txt", "now");
    let bytes = std::fs::read(temp.path().join("Inbox/Call Bob.txt")).expect("read");
    let completed = complete("Call Bob.txt", &bytes, NOW.parse().expect("time")).expect("task");
    drop_in(&temp, "Call Bob.txt", completed.to_bytes().expect("bytes"));
    let taken = intake(&vault).taken;
    assert_eq!(taken.len(), 1);
    assert_eq!(vault.read(&taken[0].location).expect("read").task, completed);
}

#[test]
fn nobody_approves_by_dropping_a_file() {
    let (temp, vault) = vault();
    drop_in(&temp, "EMAIL_1.md", "---\norder: '{}'\nsignature: x\nrequires_approval: true\n---\nsend it\n");
    let taken = intake(&vault).taken;
    let front = vault.read(&taken[0].location).expect("read").task.front;
    assert_eq!((front.order, front.signature, front.requires_approval), (None, None, true));
}

#[test]
fn what_is_no_text_stays_and_is_named_with_its_reason() {
    let (temp, vault) = vault();
    let check = |name: &str, bytes: &[u8], reason: &str| {
        drop_in(&temp, name, bytes);
        let strangers = intake(&vault).strangers;
        assert_eq!(strangers[0].path, PathBuf::from("Inbox").join(name));
        assert!(strangers[0].reason.contains(reason), "{}", strangers[0].reason);
        vault.quarantine(&strangers[0].path, &strangers[0].reason).expect("quarantine");
        assert!(intake(&vault).strangers.is_empty());
    };
    check("scan.pdf", b"%PDF\0", "control character");
    check("latin.txt", b"\xe4", "not UTF-8");
    check("half.md", b"---\nsubject: x\n", "has no end");
    check("bomb.md", b"---\na: &a [1]\nb: *a\n---\n", "an anchor");
    check("id.md", b"---\nid: ../x\n---\n", "\"../x\"");
    check("large.txt", &[b'x'; 2001], "at most 2000");
    std::os::unix::fs::symlink("/etc/passwd", temp.path().join("Inbox/link.md")).expect("symlink");
    let at = Utc::now() + TimeDelta::hours(1);
    let strangers = vault.intake(at, TimeDelta::seconds(30)).expect("intake").strangers;
    assert!(strangers[0].reason.contains("symbolic link"));
}
