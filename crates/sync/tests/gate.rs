//! The rule that a hook at the remote holds pushes to: what another machine may bring passes, and
//! whatever else it tries is refused with the path and the reason.

mod git;

use std::path::{Path, PathBuf};
use std::process::Command;

use sync::{Gate, GateError, hook};
use tempfile::TempDir;

use self::git::git;

const MAIN: &str = "refs/heads/main";
const NOTHING: &str = "0000000000000000000000000000000000000000";

/// A vault's repository, and a checkout of it by hand.
struct Remote {
    temp: TempDir,
    /// What the vault was before the push.
    before: String,
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
    std::fs::write(path, text).expect("write");
}

fn remove(root: &Path, path: &str) {
    std::fs::remove_file(root.join(path)).expect(path);
}

fn task(id: &str) -> String {
    format!("---\nid: {id}\ntype: email\ncreated: 2026-02-23T03:15:00Z\n---\nwords\n")
}

impl Remote {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        git(temp.path(), &["init", "--quiet", "--bare", "--initial-branch=main", "vault.git"]);
        git(temp.path(), &["init", "--quiet", "--initial-branch=main", "clone"]);
        let mut remote = Self { temp, before: String::new() };
        let root = remote.clone();
        write(&root, "Needs_Action/EMAIL_1.md", &task("EMAIL_1"));
        write(&root, "Pending_Approval/APPROVE_EMAIL_2.md", &task("EMAIL_2"));
        write(&root, "Inbox/note.md", "call Dan\n");
        write(&root, "Logs/2026-02-23_cloud-001.jsonl", "");
        remote.before = remote.commit();
        remote
    }

    fn clone(&self) -> PathBuf {
        self.temp.path().join("clone")
    }

    fn repository(&self) -> PathBuf {
        self.temp.path().join("vault.git")
    }

    /// Commits what lies in the checkout.
    fn commit(&self) -> String {
        git(&self.clone(), &["add", "--all", "--force"]);
        git(&self.clone(), &["commit", "--quiet", "--allow-empty", "-m", "by hand"]);
        git(&self.clone(), &["rev-parse", "HEAD"])
    }

    /// As git has it before a push is taken: the new objects are in a folder of their own.
    fn gate(&self) -> Gate {
        Gate {
            repository: self.repository(),
            incoming: Some(self.clone().join(".git/objects")),
            owner: "local-001".parse().expect("agent"),
            branch: "main".to_owned(),
            max_file_bytes: 1000,
        }
    }

    fn judge(&self, updates: &str) -> Vec<String> {
        self.gate().judge(updates).expect("a verdict")
    }

    /// The verdict on what `change` makes of the vault.
    fn pushed(&self, change: impl FnOnce(&Path)) -> Vec<String> {
        git(&self.clone(), &["reset", "--quiet", "--hard", &self.before]);
        change(&self.clone());
        self.judge(&format!("{} {} {MAIN}\n", self.before, self.commit()))
    }

    #[track_caller]
    fn refused(&self, expected: &str, change: impl FnOnce(&Path)) {
        assert_eq!(self.pushed(change), [expected]);
    }
}

#[test]
fn another_machine_brings_work_claims_it_and_takes_files_in() {
    let remote = Remote::new();
    let taken = remote.pushed(|root| {
        write(root, "Needs_Action/EMAIL_3.md", &task("EMAIL_3"));
        std::fs::create_dir_all(root.join("In_Progress/cloud-001")).expect("folder");
        std::fs::rename(root.join("Needs_Action/EMAIL_1.md"), root.join("In_Progress/cloud-001/EMAIL_1.md"))
            .expect("claim");
        write(root, "In_Progress/cloud-001/EMAIL_1.claim.json", "{}");
        // The note became a task.
        remove(root, "Inbox/note.md");
        write(root, "Needs_Action/note.md", &task("note"));
        write(root, "STOP", "");
    });
    assert_eq!(taken, Vec::<String>::new());
}

#[test]
fn a_push_that_founds_the_vault_has_no_other_rights() {
    let remote = Remote::new();
    let found = |tip: &str| remote.judge(&format!("{NOTHING} {tip} {MAIN}\n"));
    assert_eq!(found(&remote.before), Vec::<String>::new());
    write(&remote.clone(), "Company_Handbook.md", "pay Eve");
    assert_eq!(found(&remote.commit()), ["\"Company_Handbook.md\": it writes the handbook"]);
}

#[test]
fn whatever_else_it_tries_is_refused_with_path_and_reason() {
    let remote = Remote::new();
    remote.refused("EMAIL_2: it changes a task in Pending_Approval", |root| {
        write(root, "Pending_Approval/APPROVE_EMAIL_2.md", "swapped");
    });
    remote.refused("EMAIL_2: it deletes the task", |root| {
        remove(root, "Pending_Approval/APPROVE_EMAIL_2.md");
    });
    remote.refused("\"Inbox/note.md\": it deletes a file in Inbox", |root| remove(root, "Inbox/note.md"));
    remote.refused("\"Company_Handbook.md\": it writes the handbook", |root| {
        write(root, "Company_Handbook.md", "pay Eve");
    });
    remote.refused("\"Inbox/large.md\": it has 1001 bytes; at most 1000 are taken", |root| {
        write(root, "Inbox/large.md", &"x".repeat(1001));
    });
    remote.refused(
        "\"Inbox/NOTE.md\": another name there differs from it in capitals or accents only",
        |root| write(root, "Inbox/NOTE.md", "x"),
    );
    remote.refused("\".github\": the vault has no such place", |root| {
        write(root, ".github/workflows/x.yml", "on: push");
    });
    let link = remote.pushed(|root| {
        std::os::unix::fs::symlink("/etc/passwd", root.join("Inbox/link.md")).expect("link");
    });
    assert!(link.len() == 1 && link[0].contains("Inbox/link.md"), "{link:?}");
}

