//! A machine is set up by one command, can be set up again, and comes back when it was lost.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tests::{Running, eventually, mail, programs};

/// A person's home on some machine: nothing is configured yet.
struct Home {
    root: PathBuf,
}

impl Home {
    fn new(folder: &Path, name: &str) -> Self {
        let root = folder.join(name);
        std::fs::create_dir_all(&root).expect("a home");
        std::fs::write(root.join("passphrase"), "correct horse battery staple\n").expect("passphrase");
        Self { root }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(programs().join(program));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.root)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .current_dir(&self.root)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program).args(arguments).output().expect("the program")
    }

    /// Expects success; what it printed.
    #[track_caller]
    fn ok(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{program} {arguments:?}: {}\n{out}\n{err}", output.status);
        out.into_owned()
    }

    /// Expects this exit status; what it said on stderr.
    #[track_caller]
    fn fails(&self, status: i32, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{program} {arguments:?}: {err}");
        err
    }

    fn config(&self) -> PathBuf {
        self.root.join(".config/ai-employee/config.yaml")
    }

    fn data(&self) -> PathBuf {
        self.root.join(".local/share/ai-employee")
    }

    fn vault(&self) -> PathBuf {
        self.root.join("vault")
    }

    fn passphrase(&self) -> String {
        self.root.join("passphrase").display().to_string()
    }

    /// Set up as the owner's machine, on sample accounts, live.
    fn owner(&self, remote: &Path) -> String {
        let remote = remote.display().to_string();
        let code = self.ok(
            "local-agent",
            &[
                "init",
                "--owner",
                "Jane Doe",
                "--remote",
                &remote,
                "--no-mail",
                "--mode",
                "sample",
                "--passphrase-file",
                &self.passphrase(),
            ],
        );
        let text = std::fs::read_to_string(self.config()).expect("config.yaml");
        let quiet = "watchers: { mock_channels: [] }\napproval: { undo_seconds: { send_email: 0 } }\n";
        let text = text.replace("dry_run: true", "dry_run: false") + quiet;
        std::fs::write(self.config(), text).expect("config.yaml");
        join_code(&code)
    }
}

/// The line that the cloud machine needs.
fn join_code(printed: &str) -> String {
    let line = printed.lines().find_map(|line| line.strip_prefix("cloud-agent init --join "));
    line.unwrap_or_else(|| panic!("no join code in {printed}")).to_owned()
}

fn bare(folder: &Path) -> PathBuf {
    let path = folder.join("remote.git");
    let made = Command::new("git")
        .args(["init", "--quiet", "--bare", "--initial-branch=main"])
        .arg(&path)
        .status()
        .expect("git");
    assert!(made.success());
    path
}

#[test]
fn one_command_sets_up_each_machine_and_the_join_code_is_all_that_the_cloud_needs() {
    let folder = tempfile::tempdir().expect("folder");
    let remote = bare(folder.path());
    let owner = Home::new(folder.path(), "owner");
    let code = owner.owner(&remote);
    assert!(!code.contains("correct horse"));
    let cloud = Home::new(folder.path(), "cloud");
    let said = cloud.ok("cloud-agent", &["init", "--join", &code]);
    assert!(said.contains(&cloud.config().display().to_string()), "{said}");
    assert!(cloud.vault().join("Company_Handbook.md").is_file(), "the vault came in");
    assert_eq!(
        std::fs::read_to_string(cloud.data().join("approvers")).expect("approvers"),
        std::fs::read_to_string(owner.data().join("approvers")).expect("approvers"),
    );
    assert_eq!(
        cloud.ok("cloud-agent", &["init", "--join", &code]).matches("made ").count(),
        0,
        "twice is once"
    );
    let found = owner.ok("local-agent", &["doctor"]);
    assert!(!found.contains("WRONG"), "{found}");
    // All programs lie in one folder here; two of them must not be on a cloud machine.
    let output = cloud.run("cloud-agent", &["doctor"]);
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    let wrong: Vec<&str> = found.lines().filter(|line| line.starts_with("WRONG")).collect();
    assert_eq!(
        wrong,
        [
            "WRONG mcp-whatsapp: it does not belong on a cloud machine",
            "WRONG mcp-payment: it does not belong on a cloud machine",
        ],
        "{found}"
    );
    assert_eq!(output.status.code(), Some(1));
    for (home, program) in [(&owner, "local-agent"), (&cloud, "cloud-agent")] {
        assert!(home.ok(program, &["status"]).lines().count() < 25);
    }
    let config = std::fs::read_to_string(cloud.config()).expect("config.yaml");
    assert!(config.contains("role: cloud") && !config.contains("smtp"), "{config}");
}

