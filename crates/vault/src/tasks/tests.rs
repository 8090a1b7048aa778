use super::*;
use crate::{Folder, Limits};
use task::FrontMatter;

fn vault() -> (tempfile::TempDir, Vault) {
    let temp = tempfile::tempdir().expect("a folder");
    let vault = Vault::open(temp.path(), Limits { max_task_bytes: 1000 }).expect("open");
    (temp, vault)
}

fn task(id: &str) -> Task {
    let id: TaskId = id.parse().expect("id");
    Task::new(FrontMatter::new(id, "2026-02-23T03:15:00Z".parse().expect("time")), "body\n")
}

fn at(path: &str) -> Location {
    Location::parse(path).expect("location")
}

#[test]
fn a_task_has_one_live_file_all_its_life() {
    let (_temp, vault) = vault();
    let agent: task::AgentId = "cloud-001".parse().expect("agent");
    let now = "2026-02-23T03:15:00Z".parse().expect("time");
    let mut file = vault.create(&at("Needs_Action/EMAIL_1.md"), &task("EMAIL_1")).expect("create");
    let id = file.location.id.clone();
    let steps = [
        Stage::InProgress(agent.clone()),
        Stage::PendingApproval,
        Stage::Approved,
        Stage::Executing(agent),
        Stage::done(now),
    ];
    for stage in steps {
        file = vault.finish(&file, &file.task, stage.clone()).expect("move");
        assert_eq!(vault.find(&id).expect("find"), Some(Location::new(stage.clone(), id.clone())));
        assert_eq!(vault.read(&file.location).expect("read").task.front.status, stage.name().into());
        assert!(matches!(
            vault.create(&at("Needs_Action/EMAIL_1.md"), &file.task),
            Err(WriteError::Exists(_))
        ));
    }
    assert_eq!(file.location.path(), "Done/2026/02/EMAIL_1.md");
}

#[test]
fn a_move_outside_the_table_is_refused() {
    let (_temp, vault) = vault();
    let file = vault.create(&at("Needs_Action/EMAIL_1.md"), &task("EMAIL_1")).expect("create");
    for stage in [Stage::Approved, Stage::PendingApproval, Stage::Rejected] {
        assert!(matches!(vault.advance(&file.location, stage.clone()), Err(MoveError::Forbidden { .. })));
        assert!(matches!(vault.finish(&file, &file.task, stage), Err(MoveError::Forbidden { .. })));
    }
    assert_eq!(vault.read(&file.location).expect("read"), file);
}

#[test]
fn of_many_claimants_one_wins_and_the_others_find_it_gone() {
    let (_temp, vault) = vault();
    for n in 0..20 {
        let id = format!("EMAIL_{n}");
        vault.create(&at(&format!("Needs_Action/{id}.md")), &task(&id)).expect("create");
    }
    let won = |agent: &str| {
        let (vault, agent) = (vault.clone(), agent.parse::<task::AgentId>().expect("agent"));
        move || {
            let mut won = 0;
            for n in 0..20 {
                let from = at(&format!("Needs_Action/EMAIL_{n}.md"));
                match vault.advance(&from, Stage::InProgress(agent.clone())) {
                    Ok(_) => won += 1,
                    Err(MoveError::Gone(_)) => {}
                    Err(e) => panic!("{e}"),
                }
            }
            won
        }
    };
    let total: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = ["a", "b", "c", "d"].into_iter().map(|a| scope.spawn(won(a))).collect();
        threads.into_iter().map(|t| t.join().expect("thread")).sum()
    });
    assert_eq!(total, 20);
    assert_eq!(vault.list(&Folder::AllInProgress).expect("list").tasks.len(), 20);
    assert!(vault.list(&Folder::NeedsAction).expect("list").tasks.is_empty());
}

#[test]
fn claims_of_one_cycle_share_their_fsyncs_and_fail_one_by_one() {
    let (temp, vault) = vault();
    for n in [1, 2, 4] {
        let id = format!("EMAIL_{n}");
        vault.create(&at(&format!("Needs_Action/{id}.md")), &task(&id)).expect("create");
    }
    let agent = Stage::InProgress("a".parse().expect("agent"));
    std::fs::create_dir_all(temp.path().join("In_Progress/a")).expect("folder");
    std::fs::write(temp.path().join("In_Progress/a/EMAIL_2.md"), "there").expect("write");
    let from: Vec<Location> = (1..=4).map(|n| at(&format!("Needs_Action/EMAIL_{n}.md"))).collect();
    let results = vault.advance_all(&from, &agent).expect("claims");
    assert!(matches!(results.as_slice(), [Ok(_), Err(MoveError::Exists(_)), Err(MoveError::Gone(_)), Ok(_)]));
    assert_eq!(std::fs::read_to_string(temp.path().join("In_Progress/a/EMAIL_2.md")).expect("read"), "there");
}

