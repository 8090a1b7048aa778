//! What `cargo xtask` takes. That this test is here also makes `cargo test --workspace` build the
//! program, which the test of the documentation's commands starts.

use std::process::Command;

#[test]
fn every_task_is_named_in_the_help_and_another_is_refused() {
    let xtask = || Command::new(env!("CARGO_BIN_EXE_xtask"));
    let help = xtask().arg("--help").output().expect("xtask starts");
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    for task in ["demo", "bench", "torture", "mutants", "coverage", "release"] {
        let named = |line: &str| line.split_whitespace().next() == Some(task);
        assert!(help.lines().any(named), "{task} is not in:\n{help}");
    }
    let refused = xtask().arg("tortoise").output().expect("xtask starts");
    assert_eq!(refused.status.code(), Some(2));
}
