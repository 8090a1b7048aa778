//! What another machine pushes is held to its rights by the remote itself: git runs the hook that
//! `sync-watcher install-hook` writes, and takes the push or does not.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::{Machine, World, mail, programs};

/// Runs git as the machine that the forced command of its key says; a local remote runs the hook
/// in the pusher's own environment.
fn git(folder: &Path, environment: &[(String, String)], arguments: &[&str]) -> Output {
    Command::new("git")
        .args(["-c", "user.name=cloud", "-c", "user.email=cloud@example.invalid"])
        .args(arguments)
        .envs(environment.iter().cloned())
        .current_dir(folder)
        .output()
        .expect("git")
}

#[track_caller]
fn ok(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn install(repository: &Path) -> String {
    let output = Command::new(programs().join("sync-watcher"))
        .arg("install-hook")
        .arg(repository)
        .args(["--owner", "local-001"])
        .output()
        .expect("sync-watcher");
    ok(&output);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A clone with the cloud's key, and every push that such a machine may not make.
struct Intrusion {
    clone: PathBuf,
    environment: Vec<(String, String)>,
}

impl Intrusion {
    fn new(folder: &Path, url: &str, environment: Vec<(String, String)>) -> Self {
        ok(&git(folder, &environment, &["clone", "--quiet", url, "intruder"]));
        Self { clone: folder.join("intruder"), environment }
    }

    fn git(&self, arguments: &[&str]) -> Output {
        git(&self.clone, &self.environment, arguments)
    }

    fn tip(&self) -> String {
        String::from_utf8_lossy(&self.git(&["ls-remote", "origin", "refs/heads/main"]).stdout).into_owned()
    }

    /// Pushes what `change` makes of a fresh checkout; the answer of the remote.
    fn push(&self, change: impl FnOnce(&Path)) -> Output {
        ok(&self.git(&["fetch", "--quiet", "origin"]));
        ok(&self.git(&["reset", "--quiet", "--hard", "origin/main"]));
        change(&self.clone);
        ok(&self.git(&["add", "--all", "--force"]));
        ok(&self.git(&["commit", "--quiet", "--allow-empty", "-m", "by hand"]));
        self.git(&["push", "origin", "HEAD:main"])
    }

    #[track_caller]
    fn refused(&self, why: &str, change: impl FnOnce(&Path)) {
        let before = self.tip();
        let output = self.push(change);
        let said = String::from_utf8_lossy(&output.stderr);
        // Long sentences come in several lines of `remote:`.
        let plain = said.replace("remote: ", "").replace('\n', " ");
        assert!(!output.status.success() && plain.contains(why), "{why}: {said}");
        assert_eq!(self.tip(), before, "{why}");
    }

    #[track_caller]
    fn taken(&self, change: impl FnOnce(&Path)) {
        ok(&self.push(change));
    }
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
    std::fs::write(path, text).expect("write");
}

/// A draft that waits, an order, a log: what a vault has when the owner has worked in it.
fn prepare(owner: &Machine) {
    owner.bring("EMAIL_waits");
    owner.bring("EMAIL_signed");
    owner.ok(&["--once"]);
    // It waits for the time to take it back, so that the order is published.
    owner.reconfigure("send_email: 0", "send_email: 86400");
    owner.approve("EMAIL_signed");
    owner.ok(&["--once"]);
}

fn intrude(at: &Intrusion) {
    let waits = "Pending_Approval/APPROVE_EMAIL_waits.md";
    let signed = std::fs::read_dir(at.clone.join("In_Progress/local-001"))
        .into_iter()
        .flatten()
        .chain(std::fs::read_dir(at.clone.join("Needs_Action")).into_iter().flatten())
        .filter_map(|entry| entry.expect("entry").file_name().into_string().ok())
        .find(|name| name.starts_with("EXECUTE_EMAIL_signed"));
    assert!(signed.is_some(), "the owner's order is at the remote");

    at.taken(|root| write(root, "Needs_Action/EMAIL_new.md", &mail("EMAIL_new")));
    at.taken(|root| write(root, "Logs/2026-02-23_cloud-009.jsonl", ""));
    at.taken(|root| write(root, "Inbox/note.md", "call Dan\n"));
    at.refused("it changes a task in Pending_Approval", |root| {
        let text = std::fs::read_to_string(root.join(waits)).expect("the draft");
        write(root, waits, &text.replace("dan@example.com", "eve@evil.test"));
    });
    at.refused("it changes a task in Pending_Approval", |root| {
        std::fs::rename(root.join(waits), root.join("Needs_Action/EXECUTE_EMAIL_waits.md")).expect("move");
    });
    at.refused("it deletes the task", |root| std::fs::remove_file(root.join(waits)).expect("remove"));
    at.refused("it moves a task to approval", |root| {
        write(root, "Needs_Action/EXECUTE_EMAIL_forged.md", &mail("EMAIL_forged"));
    });
    at.refused("it writes the handbook", |root| write(root, "Company_Handbook.md", "pay Eve"));
    at.refused("it writes the dashboard", |root| write(root, "Dashboard.md", "all is well"));
    at.refused("it writes .gitignore", |root| write(root, ".gitignore", "*"));
    at.refused("it writes this agent's log", |root| write(root, "Logs/2026-02-24_local-001.jsonl", "{}\n"));
    at.refused("this kind of task is the executor's alone", |root| {
        write(root, "In_Progress/cloud-001/PAYMENT_1.md", &mail("PAYMENT_1"));
    });
    at.refused("it deletes a file in Inbox", |root| {
        std::fs::remove_file(root.join("Inbox/note.md")).expect("remove")
    });
    at.refused("the vault has no such place", |root| write(root, ".github/workflows/x.yml", "on: push"));
    at.refused("capitals or accents", |root| write(root, "Inbox/NOTE.md", "x"));
    at.refused("at most 4194304 are taken", |root| write(root, "Inbox/large.md", &"x".repeat(5 << 20)));
    at.refused("Inbox/link.md", |root| {
        std::os::unix::fs::symlink("/etc/passwd", root.join("Inbox/link.md")).expect("link");
    });
    // What is undone in the same push has changed nothing.
    ok(&at.git(&["reset", "--quiet", "--hard", "origin/main"]));
    for (refspec, why) in [
        ("HEAD~1:main", "it takes back what was published before"),
        (":main", "it deletes the vault"),
        ("HEAD:refs/heads/other", "a vault has no such branch or tag"),
        ("HEAD:refs/tags/v1", "a vault has no such branch or tag"),
        ("HEAD:refs/hb/local-001/1-1-x", "it is no heartbeat of this machine's"),
    ] {
        let output = at.git(&["push", "--force", "origin", refspec]);
        let said = String::from_utf8_lossy(&output.stderr).replace("remote: ", "").replace('\n', " ");
        assert!(!output.status.success() && said.contains(why), "{refspec}: {said}");
    }
    ok(&at.git(&["push", "origin", "HEAD:refs/hb/cloud-001/1-1-x"]));
}

#[test]
fn the_remote_holds_a_push_to_another_machines_rights() {
    let world = World::quiet();
    let (cloud, mut owner) = (world.cloud(), world.owner());
    let told = install(&world.remote());
    assert!(told.contains("VAULT_PUSHER=cloud git-shell"), "{told}");
    owner.environment.insert("VAULT_PUSHER".into(), "owner".into());
    prepare(&owner);
    intrude(&Intrusion::new(world.path(), &world.remote().display().to_string(), Vec::new()));
    // The honest cloud goes on working.
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    assert_eq!(cloud.place("EMAIL_new"), "Pending_Approval/APPROVE_EMAIL_new.md");
    assert_eq!(owner.place("EMAIL_new"), "Pending_Approval/APPROVE_EMAIL_new.md");
}

fn var(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run tests/services/git.sh start DIR first"))
}

/// A key of its own, let in with the line that `install-hook` prints.
fn key(folder: &Path, who: &str) -> Vec<(String, String)> {
    use std::io::Write as _;
    let path = folder.join(format!("key-{who}"));
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", who, "-f"])
        .arg(&path)
        .status();
    assert!(made.expect("ssh-keygen").success());
    let public = std::fs::read_to_string(path.with_extension("pub")).expect("the key");
    let line = format!(
        "command=\"VAULT_PUSHER={who} git-shell -c \\\"$SSH_ORIGINAL_COMMAND\\\"\",restrict {public}"
    );
    let keys = Path::new(&var("AIE_TEST_GIT_DIR")).join("authorized_keys");
    let mut keys = std::fs::File::options().append(true).open(keys).expect("authorized_keys");
    keys.write_all(line.as_bytes()).expect("authorized_keys");
    let ssh = format!(
        "ssh -o BatchMode=yes -o IdentitiesOnly=yes -i {} -o UserKnownHostsFile={}",
        path.display(),
        var("AIE_TEST_GIT_KNOWN_HOSTS")
    );
    vec![("GIT_SSH_COMMAND".to_owned(), ssh)]
}

#[test]
#[ignore = "needs the ssh remote of tests/services/git.sh: .ci/run runs it"]
fn the_remote_holds_a_push_over_ssh_to_the_rights_of_its_key() {
    let world = World::quiet();
    let bare = PathBuf::from(var("AIE_TEST_GIT_BARE"));
    let unique = format!("rights-{}.git", std::process::id());
    let remote = bare.with_file_name(&unique);
    ok(&git(
        world.path(),
        &[],
        &["init", "--quiet", "--bare", "--initial-branch=main", &remote.display().to_string()],
    ));
    install(&remote);
    let url = var("AIE_TEST_GIT_SSH_URL").replace(&var("AIE_TEST_GIT_BARE"), &remote.display().to_string());
    let (mut cloud, mut owner) = (world.cloud(), world.owner());
    let of_cloud = key(world.path(), "cloud");
    for (machine, environment) in [(&mut cloud, of_cloud.clone()), (&mut owner, key(world.path(), "owner"))] {
        machine.reconfigure(&format!("{:?}", world.remote()), &format!("{url:?}"));
        machine.environment.extend(environment);
    }
    prepare(&owner);
    intrude(&Intrusion::new(world.path(), &url, of_cloud));
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    assert_eq!(owner.place("EMAIL_new"), "Pending_Approval/APPROVE_EMAIL_new.md");
}
