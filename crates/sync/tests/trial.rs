//! A remote that is tried out before anything depends on it: whether a vault is there, who is awake,
//! and whether this machine may push.

mod git;

use std::path::Path;
use std::time::Duration;

use fault::Errno;
use sync::{ApplyError, Seen, SyncError, Trial, make_remote};
use tempfile::TempDir;

use self::git::git;

/// A remote, and a look at it.
fn remote() -> (TempDir, std::path::PathBuf, Trial) {
    let temp = tempfile::tempdir().expect("a folder");
    let bare = temp.path().join("remote.git");
    make_remote(&bare, "main").expect("a remote");
    let trial = Trial::of(&bare.display().to_string(), "main", Duration::from_secs(20)).expect("a trial");
    (temp, bare, trial)
}

/// Lets the remote refuse every ref that a shell pattern fits.
fn refuse(bare: &Path, pattern: &str) {
    let hook = bare.join("hooks/update");
    std::fs::create_dir_all(bare.join("hooks")).expect("hooks");
    let text = format!("#!/bin/sh\ncase \"$1\" in {pattern}) echo not here >&2; exit 1;; esac\n");
    std::fs::write(&hook, text).expect("hook");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&hook, executable).expect("chmod");
}

#[test]
fn a_vault_and_whoever_is_awake_are_seen_by_ref_and_by_branch() {
    let (_temp, bare, trial) = remote();
    let tree = git(&bare, &["write-tree"]);
    let commit = git(&bare, &["commit-tree", &tree, "-m", "first"]);
    for name in [
        "refs/heads/main",
        "refs/hb/cloud-001/0a1b2c3d-17-ok",
        "refs/heads/heartbeats/local-001",
        "refs/hb/stray",
    ] {
        git(&bare, &["update-ref", name, &commit]);
    }
    let seen = trial.look().expect("seen");
    let signs = vec![
        ("cloud-001".parse().expect("agent"), "0a1b2c3d-17-ok".to_owned()),
        ("local-001".parse().expect("agent"), commit),
    ];
    assert_eq!(seen, Seen { has_branch: true, signs });
}

#[test]
fn a_host_that_takes_branches_only_passes_the_trial_and_keeps_nothing() {
    let (_temp, bare, trial) = remote();
    refuse(&bare, "refs/hb/*");
    trial.push(&"local-001".parse().expect("agent"), chrono::Utc::now()).expect("pushed");
    assert_eq!(git(&bare, &["for-each-ref"]), "");
}

#[test]
fn a_host_that_takes_nothing_is_named_with_what_it_said() {
    let (_temp, bare, trial) = remote();
    refuse(&bare, "*");
    let error = trial.push(&"local-001".parse().expect("agent"), chrono::Utc::now()).expect_err("refused");
    assert!(matches!(error, SyncError::Declined { .. }));
    let said = error.to_string();
    assert!(said.contains("not here") && said.contains(&bare.display().to_string()), "{said}");
}

#[test]
fn a_full_disk_is_told_from_other_failures_of_a_synchronisation() {
    let failed = |cause| ApplyError::System { what: "write", path: "Inbox/note.md".to_owned(), cause };
    assert!(failed(Errno::NOSPC).is_full() && failed(Errno::DQUOT).is_full());
    assert!(!failed(Errno::ACCESS).is_full() && !ApplyError::Raced("Inbox/note.md".to_owned()).is_full());
    let said = failed(Errno::NOSPC).to_string();
    assert!(said.starts_with("write Inbox/note.md: No space left"), "{said}");
}
