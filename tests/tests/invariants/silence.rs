//! 10, silence is never success.

use tests::{Machine, World};

/// Gives a machine a mailbox whose server is not there.
fn with_dead_mailbox(machine: &Machine) {
    let mut config = std::fs::read_to_string(machine.config()).expect("config");
    config.push_str("mail: [{ name: work, address: owner@example.com, imap: { host: 127.0.0.1, port: 1, security: tls, user: u, secret: { env: IMAP } } }]\n");
    std::fs::write(machine.config(), config).expect("config");
}

/// The line of a text that has both.
fn line<'a>(text: &'a str, one: &str, other: &str) -> &'a str {
    text.lines()
        .find(|line| line.contains(one) && line.contains(other))
        .unwrap_or_else(|| panic!("no line says {one:?} and {other:?}:\n{text}"))
}

#[test]
fn invariant_10_silence_is_never_success() {
    let world = World::quiet();
    let mut machine = world.gold();
    with_dead_mailbox(&machine);
    machine.environment.insert("IMAP".into(), "x".into());
    machine.bring("EMAIL_beside");
    let account = machine.ok(&["--once", "--mock=false"]);
    line(&account, "gmail:work", "127.0.0.1");
    assert!(machine.place("EMAIL_beside").starts_with("Pending_Approval/"), "the rest goes on: {account}");
    let status = machine.ok(&["status"]);
    line(&status, "gmail:work", "never complete yet; FAILING");
    line(&machine.read("Dashboard.md"), "gmail:work", "🔴");
    // With sample data in its stead it is complete, so it was the mailbox that failed.
    std::fs::write(
        machine.config(),
        std::fs::read_to_string(machine.config()).expect("config").replace("[] }", "[gmail] }"),
    )
    .expect("config");
    machine.ok(&["--once"]);
    assert!(!machine.ok(&["status"]).contains("FAILING"));
    line(&machine.read("Dashboard.md"), "gmail (sample)", "🟢");
}

#[test]
fn invariant_10_a_channel_that_stays_behind_becomes_one_incident() {
    let world = World::with("watchers: { mock_channels: [] }\nhealth: { watermark_minutes: 0 }\n");
    let mut machine = world.gold();
    with_dead_mailbox(&machine);
    machine.environment.insert("IMAP".into(), "x".into());
    for _ in 0..3 {
        machine.ok(&["--once", "--mock=false"]);
    }
    let incidents: Vec<String> =
        machine.tasks().into_keys().filter(|path| path.contains("ERROR_HEALTH_")).collect();
    assert_eq!(incidents.len(), 1, "once per incident, not once per look: {incidents:?}");
    assert!(incidents[0].starts_with("Needs_Action/"), "agents leave it to the owner: {incidents:?}");
    assert!(machine.read(&incidents[0]).contains("gmail:work"));
    assert!(machine.read("Dashboard.md").contains("ERROR_HEALTH_"), "{}", machine.read("Dashboard.md"));
}

#[test]
fn invariant_10_the_owner_hears_of_a_channel_that_fails_on_the_cloud() {
    let world = World::quiet();
    let (mut cloud, owner) = (world.cloud(), world.owner());
    with_dead_mailbox(&cloud);
    cloud.environment.insert("IMAP".into(), "x".into());
    cloud.ok(&["--once"]);
    let account = cloud.ok(&["--once", "--mock=false"]);
    line(&account, "gmail:work", "127.0.0.1");
    owner.ok(&["--once"]);
    owner.ok(&["--once"]);
    let status = owner.ok(&["status"]);
    line(&status, "gmail", "never complete yet; FAILING");
    let page = owner.read("Dashboard.md");
    assert!(line(&page, "| gmail", "cloud-001").contains("🔴"), "{page}");
    // A password that cannot be looked into is a standing warning on both machines.
    line(&status, "cloud-001", "mail-may-send");
    assert!(page.contains("mail-may-send"), "{page}");
}

#[test]
fn invariant_10_a_remote_that_cannot_be_reached_is_said_where_the_owner_looks() {
    let world = World::quiet();
    let (cloud, owner) = (world.cloud(), world.owner());
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    let complete = owner.ok(&["status"]);
    assert!(!complete.contains("cannot synchronise"), "{complete}");
    std::fs::rename(world.remote(), world.path().join("away.git")).expect("the remote goes away");
    for machine in [&cloud, &owner] {
        let said = machine.fails(1, &["--once"]);
        assert!(said.contains("cannot synchronise") && said.contains("remote.git"), "{said}");
    }
    owner.fails(1, &["--once"]);
    line(&owner.ok(&["status"]), "cannot synchronise", "remote.git");
    line(&owner.read("Dashboard.md"), "cannot synchronise", "remote");
    std::fs::rename(world.path().join("away.git"), world.remote()).expect("the remote comes back");
    owner.ok(&["--once"]);
    owner.ok(&["--once"]);
    assert!(!owner.ok(&["status"]).contains("cannot synchronise"));
    assert!(!owner.read("Dashboard.md").contains("cannot synchronise"));
}

#[test]
fn invariant_10_an_agent_that_is_not_there_is_shown_as_such() {
    let world = World::with(
        "watchers: { mock_channels: [] }\nhealth: { expect: { cloud-001: always, local-001: on-demand } }\n",
    );
    let owner = world.owner();
    owner.ok(&["--once"]);
    owner.ok(&["--once"]);
    let page = owner.read("Dashboard.md");
    assert!(line(&page, "| cloud-001", "|").contains("never"), "{page}");
    let status = owner.ok(&["status"]);
    line(&status, "cloud-001", "no sign of life");
}
