//! The command line as the program itself tells it. That this test exists also has cargo build the
//! program, which the tests of the whole start.

use std::process::Command;

fn said(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_local-agent")).args(arguments).output().expect("local-agent");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn it_tells_its_version_and_its_commands() {
    assert_eq!(said(&["--version"]), format!("local-agent {}\n", env!("CARGO_PKG_VERSION")));
    let help = said(&["--help"]);
    for word in
        ["init", "doctor", "status", "list", "show", "review", "approve", "reject", "modify", "undo", "retry"]
            .iter()
            .chain(&["resolve", "stop", "resume", "trust-tip", "log"])
            .chain(&["--config", "--vault", "--data", "--once", "--dry-run", "--mock", "--role"])
    {
        assert!(help.contains(word), "{word}: {help}");
    }
}

/// A machine of its own, with these lines as its config.yaml.
fn machine(config: &str) -> (tempfile::TempDir, Command) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.yaml");
    let vault = folder.path().join("vault");
    std::fs::write(&path, format!("vault: {{ path: {vault:?} }}\n{config}")).expect("config.yaml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-agent"));
    command.env_clear().current_dir(folder.path()).arg("--config").arg(path);
    command.arg("--data").arg(folder.path().join("data"));
    (folder, command)
}

#[test]
fn a_schedule_that_does_not_parse_ends_the_program_with_status_2_and_the_nearest_help() {
    let config = "schedules: { time_zone: Europe/Berlin, entries: { scan: { cron: 09:30, duty: scan } } }\n";
    let (_folder, mut command) = machine(config);
    let output = command.arg("--once").output().expect("run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("schedules.entries.scan.cron") && said.contains("30 9 * * *"), "{said}");
}

#[test]
fn schedules_are_listed_in_their_time_zone_and_one_is_made_now() {
    let config =
        "schedules: { time_zone: Asia/Tokyo, entries: { scan: { cron: '0 9 * * *', duty: scan } } }\n";
    let (_folder, mut command) = machine(config);
    let output = command.args(["schedule", "list"]).output().expect("run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("scan") && text.contains("09:00, last") && text.contains("in Asia/Tokyo"),
        "{text}"
    );

    let (folder, mut command) = machine(config);
    assert!(command.args(["schedule", "run", "scan"]).status().expect("run").success());
    let tasks = std::fs::read_dir(folder.path().join("vault/Needs_Action")).expect("folder").count();
    assert_eq!(tasks, 1);
    let (_folder, mut command) = machine(config);
    let output = command.args(["schedule", "run", "scann"]).output().expect("run");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean \"scan\"?"));
}
