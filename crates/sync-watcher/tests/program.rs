//! The program as a person and a supervisor see it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

struct Machine {
    temp: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { temp: tempfile::tempdir().expect("a folder") };
        let made = Command::new("git")
            .args(["init", "--quiet", "--bare", "--initial-branch=main", "remote.git"])
            .current_dir(machine.temp.path())
            .status();
        assert!(made.expect("git").success());
        machine.configure(&format!("enabled: true\n  remote: {}", machine.at("remote.git").display()));
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.temp.path().join(path)
    }

    fn configure(&self, sync: &str) {
        std::fs::write(self.at("config.yaml"), format!("sync:\n  {sync}\n")).expect("write");
    }

    fn command(&self, vault: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("sync-watcher"));
        let data = self.at(&format!("{vault}-data"));
        command.args(["--config".as_ref(), self.at("config.yaml").as_os_str()]);
        command.args(["--vault".as_ref(), self.at(vault).as_os_str(), "--data".as_ref(), data.as_os_str()]);
        command.args(arguments).current_dir(self.temp.path());
        for variable in ["AGENT_ID", "AGENT_ROLE", "GIT_SYNC_ENABLED", "GIT_SYNC_INTERVAL", "RUST_LOG"] {
            command.env_remove(variable);
        }
        command
    }

    fn run(&self, vault: &str, arguments: &[&str], status: i32) -> String {
        let Output { status: found, stdout, stderr } =
            self.command(vault, arguments).output().expect("sync-watcher");
        let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert_eq!(found.code(), Some(status), "{said}");
        said
    }
}

/// Ends with the test, whatever becomes of it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.stderr(Stdio::piped()).spawn().expect("sync-watcher"))
    }

    /// Reads what it says until `text` comes.
    fn until(&mut self, text: &str) {
        let mut lines = BufReader::new(self.0.stderr.as_mut().expect("stderr"));
        let mut said = String::new();
        while !said.contains(text) {
            let before = said.len();
            lines.read_line(&mut said).expect("a line");
            assert!(said.len() > before, "it ended without saying {text:?}: {said}");
        }
    }
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[test]
fn one_run_brings_a_vault_and_the_remote_together() {
    let machine = Machine::new();
    std::fs::create_dir_all(machine.at("one/Inbox")).expect("folder");
    std::fs::write(machine.at("one/Inbox/note.md"), "words").expect("write");
    assert!(machine.run("one", &["--once"], 0).contains("in: 0, out: 2"));
    assert!(machine.run("two", &["--once"], 0).contains("in: 1, out: 0"));
    assert_eq!(read(&machine.at("two/Inbox/note.md")).as_deref(), Some("words"));
    assert!(machine.run("two", &["--once"], 0).contains("in agreement"));
}

#[test]
fn what_the_configuration_and_the_environment_file_call_a_secret_is_not_sent_and_is_an_incident() {
    let machine = Machine::new();
    std::fs::write(machine.at("mail-password"), "test-only-From-A-File-1\n").expect("write");
    let remote = machine.at("remote.git").display().to_string();
    let config = format!(
        "sync: {{ enabled: true, remote: {remote} }}\nmail:\n- name: work\n  address: me@example.com\n  \
         imap: {{ host: mail.example.com, port: 993, security: tls, user: me, secret: {{ file: mail-password }} }}\n"
    );
    std::fs::write(machine.at("config.yaml"), config).expect("write");
    std::fs::write(machine.at(".env"), "ODOO_API_KEY=test-only-From-Env-2\nLANGUAGE_TAG=plain-word-3\n")
        .expect("write");
    std::fs::create_dir_all(machine.at("one/Inbox")).expect("folder");
    for (name, text) in [
        ("a.md", "one\nthe password is test-only-From-A-File-1"),
        ("b.md", "dGVzdC1vbmx5LUZyb20tRW52LTI="),
        ("c.md", "plain-word-3"),
    ] {
        std::fs::write(machine.at("one/Inbox").join(name), text).expect("write");
    }
    let said = machine.run("one", &["--once"], 0);
    assert!(
        said.contains("Inbox/a.md")
            && said.contains("line 2, column 17: the secret of config.yaml mail work imap secret"),
        "{said}"
    );
    assert!(
        said.contains("Inbox/b.md") && said.contains("ODOO_API_KEY") && said.contains("(base64)"),
        "{said}"
    );
    assert!(!said.contains("From-A-File") && !said.contains("From-Env"), "{said}");
    assert!(machine.run("two", &["--once"], 0).contains("out: 0"));
    assert_eq!(read(&machine.at("two/Inbox/c.md")).as_deref(), Some("plain-word-3"));
    assert_eq!((read(&machine.at("two/Inbox/a.md")), read(&machine.at("two/Inbox/b.md"))), (None, None));
    let tasks = || -> Vec<String> {
        let entries = std::fs::read_dir(machine.at("two/Needs_Action")).expect("folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let incidents = tasks();
    assert_eq!(incidents.len(), 2, "{incidents:?}");
    assert!(incidents[0].starts_with("ERROR_HEALTH_withheld-local-001-a-md_"), "{incidents:?}");
    let text = read(&machine.at("two/Needs_Action").join(&incidents[0])).expect("the incident");
    assert!(text.contains("line 2, column 17") && !text.contains("From-A-File"), "{text}");
    // Once, however often it is looked at.
    machine.run("one", &["--once"], 0);
    machine.run("two", &["--once"], 0);
    assert_eq!(tasks(), incidents);
}

#[test]
fn an_unreachable_remote_is_status_1_and_one_message() {
    let machine = Machine::new();
    std::fs::rename(machine.at("remote.git"), machine.at("away.git")).expect("unplug");
    let said = machine.run("one", &["--once"], 1);
    assert!(said.contains("remote.git") && said.contains("sync.remote"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_configuration_that_cannot_work_is_status_2() {
    let machine = Machine::new();
    assert!(machine.run("one", &["--interval", "0"], 2).contains("--interval"));
    machine.configure("enabled: false");
    assert!(machine.run("one", &["--once"], 2).contains("sync is off"));
    machine.configure("enabled: true");
    assert!(machine.run("one", &["--once"], 2).contains("sync.remote"));
    machine.configure("enabled: true\n  remote: x\n  branch: a..b");
    assert!(machine.run("one", &["--once"], 2).contains("sync.branch"));
}

#[test]
fn it_pulls_again_and_again_alone_and_ends_when_it_is_told_to() {
    let machine = Machine::new();
    machine.run("one", &["--once"], 0);
    let mut running = Running::start(machine.command("two", &["--interval", "1"]));
    running.until("ready");
    let said = machine.run("two", &["--once"], 1);
    assert!(said.contains("already running"), "{said}");
    std::fs::write(machine.at("one/Needs_Action/EMAIL_1.md"), "one").expect("write");
    machine.run("one", &["--once"], 0);
    running.until("files in: 1");
    assert_eq!(read(&machine.at("two/Needs_Action/EMAIL_1.md")).as_deref(), Some("one"));
    let killed = Command::new("kill").args(["-TERM", &running.0.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    assert_eq!(running.0.wait().expect("its end").code(), Some(0));
}
