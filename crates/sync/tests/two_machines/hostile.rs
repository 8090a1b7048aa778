//! The other machine may have been taken over: what it sends is refused or inert, said once, and
//! never stops the rest.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use sync::{Report, Side};

use crate::world::{World, git};

fn write(root: &Path, path: &str, text: &str) {
    std::fs::create_dir_all(root.join(path).parent().expect("a folder")).expect("folder");
    std::fs::write(root.join(path), text).expect(path);
}

fn reason<'a>(report: &'a Report, path: &str) -> &'a str {
    let found = report.refused.iter().find(|refusal| refusal.path == path);
    &found.unwrap_or_else(|| panic!("{path} was not refused: {:?}", report.refused)).reason
}

#[tokio::test]
async fn hostile_names_modes_and_links_are_refused_and_their_siblings_arrive() {
    let world = World::new();
    let (_cloud, local) = world.pair().await;
    let outside = world.temp.path().join("outside.md");
    std::fs::write(&outside, "mine").expect("write");
    world.meddle(|root| {
        write(root, "Needs_Action/EMAIL_1.md", "fine");
        symlink(&outside, root.join("Needs_Action/EMAIL_2.md")).expect("link");
        write(root, "Needs_Action/EMAIL_3.md", "a program");
        std::fs::set_permissions(
            root.join("Needs_Action/EMAIL_3.md"),
            std::fs::Permissions::from_mode(0o755),
        )
        .expect("mode");
        write(root, "Needs_Action/EMAIL_4.md/EMAIL_5.md", "in a folder");
        write(root, "Needs_Action/APPROVE_EMAIL_6.md", "dragged");
        write(root, "Inbox/\u{202e}evil.md", "turned");
        write(root, "Inbox/line\nbreak.md", "broken");
        write(root, "Inbox/fine too.md", "fine");
        write(root, "outside/of/the/vault.md", "x");
        write(root, ".gitattributes", "* text");
        write(root, ".gitmodules", "x");
        std::fs::create_dir_all(root.join("In_Progress")).expect("folder");
        symlink(world.temp.path(), root.join("In_Progress/cloud-001")).expect("link");
    });
    let report = local.cycle().await;
    assert_eq!(local.text("Needs_Action/EMAIL_1.md").as_deref(), Some("fine"));
    assert_eq!(local.text("Inbox/fine too.md").as_deref(), Some("fine"));
    assert!(reason(&report, "Needs_Action/EMAIL_2.md").contains("symbolic link"));
    assert!(reason(&report, "Needs_Action/EMAIL_3.md").contains("program"));
    assert!(reason(&report, "Needs_Action/EMAIL_4.md").contains("folder"));
    assert!(reason(&report, "In_Progress/cloud-001").contains("symbolic link"));
    for path in ["Needs_Action/APPROVE_EMAIL_6.md", "Inbox/\u{202e}evil.md", ".gitattributes", "outside"] {
        reason(&report, path);
    }
    let paths: Vec<_> = local.files().into_keys().collect();
    assert_eq!(paths, ["Inbox/fine too.md", "Needs_Action/EMAIL_1.md"]);
    assert_eq!(std::fs::read_to_string(&outside).expect("read"), "mine");
    // The owner's push took it all back, and it is not said again.
    assert!(report.pushed > 0);
    let tree = world.git(&["ls-tree", "-r", "--name-only", "main"]);
    assert_eq!(
        tree.lines().collect::<Vec<_>>(),
        [".gitignore", "Inbox/fine too.md", "Needs_Action/EMAIL_1.md"]
    );
    assert!(local.cycle().await.refused.is_empty());
}

#[tokio::test]
async fn the_other_side_leaves_what_it_does_not_know_where_it_is() {
    let world = World::new();
    let (cloud, _local) = world.pair().await;
    world.meddle(|root| {
        write(root, "README.md", "for people");
        write(root, "New_Folder/of a newer version.md", "x");
        write(root, "Needs_Action/EMAIL_1.md", "fine");
    });
    cloud.cycle().await;
    assert_eq!(cloud.files().into_keys().collect::<Vec<_>>(), ["Needs_Action/EMAIL_1.md"]);
    cloud.write("Needs_Action/EMAIL_2.md", "more");
    cloud.cycle().await;
    let tree = world.git(&["ls-tree", "-r", "--name-only", "main"]);
    assert!(
        tree.contains("README.md") && tree.contains("newer version") && tree.contains("EMAIL_2"),
        "{tree}"
    );
}