#[test]
fn init_that_is_run_again_keeps_mode_comments_and_order_of_the_configuration() {
    let folder = tempfile::tempdir().expect("folder");
    let remote = bare(folder.path());
    let owner = Home::new(folder.path(), "owner");
    owner.owner(&remote);
    let before = std::fs::read_to_string(owner.config()).expect("config.yaml");
    let mine = before
        .replace("modes:\n", "# how real\nmodes:   # live since May\n")
        .replace("dry_run: true", "dry_run: false");
    std::fs::write(owner.config(), &mine).expect("config.yaml");
    owner.ok("local-agent", &["init", "--owner", "Jane Roe"]);
    let after = std::fs::read_to_string(owner.config()).expect("config.yaml");
    assert_eq!(after, mine.replace("name: Jane Doe", "name: Jane Roe"));
}

#[test]
fn schedules_that_differ_between_the_machines_are_said_by_both_doctors_and_the_dashboard() {
    let folder = tempfile::tempdir().expect("folder");
    let remote = bare(folder.path());
    let owner = Home::new(folder.path(), "owner");
    let code = owner.owner(&remote);
    let cloud = Home::new(folder.path(), "cloud");
    cloud.ok("cloud-agent", &["init", "--join", &code]);
    let doctors = || {
        [(&cloud, "cloud-agent"), (&owner, "local-agent"), (&cloud, "cloud-agent")].map(|(home, program)| {
            home.ok(program, &["--once"]);
            String::from_utf8_lossy(&home.run(program, &["doctor"]).stdout).into_owned()
        })
    };
    for found in doctors() {
        assert!(found.contains("ok    schedules, 4 in UTC"), "{found}");
    }
    let config = std::fs::read_to_string(cloud.config()).expect("config.yaml");
    let other = format!("{config}\nschedules: {{ time_zone: Europe/Berlin }}\n");
    std::fs::write(cloud.config(), other).expect("config.yaml");
    let [_, here, there] = doctors();
    assert!(here.contains("WRONG schedules: the schedules here are not those of cloud-001"), "{here}");
    assert!(there.contains("WRONG schedules: the schedules here are not those of local-001"), "{there}");
    // The page is written in the round after the one in which it was heard.
    owner.ok("local-agent", &["--once"]);
    let page = std::fs::read_to_string(owner.vault().join("Dashboard.md")).expect("the dashboard");
    assert!(page.contains("not those of cloud-001"), "{page}");
}

#[test]
fn what_is_missing_is_named_at_once_and_what_was_given_is_kept() {
    let folder = tempfile::tempdir().expect("folder");
    let remote = bare(folder.path());
    let home = Home::new(folder.path(), "owner");
    std::fs::write(home.root.join("password"), "hunter2\n").expect("password");
    let said = home.fails(
        2,
        "local-agent",
        &[
            "init",
            "--id",
            "desk-1",
            "--cloud-id",
            "sky-1",
            "--mail-address",
            "jane@example.com",
            "--mail-password-file",
            "password",
        ],
    );
    for flag in
        ["--owner NAME", "--remote URL (or --alone)", "--mode sample|rehearse|live", "--passphrase-file"]
    {
        assert!(said.contains(flag), "{flag}: {said}");
    }
    assert!(!said.contains("--id") && !said.contains("--mail-password-file"), "{said}");
    let remote = remote.display().to_string();
    let printed = home.ok(
        "local-agent",
        &[
            "init",
            "--owner",
            "Jane",
            "--remote",
            &remote,
            "--mode",
            "sample",
            "--passphrase-file",
            &home.passphrase(),
        ],
    );
    let config = std::fs::read_to_string(home.config()).expect("config.yaml");
    for word in ["id: desk-1", "executor: desk-1", "sky-1: always", "jane@example.com", "imap.example.com"] {
        assert!(config.contains(word), "{word}: {config}");
    }
    assert!(!config.contains("hunter2") && !printed.contains("hunter2"));
    let env = home.config().with_file_name(".env");
    let text = std::fs::read_to_string(&env).expect(".env");
    assert_eq!(text, "WORK_IMAP_PASSWORD='hunter2'\nWORK_SMTP_PASSWORD='hunter2'\n");
    assert_eq!(std::fs::metadata(&env).expect("metadata").mode() & 0o777, 0o600);
}