#[test]
fn a_claim_takes_only_a_plain_file_and_leaves_its_bytes_alone() {
    let (temp, vault) = vault();
    let agent = Stage::InProgress("a".parse().expect("agent"));
    let path = |name: &str| temp.path().join("Needs_Action").join(name);
    std::fs::write(path("EMAIL_1.md"), "not even a task").expect("write");
    let claimed = vault.advance(&at("Needs_Action/EMAIL_1.md"), agent.clone()).expect("claim");
    assert_eq!(vault.read_bytes(&claimed).expect("read"), b"not even a task");

    std::os::unix::fs::symlink("/etc/passwd", path("EMAIL_2.md")).expect("symlink");
    std::fs::write(path("EMAIL_3.md"), "x").expect("write");
    std::fs::hard_link(path("EMAIL_3.md"), temp.path().join("second")).expect("link");
    std::fs::create_dir(path("EMAIL_4.md")).expect("folder");
    for n in 2..=4 {
        let result = vault.advance(&at(&format!("Needs_Action/EMAIL_{n}.md")), agent.clone());
        assert!(matches!(result, Err(MoveError::NotPlain { .. })), "{n}: {result:?}");
    }
    // A claim never overwrites.
    std::fs::write(path("EMAIL_1.md"), "again").expect("write");
    assert!(matches!(vault.advance(&at("Needs_Action/EMAIL_1.md"), agent), Err(MoveError::Exists(_))));
    assert_eq!(std::fs::read_to_string(path("EMAIL_1.md")).expect("read"), "again");
}

#[test]
fn a_persons_edit_that_meets_a_write_is_kept() {
    let (temp, vault) = vault();
    let file = vault.create(&at("Pending_Approval/APPROVE_EMAIL_1.md"), &task("EMAIL_1")).expect("create");
    let path = temp.path().join(file.location.path());
    std::fs::write(&path, "edited in Obsidian").expect("write");
    let mut next = file.task.clone();
    next.body = "drafted".to_owned();
    let written = vault.replace(&file, &next).expect("replace");
    let kept = written.displaced.clone().expect("a conflict");
    assert_eq!(std::fs::read_to_string(temp.path().join(kept)).expect("kept"), "edited in Obsidian");
    assert_eq!(vault.read(&file.location).expect("read").task, next);
    // Nothing met the next write, and no temporary is left.
    assert_eq!(vault.replace(&written, &file.task).expect("replace").displaced, None);
    assert_eq!(std::fs::read_dir(temp.path().join(".tmp")).expect("staging").count(), 0);
}

#[test]
fn what_has_gone_is_a_normal_outcome() {
    let (temp, vault) = vault();
    let file = vault.create(&at("Needs_Action/EMAIL_1.md"), &task("EMAIL_1")).expect("create");
    std::fs::remove_file(temp.path().join("Needs_Action/EMAIL_1.md")).expect("remove");
    assert!(matches!(vault.read(&file.location), Err(ReadError::Gone(_))));
    assert!(vault.replace(&file, &task("EMAIL_1")).is_ok(), "equal bytes need no write");
    let mut other = file.task.clone();
    other.body.push('x');
    assert!(matches!(vault.replace(&file, &other), Err(WriteError::Gone(_))));
    let stage = Stage::InProgress("a".parse().expect("agent"));
    assert!(matches!(vault.finish(&file, &other, stage.clone()), Err(MoveError::Gone(_))));
    assert!(matches!(vault.advance(&file.location, stage), Err(MoveError::Gone(_))));
    assert_eq!(std::fs::read_dir(temp.path().join(".tmp")).expect("staging").count(), 0);
}

#[test]
fn hostile_bytes_are_refused_with_their_reason() {
    let (temp, vault) = vault();
    let check = |bytes: &[u8], reason: &str| {
        std::fs::write(temp.path().join("Needs_Action/EMAIL_1.md"), bytes).expect("write");
        let error = vault.read(&at("Needs_Action/EMAIL_1.md")).expect_err(reason).to_string();
        assert!(error.starts_with("Needs_Action/EMAIL_1.md") && error.contains(reason), "{error}");
    };
    check(&[b'x'; 1001], "at most 1000");
    check(b"hello", "first line");
    check(b"---\n\xff", "not UTF-8");
}

#[test]
fn finished_tasks_are_found_newest_first() {
    let (temp, vault) = vault();
    for path in ["Done/2025/12/EMAIL_1.md", "Done/2026/02/EMAIL_1.md", "Done/2026/01/EMAIL_1.md"] {
        let path = temp.path().join(path);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, "x").expect("write");
    }
    assert_eq!(vault.months_done().expect("months"), [(2026, 2), (2026, 1), (2025, 12)]);
    let found = vault.find(&"EMAIL_1".parse().expect("id")).expect("find").expect("found");
    assert_eq!(found.path(), "Done/2026/02/EMAIL_1.md");
}