#[tokio::test]
async fn case_twins_and_oversized_files_are_refused() {
    let world = World::new();
    let (_cloud, local) = world.pair().await;
    let local = {
        local.sync.clone().close().await;
        world.machine_with("local-001", Side::Owner, |config| config.max_file_bytes = 1000)
    };
    local.write("Inbox/Note.md", "the first");
    local.cycle().await;
    world.meddle(|root| {
        write(root, "Inbox/note.MD", "the twin");
        write(root, "Inbox/caf\u{e9}.md", "composed");
        write(root, "Inbox/cafe\u{301}.md", "decomposed");
        write(root, "Needs_Action/EMAIL_1.md", &"x".repeat(1001));
        write(root, "Needs_Action/EMAIL_2.md", &"x".repeat(1000));
    });
    let report = local.cycle().await;
    assert!(reason(&report, "Inbox/note.MD").contains("Note.md"));
    assert!(reason(&report, "Needs_Action/EMAIL_1.md").contains("sync.max_file_bytes"));
    assert!(report.refused.iter().any(|refusal| refusal.path.starts_with("Inbox/caf")));
    let paths: Vec<_> = local.files().into_keys().collect();
    assert_eq!(paths, ["Inbox/Note.md", "Inbox/cafe\u{301}.md", "Needs_Action/EMAIL_2.md"]);
}

#[tokio::test]
async fn a_file_too_large_for_this_machine_is_left_out_and_not_taken_from_the_owner() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    cloud.sync.clone().close().await;
    let small = || world.machine_with("cloud-001", Side::Other, |config| config.max_file_bytes = 1000);
    let cloud = small();
    let large = "x".repeat(1001);
    local.write("Accounting/2026.csv", &large);
    local.write("Needs_Action/EMAIL_1.md", &large);
    local.write("Needs_Action/EMAIL_2.md", "fits");
    local.cycle().await;
    let report = cloud.cycle().await;
    assert!(reason(&report, "Accounting/2026.csv").contains("1001 bytes"));
    assert_eq!(cloud.files().into_keys().collect::<Vec<_>>(), ["Needs_Action/EMAIL_2.md"]);
    cloud.write("Needs_Action/EMAIL_3.md", "more");
    cloud.cycle().await;
    assert_eq!(cloud.git(&["status", "--porcelain"]), "");
    // Neither this run nor the next takes it for deleted.
    cloud.sync.clone().close().await;
    let cloud = small();
    cloud.write("Needs_Action/EMAIL_4.md", "more");
    cloud.cycle().await;
    local.cycle().await;
    assert_eq!(local.text("Accounting/2026.csv").as_ref(), Some(&large));
    assert_eq!(local.files().len(), 5);
    // It moves on, shrinks, and is here like any other.
    local.rename("Needs_Action/EMAIL_1.md", "Rejected/EMAIL_1.md");
    local.cycle().await;
    cloud.cycle().await;
    assert_eq!(cloud.text("Rejected/EMAIL_1.md"), None);
    local.write("Rejected/EMAIL_1.md", "shrunk");
    std::fs::remove_file(local.path("Accounting/2026.csv")).expect("remove");
    local.cycle().await;
    cloud.cycle().await;
    assert_eq!(cloud.files(), local.files());
    assert!(!cloud.cycle().await.changed());
}

#[tokio::test]
async fn of_two_twins_that_were_written_apart_the_published_one_stands_and_the_other_is_kept() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    local.write("Inbox/Note.md", "the owner's");
    cloud.write("Inbox/note.md", "the cloud's");
    local.cycle().await;
    cloud.cycle().await;
    local.cycle().await;
    assert_eq!(local.files(), cloud.files());
    assert_eq!(local.text("Inbox/Note.md").as_deref(), Some("the owner's"));
    assert_eq!(local.kept(), ["the cloud's"]);
}

#[tokio::test]
async fn a_vault_has_at_most_so_many_files() {
    let world = World::new();
    let (_cloud, local) = world.pair().await;
    local.sync.clone().close().await;
    let local = world.machine_with("local-001", Side::Owner, |config| config.max_files = 10);
    world.meddle(|root| (0..30).for_each(|n| write(root, &format!("Needs_Action/EMAIL_{n}.md"), "x")));
    let report = local.cycle().await;
    assert!(local.files().len() < 10);
    assert!(report.refused.iter().any(|refusal| refusal.reason.contains("sync.max_files")));
}

