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
