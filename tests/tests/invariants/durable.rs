//! 8, acknowledged means durable. (What a power cut leaves is tried in the vault's own tests.)

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use tests::{Machine, World};

/// Runs a command until it has printed a line with these words, and kills it that very moment.
fn killed_after(machine: &Machine, words: &str, arguments: &[&str]) {
    let mut child = machine
        .command("local-agent")
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the agent");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let said = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(words)));
    child.kill().expect("kill");
    child.wait().expect("its end");
    assert!(said.is_some(), "{arguments:?} never said {words:?}");
}

#[test]
fn invariant_08_acknowledged_means_durable() {
    let world = World::quiet();
    let machine = world.gold();
    for id in ["EMAIL_yes", "EMAIL_no", "EMAIL_new"] {
        machine.bring(id);
    }
    // What --once reports as drafted is drafted.
    killed_after(&machine, "EMAIL_yes: drafted", &["--once"]);
    for id in ["EMAIL_yes", "EMAIL_no", "EMAIL_new"] {
        assert_eq!(machine.place(id), format!("Pending_Approval/APPROVE_{id}.md"));
    }
    // What is approved, rejected, modified, stopped stays so.
    let (digest, passphrase) = (machine.digest("EMAIL_yes"), machine.passphrase());
    let approve = ["approve", "EMAIL_yes", "--digest", &digest, "--passphrase-file", &passphrase];
    killed_after(&machine, "approved EMAIL_yes", &approve);
    assert_eq!(machine.place("EMAIL_yes"), "Needs_Action/EXECUTE_EMAIL_yes.md");
    killed_after(&machine, "rejected EMAIL_no", &["reject", "EMAIL_no", "--reason", "too late"]);
    assert!(machine.read("Rejected/EMAIL_no.md").contains("too late"));
    let action = world.path().join("action.yaml");
    std::fs::write(
        &action,
        "server: email\ntool: send_email\naccount: owner@example.com\narguments:\n  to: [dan@example.com]\n  subject: Other words\n  body: Other words.\n",
    )
    .expect("write");
    let modify = ["modify", "EMAIL_new", "--action-file", &action.display().to_string()];
    killed_after(&machine, "modified EMAIL_new", &modify);
    assert!(machine.read("Pending_Approval/APPROVE_EMAIL_new.md").contains("Other words."));
    killed_after(&machine, "stopped", &["stop"]);
    assert!(machine.ok(&["--once"]).contains("kill switch"));
    assert_eq!(machine.mails_sent(), 0);
    killed_after(&machine, "resumed", &["resume"]);

    // And what was carried out was carried out: it is not done again.
    killed_after(&machine, "EMAIL_yes: carried out", &["--once"]);
    assert!(machine.place("EMAIL_yes").starts_with("Done/"));
    machine.ok(&["--once"]);
    assert_eq!(machine.mails_sent(), 1);
    machine.ok(&["log", "verify"]);
    let decisions: Vec<_> = machine
        .records()
        .into_iter()
        .filter(|record| record["actor"] == "owner")
        .map(|record| format!("{} {}", record["action_type"], record["task"]).replace('"', ""))
        .collect();
    assert_eq!(decisions, ["approve EMAIL_yes", "reject EMAIL_no", "modify EMAIL_new"]);
}