#[test]
fn of_refs_it_may_move_the_vaults_branch_forwards_and_its_own_heartbeats() {
    let remote = Remote::new();
    let next = remote.commit();
    let before = &remote.before;
    let check = |old: &str, new: &str, name: &str, expected: &[&str]| {
        assert_eq!(remote.judge(&format!("{old} {new} {name}\n")), expected, "{name}");
    };
    check(before, &next, MAIN, &[]);
    check(NOTHING, before, "refs/hb/cloud-001/0a1b2c3d-1", &[]);
    check(NOTHING, before, "refs/heads/heartbeats/cloud-001", &[]);
    for name in ["refs/hb/local-001/0a1b2c3d-1", "refs/heads/heartbeats/local-001", "refs/hb/No Agent/1"] {
        check(NOTHING, before, name, &[&format!("{name}: it is no heartbeat of this machine's")]);
    }
    check(NOTHING, before, "refs/tags/v1", &["refs/tags/v1: a vault has no such branch or tag"]);
    check(before, NOTHING, MAIN, &["refs/heads/main: it deletes the vault"]);
    check(&next, before, MAIN, &["refs/heads/main: it takes back what was published before"]);
}

#[test]
fn one_bad_ref_of_a_push_is_named_beside_the_good_ones() {
    let remote = Remote::new();
    let next = remote.commit();
    let said = remote
        .judge(&format!("{before} {next} {MAIN}\n\n{NOTHING} {next} refs/tags/v1\n", before = remote.before));
    assert_eq!(said, ["refs/tags/v1: a vault has no such branch or tag"]);
}

#[test]
fn a_push_that_cannot_be_read_is_an_error_and_no_permission() {
    let remote = Remote::new();
    for line in ["nonsense", "one two", "x y refs/heads/main"] {
        let error = remote.gate().judge(line).expect_err(line);
        assert!(matches!(error, GateError::Line(_)), "{error}");
        assert_eq!(error.to_string(), format!("{line:?} is no line of a pre-receive hook"));
    }
    let unknown = format!("{} {} {MAIN}", remote.before, "1".repeat(40));
    let error = remote.gate().judge(&unknown).expect_err("an object that is not there");
    assert!(error.to_string().starts_with("failed to read what is pushed: "), "{error}");
    let nowhere = Gate { repository: remote.temp.path().join("nowhere.git"), ..remote.gate() };
    let error = nowhere.judge("").expect_err("no repository");
    assert!(error.to_string().contains("nowhere.git"), "{error}");
}

/// A folder whose listing was never sent cannot be looked through.
#[test]
fn a_folder_that_was_not_sent_is_refused() {
    let remote = Remote::new();
    write(&remote.clone(), "Briefings/2026-02-23.md", "news");
    let next = remote.commit();
    let folder = git(&remote.clone(), &["rev-parse", "HEAD:Briefings"]);
    let (shard, rest) = folder.split_at(2);
    remove(&remote.clone(), &format!(".git/objects/{shard}/{rest}"));
    let said = remote.judge(&format!("{} {next} {MAIN}", remote.before));
    assert!(said.len() == 1 && said[0].starts_with("\"Briefings\": object not found"), "{said:?}");
}

#[test]
fn a_file_whose_content_was_not_sent_is_refused() {
    let remote = Remote::new();
    write(&remote.clone(), "Needs_Action/EMAIL_3.md", &task("EMAIL_3"));
    let next = remote.commit();
    let blob = git(&remote.clone(), &["rev-parse", "HEAD:Needs_Action/EMAIL_3.md"]);
    let (shard, rest) = blob.split_at(2);
    remove(&remote.clone(), &format!(".git/objects/{shard}/{rest}"));
    let said = remote.judge(&format!("{} {next} {MAIN}", remote.before));
    assert_eq!(said, ["\"Needs_Action/EMAIL_3.md\": its content is missing or no file"]);
}

/// A shell reads the hook: names with quotes in them are words there, not commands.
#[test]
fn a_hook_calls_the_program_with_its_rule_whatever_the_programs_path() {
    let temp = tempfile::tempdir().expect("a folder");
    let program = temp.path().join("it's $(here)/sync-watcher");
    write(temp.path(), "it's $(here)/sync-watcher", "#!/bin/sh\nprintf '%s|' \"$@\"\n");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, executable).expect("chmod");
    let text = hook(&program, &"local-001".parse().expect("agent"), "main", 1000);
    let output = Command::new("sh").arg("-c").arg(&text).output().expect("sh");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "pre-receive|--owner|local-001|--branch|main|--max-file-bytes|1000|",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