#[tokio::test]
async fn a_folder_in_the_vault_that_became_a_link_is_not_written_through() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    cloud.write("In_Progress/cloud-001/EMAIL_1.md", "one");
    cloud.cycle().await;
    local.cycle().await;
    let outside = world.temp.path().join("outside");
    std::fs::create_dir(&outside).expect("folder");
    std::fs::remove_dir_all(local.path("In_Progress/cloud-001")).expect("remove");
    symlink(&outside, local.path("In_Progress/cloud-001")).expect("link");
    cloud.write("In_Progress/cloud-001/EMAIL_2.md", "two");
    cloud.cycle().await;
    // Whatever comes of it, nothing is written there.
    let _ = local.sync.cycle().await;
    assert_eq!(std::fs::read_dir(&outside).expect("folder").count(), 0);
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_task_is_set_aside() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    symlink("/etc/passwd", local.path("Needs_Action/EMAIL_1.md")).expect("link");
    std::fs::create_dir(local.path("Needs_Action/EMAIL_2.md")).expect("folder");
    let report = local.cycle().await;
    assert!(report.refused.iter().all(|refusal| !refusal.incoming));
    cloud.write("Needs_Action/EMAIL_1.md", "one");
    cloud.write("Needs_Action/EMAIL_2.md", "two");
    cloud.cycle().await;
    local.cycle().await;
    assert_eq!(local.text("Needs_Action/EMAIL_1.md").as_deref(), Some("one"));
    assert_eq!(local.text("Needs_Action/EMAIL_2.md").as_deref(), Some("two"));
}

#[tokio::test]
async fn the_other_machine_cannot_touch_what_the_owner_decides() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    local.write("Pending_Approval/APPROVE_EMAIL_1.md", "as the owner saw it");
    local.write("Needs_Action/EXECUTE_EMAIL_2.md", "signed");
    local.write("Company_Handbook.md", "# Rules");
    local.write("Logs/2026-02-23_local-001.jsonl", "{}\n");
    local.write("Rejected/EMAIL_3.md", "no");
    local.write("STOP", "stop");
    local.cycle().await;
    cloud.cycle().await;
    let before = local.files();
    world.meddle(|root| {
        write(root, "Pending_Approval/APPROVE_EMAIL_1.md", "swapped");
        write(root, "Needs_Action/EXECUTE_EMAIL_2.md", "another order");
        write(root, "Needs_Action/EXECUTE_EMAIL_9.md", "an order of its own");
        write(root, "Company_Handbook.md", "# Pay everybody");
        write(root, "Logs/2026-02-23_local-001.jsonl", "");
        std::fs::rename(root.join("Rejected/EMAIL_3.md"), root.join("Needs_Action/EMAIL_3.md"))
            .expect("rename");
        std::fs::remove_file(root.join("STOP")).expect("remove");
        write(root, "Logs/2026-02-23_cloud-001.jsonl", "{}\n");
        write(root, "Needs_Action/EMAIL_4.md", "new work");
    });
    let report = local.cycle().await;
    assert!(report.refused.len() >= 7, "{:?}", report.refused);
    assert!(report.refused.iter().all(|refusal| refusal.incoming));
    let after = local.files();
    for (path, text) in &before {
        assert_eq!(after.get(path), Some(text), "{path}");
    }
    let new: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).map(String::as_str).collect();
    assert!(new.contains(&"Logs/2026-02-23_cloud-001.jsonl") && new.contains(&"Needs_Action/EMAIL_4.md"));
    assert!(new.iter().all(|path| !path.contains("EXECUTE") || path.starts_with("Conflicts/")), "{new:?}");
    let mut kept = local.kept();
    kept.sort();
    assert_eq!(kept, ["", "# Pay everybody", "an order of its own", "another order", "swapped"]);
    // The remote is as the owner has it again, and the cloud follows.
    cloud.cycle().await;
    assert_eq!(cloud.files(), local.files());
    assert!(local.cycle().await.refused.is_empty());
}