#[test]
fn a_set_up_that_could_not_reach_the_remote_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().expect("folder");
    let home = Home::new(folder.path(), "owner");
    let missing = folder.path().join("remote.git").display().to_string();
    let said = home.fails(
        1,
        "local-agent",
        &[
            "init",
            "--owner",
            "Jane",
            "--remote",
            &missing,
            "--no-mail",
            "--mode",
            "rehearse",
            "--passphrase-file",
            &home.passphrase(),
        ],
    );
    assert!(
        said.contains("the remote cannot be used") && said.contains("run the same command again"),
        "{said}"
    );
    let doctor = home.run("local-agent", &["doctor"]);
    let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.status.code() == Some(1) && found.contains("it was not finished"), "{found}");
    bare(folder.path());
    let printed = home.ok("local-agent", &["init"]);
    assert!(
        printed.contains("a test push to") && printed.contains("cloud-agent init --join AIE1."),
        "{printed}"
    );
    let config = std::fs::read_to_string(home.config()).expect("config.yaml");
    // Without an account nothing becomes sample data by itself.
    assert!(config.contains("dry_run: true") && config.contains("mock_data: false"), "{config}");
    let before = std::fs::read_to_string(home.config()).expect("config.yaml");
    assert!(home.ok("local-agent", &["init"]).contains("nothing was changed"));
    assert_eq!(std::fs::read_to_string(home.config()).expect("config.yaml"), before);
}

