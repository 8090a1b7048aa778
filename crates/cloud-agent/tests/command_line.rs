//! The command line as the program itself tells it. That this test exists also has cargo build the
//! program, which the tests of the whole start.

use std::process::Command;

fn said(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_cloud-agent")).args(arguments).output().expect("cloud-agent");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn it_tells_its_version_and_has_no_command_that_decides_on_a_task() {
    assert_eq!(said(&["--version"]), format!("cloud-agent {}\n", env!("CARGO_PKG_VERSION")));
    let help = said(&["--help"]);
    for word in ["--config", "--vault", "--data", "--once", "--dry-run", "--mock"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    for word in ["approve", "passphrase", "resolve", "resume"] {
        assert!(!help.contains(word), "{word}: {help}");
    }
    let (_, commands) = help.split_once("Commands:").expect("commands");
    let names: Vec<&str> = commands
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names, ["init", "doctor", "status", "handbook", "help"]);
}