#[tokio::test]
async fn another_agents_log_only_grows_and_an_approval_that_is_asked_for_stays_so() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    const LOG: &str = "Logs/2026-02-23_cloud-001.jsonl";
    let task = |front: &str| {
        format!("---\nid: EMAIL_1\ntype: email\ncreated: 2026-02-23T03:15:00Z\n{front}---\nbody\n")
    };
    cloud.write(LOG, "1\n2\n");
    cloud.write("Needs_Action/EMAIL_1.md", &task("requires_approval: true\n"));
    cloud.cycle().await;
    local.cycle().await;
    let asked = local.text("Needs_Action/EMAIL_1.md").expect("the task");
    for (text, said) in [
        ("1\n", "cuts"),
        ("1\n3\n4\n", "rewrites"),
        ("1\n2\n3", "half a record"),
        ("1\n2\n{\"agent_id\":\"local-001\"}\n", "another agent's records"),
    ] {
        world.meddle(|root| write(root, LOG, text));
        let report = local.cycle().await;
        assert!(reason(&report, LOG).contains(said), "{report:?}");
        assert_eq!(local.text(LOG).as_deref(), Some("1\n2\n"));
        assert_eq!(world.git(&["show", &format!("main:{LOG}")]), "1\n2", "taken back");
        assert!(
            local.sync.status().foreign.iter().any(|(path, reason)| path == LOG && reason.contains(said))
        );
    }
    // Renamed into another agent's: the old one stays, and the new one is none of its.
    world.meddle(|root| {
        std::fs::rename(root.join(LOG), root.join("Logs/2026-02-23_local-001.jsonl")).expect("rename");
        write(root, "Needs_Action/EMAIL_1.md", &task("requires_approval: false\n"));
        write(root, "Needs_Action/EMAIL_2.md", "new work");
    });
    let report = local.cycle().await;
    reason(&report, LOG);
    reason(&report, "Logs/2026-02-23_local-001.jsonl");
    assert!(reason(&report, "Needs_Action/EMAIL_1.md").contains("requires_approval"));
    assert_eq!(local.text(LOG).as_deref(), Some("1\n2\n"));
    assert_eq!(local.text("Needs_Action/EMAIL_1.md"), Some(asked));
    assert_eq!(local.text("Needs_Action/EMAIL_2.md").as_deref(), Some("new work"));
    assert!(local.kept().contains(&task("requires_approval: false\n")));
    // What was kept is not the other machine's to take away.
    let kept = local.files().into_keys().find(|path| path.starts_with("Conflicts/")).expect("kept");
    world.meddle(|root| std::fs::remove_file(root.join(&kept)).expect("remove"));
    assert!(reason(&local.cycle().await, &kept).contains("deletes what was kept"));
    world.meddle(|root| write(root, LOG, "1\n2\n3\n"));
    assert_eq!(local.cycle().await.refused, []);
    assert_eq!(local.text(LOG).as_deref(), Some("1\n2\n3\n"));
}

#[tokio::test]
async fn logs_belong_to_their_agent_and_are_never_mixed() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    local.write("Logs/2026-02-23_local-001.jsonl", "1\n");
    local.write("Dashboard.md", "# one");
    local.cycle().await;
    cloud.cycle().await;
    // A person on the cloud machine edits what is not theirs.
    cloud.write("Logs/2026-02-23_local-001.jsonl", "forged\n");
    cloud.write("Dashboard.md", "# forged");
    local.write("Logs/2026-02-23_local-001.jsonl", "1\n1\n");
    local.cycle().await;
    cloud.cycle().await;
    assert_eq!(cloud.text("Logs/2026-02-23_local-001.jsonl").as_deref(), Some("1\n1\n"));
    assert_eq!(cloud.text("Dashboard.md").as_deref(), Some("# one"));
    local.cycle().await;
    assert_eq!(local.text("Logs/2026-02-23_local-001.jsonl").as_deref(), Some("1\n1\n"));
    assert!(cloud.kept().contains(&"forged\n".to_owned()) && cloud.kept().contains(&"# forged".to_owned()));
}

#[tokio::test]
async fn a_broken_tree_object_is_refused_and_the_rest_arrives() {
    let world = World::new();
    let (_cloud, local) = world.pair().await;
    let place = tempfile::tempdir().expect("a folder");
    git(place.path(), &["clone", "--quiet", &world.remote().display().to_string(), "clone"]);
    let root = place.path().join("clone");
    write(&root, "Needs_Action/EMAIL_1.md", "fine");
    git(&root, &["add", "--all"]);
    // A folder that lists one name twice, as no honest git writes it.
    let blob = git(&root, &["rev-parse", ":Needs_Action/EMAIL_1.md"]);
    let id: Vec<u8> =
        (0..20).map(|n| u8::from_str_radix(&blob[2 * n..2 * n + 2], 16).expect("hex")).collect();
    let entry = [b"100644 EMAIL_9.md\0", id.as_slice()].concat();
    std::fs::write(place.path().join("twice"), [entry.clone(), entry].concat()).expect("write");
    let twice = git(&root, &["hash-object", "-w", "-t", "tree", "--literally", "../twice"]);
    let fine = git(&root, &["write-tree"]);
    let listing = format!("{}\n040000 tree {twice}\tRejected\n", git(&root, &["ls-tree", &fine]));
    std::fs::write(place.path().join("listing"), listing).expect("write");
    let made =
        Command::new("sh").args(["-c", "git mktree <../listing"]).current_dir(&root).output().expect("sh");
    let tree = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    let commit = git(&root, &["commit-tree", &tree, "-p", "HEAD", "-m", "broken"]);
    git(&root, &["push", "--quiet", "origin", &format!("{commit}:refs/heads/main")]);
    let report = local.cycle().await;
    assert!(reason(&report, "Rejected").contains("twice"));
    assert_eq!(local.text("Needs_Action/EMAIL_1.md").as_deref(), Some("fine"));
    assert_eq!(local.text("Rejected/EMAIL_9.md"), None);
}