#[test]
fn wrong_answers_in_flags_end_with_a_message() {
    let folder = tempfile::tempdir().expect("folder");
    let home = Home::new(folder.path(), "owner");
    let secret = ["https://jane:", "hunter2", "@git.example.com/v.git"].concat();
    for (arguments, word) in [
        (vec!["init", "--remote", &secret], "credential.helper"),
        (vec!["init", "--mail-address", "jane"], "no mail address"),
        (vec!["init", "--mode", "real"], "none of sample, rehearse and live"),
        (vec!["init", "--imap", "imap.example.com:x"], "no server"),
        (vec!["init", "--alone", "--remote", "/x"], "cannot be used with"),
        (vec!["init", "--key", "missing"], "cannot use the key"),
        (vec!["restore", "--join", "AIE1.x.y"], "damaged"),
        (vec!["restore", "--join", "hello"], "no join code"),
        (vec!["restore", "--alone"], "no remote to come back from"),
        (vec!["--once", "doctor"], "does not go with a command"),
    ] {
        let said = home.fails(2, "local-agent", &arguments);
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
    let said = home.fails(2, "cloud-agent", &["init"]);
    assert!(said.contains("--join CODE"), "{said}");
    home.fails(2, "cloud-agent", &["--once", "doctor"]);
    assert!(!home.config().exists() && !home.vault().exists(), "nothing was made");
}

#[test]
fn one_machine_alone_needs_no_remote() {
    let folder = tempfile::tempdir().expect("folder");
    let home = Home::new(folder.path(), "owner");
    let printed = home.ok(
        "local-agent",
        &["init", "--owner", "Jane", "--alone", "--no-mail", "--mode", "sample", "--no-passphrase"],
    );
    assert!(!printed.contains("--join"), "{printed}");
    assert!(home.ok("local-agent", &["--once"]).contains("(gold)"));
    assert!(home.fails(2, "local-agent", &["join-code"]).contains("works alone"));
}

#[test]
fn a_saved_key_is_taken_and_another_one_is_never_silently_ignored() {
    let folder = tempfile::tempdir().expect("folder");
    let first = Home::new(folder.path(), "first");
    let alone = ["init", "--owner", "Jane", "--alone", "--no-mail", "--mode", "sample"];
    first.ok("local-agent", &[&alone[..], &["--no-passphrase"]].concat());
    let saved = folder.path().join("saved-key");
    std::fs::copy(first.data().join("keys/owner"), &saved).expect("a copy");
    let saved = saved.display().to_string();
    let second = Home::new(folder.path(), "second");
    second.ok("local-agent", &[&alone[..], &["--key", &saved]].concat());
    let key = |home: &Home| std::fs::read(home.data().join("keys/owner")).expect("key");
    assert_eq!(key(&first), key(&second));
    let mode = std::fs::metadata(second.data().join("keys/owner")).expect("metadata").mode() & 0o777;
    assert_eq!(mode, 0o600);
    second.ok("local-agent", &["init", "--key", &saved]);
    let third = Home::new(folder.path(), "third");
    third.ok("local-agent", &[&alone[..], &["--no-passphrase"]].concat());
    let said = third.fails(2, "local-agent", &["init", "--key", &saved]);
    assert!(said.contains("is another one"), "{said}");
}

/// An owner's machine with a signed order that its executor has not seen, and a copy of its key.
fn with_an_order(folder: &Path, remote: &Path) -> (Home, String, String) {
    let owner = Home::new(folder, "owner");
    let code = owner.owner(remote);
    std::fs::write(owner.vault().join("Needs_Action/EMAIL_1.md"), mail("EMAIL_1")).expect("a task");
    let config = std::fs::read_to_string(owner.config()).expect("config.yaml");
    let config = format!("{config}\n").replace("vault:\n", "vault:\n  quiet_seconds: 0\n");
    std::fs::write(owner.config(), config).expect("config.yaml");
    owner.ok("local-agent", &["--once"]);
    let shown = owner.ok("local-agent", &["show", "EMAIL_1", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let digest = shown["digest"].as_str().expect("a digest");
    owner.ok(
        "local-agent",
        &["approve", "EMAIL_1", "--digest", digest, "--passphrase-file", &owner.passphrase()],
    );
    owner.ok("sync-watcher", &["--once"]);
    let saved = folder.join("saved-key");
    std::fs::copy(owner.data().join("keys/owner"), &saved).expect("a copy");
    (owner, code, saved.display().to_string())
}

#[test]
fn a_lost_machine_comes_back_and_what_was_signed_goes_to_the_owner_instead_of_out_again() {
    let folder = tempfile::tempdir().expect("folder");
    let remote = bare(folder.path());
    let (owner, code, saved) = with_an_order(folder.path(), &remote);
    // The owner's own template of a task is the owner's words, and comes back too.
    std::fs::write(owner.vault().join("Templates/New_task.md"), "my own template\n").expect("a template");
    owner.ok("sync-watcher", &["--once"]);
    // It went out, and the machine was lost before the remote heard of it.
    let said = owner.fails(2, "local-agent", &["restore", "--join", &code]);
    assert!(said.contains("this machine is not lost"), "{said}");
    drop(owner);

    let new = Home::new(folder.path(), "new");
    let printed = new.ok(
        "local-agent",
        &["restore", "--join", &code, "--key", &saved, "--old-machine-is-off", "--mode", "sample"],
    );
    for word in [
        "1 signed order was on its way",
        "EMAIL_1",
        "the one that you saved",
        "no order that was signed before runs again",
    ] {
        assert!(printed.contains(word), "{word}: {printed}");
    }
    let task = std::fs::read_to_string(new.vault().join("Errors/EMAIL_1.md")).expect("the task");
    assert!(task.contains("unknown"), "{task}");
    new.ok("local-agent", &["status"]);
    let template = std::fs::read_to_string(new.vault().join("Templates/New_task.md")).expect("the template");
    assert_eq!(template, "my own template\n");
    let live = std::fs::read_to_string(new.config())
        .expect("config.yaml")
        .replace("dry_run: true", "dry_run: false");
    std::fs::write(new.config(), live).expect("config.yaml");
    // A copy of the signed file brings nothing back to life.
    let order = {
        let log = Command::new("git")
            .arg("-C")
            .arg(&remote)
            .args(["show", "main~2:Needs_Action/EXECUTE_EMAIL_1.md"])
            .output()
            .expect("git");
        assert!(log.status.success(), "{}", String::from_utf8_lossy(&log.stderr));
        log.stdout
    };
    std::fs::remove_file(new.vault().join("Errors/EMAIL_1.md")).expect("away");
    std::fs::write(new.vault().join("Needs_Action/EXECUTE_EMAIL_1.md"), order).expect("a copy");
    new.ok("local-agent", &["--once"]);
    let mock = std::fs::read_to_string(new.data().join("mock/email.json")).unwrap_or_default();
    assert!(!mock.contains("approval"), "nothing was sent: {mock}");
    assert!(new.vault().join("Errors/EMAIL_1.md").exists());
    new.ok("local-agent", &["log", "verify"]);
}

#[test]
fn a_restore_without_the_old_key_says_so_and_gives_a_new_join_code() {
    let folder = tempfile::tempdir().expect("folder");
    let remote = bare(folder.path());
    let (_, code, _) = with_an_order(folder.path(), &remote);
    let new = Home::new(folder.path(), "new");
    let printed = new.ok(
        "local-agent",
        &["restore", "--join", &code, "--old-machine-is-off", "--passphrase-file", &new.passphrase()],
    );
    assert!(printed.contains("this machine has another one now"), "{printed}");
    assert!(new.vault().join("Errors/EMAIL_1.md").exists(), "{printed}");
    let other = join_code(&printed);
    assert_ne!(other, code);
    let cloud = Home::new(folder.path(), "cloud");
    cloud.ok("cloud-agent", &["init", "--join", &code]);
    let said = cloud.ok("cloud-agent", &["init", "--join", &other]);
    assert!(said.contains("renewed") && said.contains("approvers"), "{said}");
}

#[test]
fn a_restore_while_the_old_machine_runs_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let remote = bare(folder.path());
    let owner = Home::new(folder.path(), "owner");
    let code = owner.owner(&remote);
    let config = std::fs::read_to_string(owner.config()).expect("config.yaml");
    let config = config
        .replace("sync:\n", "sync:\n  heartbeat_seconds: 1\n")
        .replace("health:\n", "health:\n  heartbeat_seconds: 1\n");
    std::fs::write(owner.config(), config).expect("config.yaml");
    let mut running = Running::start(owner.command("local-agent"), &owner.root);
    let beats = || {
        let refs = Command::new("git").arg("-C").arg(&remote).args(["for-each-ref", "refs/hb/"]).output();
        String::from_utf8_lossy(&refs.expect("git").stdout).contains("refs/hb/local-001/")
    };
    eventually("the old machine's heartbeat", beats);
    let new = Home::new(folder.path(), "new");
    let restore = ["restore", "--join", &code, "--listen-seconds", "60", "--passphrase-file", "passphrase"];
    let said = new.fails(1, "local-agent", &restore);
    assert!(said.contains("the old machine local-001 still runs"), "{said}");
    assert!(!new.vault().exists() && !new.config().exists(), "nothing was made");
    running.kill();
    let printed = new.ok(
        "local-agent",
        &["restore", "--join", &code, "--listen-seconds", "3", "--passphrase-file", "passphrase"],
    );
    assert!(printed.contains("No signed order was on its way"), "{printed}");
}

#[test]
fn what_a_newer_version_made_is_refused_with_status_2_and_left_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let home = Home::new(folder.path(), "owner");
    let alone = ["init", "--owner", "Jane", "--alone", "--no-mail", "--mode", "sample", "--no-passphrase"];
    home.ok("local-agent", &alone);
    let ignore = home.vault().join(".gitignore");
    let text = std::fs::read_to_string(&ignore).expect("text");
    std::fs::write(&ignore, text.replace("format 1", "format 2")).expect("written");
    for arguments in [&["--once"][..], &["status"], &["list"]] {
        let said = home.fails(2, "local-agent", arguments);
        assert!(said.contains("format 2") && said.contains("nothing was changed"), "{said}");
    }
    std::fs::write(&ignore, text).expect("written");
    std::fs::write(home.data().join("format"), "7\n").expect("written");
    assert!(home.fails(2, "local-agent", &["status"]).contains("\"7\""));
    std::fs::remove_file(home.data().join("format")).expect("as older versions had it");
    home.ok("local-agent", &["status"]);
}
