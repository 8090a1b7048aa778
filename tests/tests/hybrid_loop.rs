//! The whole loop over two machines and a bare remote, with the real programs and sample accounts.

use tests::World;

#[test]
fn a_draft_made_on_the_cloud_is_sent_once_from_the_owners_machine_and_both_agree() {
    let world = World::new();
    let (cloud, owner) = (world.cloud(), world.owner());
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);

    let waiting = owner.waiting();
    let mail = waiting.iter().find(|t| t["tool"] == "send_email").expect("a drafted mail");
    let id = mail["id"].as_str().expect("an id");
    assert_eq!(owner.place(id), format!("Pending_Approval/APPROVE_{id}.md"));

    owner.approve(id);
    assert_eq!(owner.place(id), format!("Needs_Action/EXECUTE_{id}.md"));
    owner.ok(&["--once"]);
    assert!(owner.place(id).starts_with("Done/"), "{}", owner.place(id));
    owner.ok(&["--once"]);
    owner.ok(&["--once"]);
    cloud.ok(&["--once"]);

    assert_eq!(owner.mails_sent(), 1, "sent exactly once");
    assert_eq!(cloud.tasks(), owner.tasks(), "both vaults hold the same tasks, byte for byte");
    owner.ok(&["log", "verify"]);
    let records = cloud.records();
    let of_task =
        |action: &str| records.iter().filter(|r| r["task"] == *id && r["action_type"] == *action).count();
    assert_eq!(
        (of_task("draft"), of_task("approve"), of_task("execute")),
        (1, 1, 1),
        "one record each, on the cloud's clone too"
    );
    let read = |machine: &tests::Machine| {
        std::fs::read_to_string(machine.vault().join("Dashboard.md")).expect("a dashboard")
    };
    assert_eq!(read(&cloud), read(&owner));
}

#[test]
fn a_rejected_draft_is_never_sent() {
    let world = World::new();
    let machine = world.gold();
    machine.ok(&["--once"]);
    let waiting = machine.waiting();
    let id = waiting.iter().find(|t| t["tool"] == "send_email").expect("a mail")["id"]
        .as_str()
        .expect("id")
        .to_owned();
    machine.ok(&["reject", &id, "--reason", "no"]);
    machine.ok(&["--once"]);
    assert_eq!(machine.place(&id), format!("Rejected/{id}.md"));
    assert!(
        machine.tasks()[&machine.place(&id)].contains("reason: no")
            || machine.tasks()[&machine.place(&id)].contains("reason: 'no'")
    );
    assert_eq!(machine.mails_sent(), 0);
}

#[test]
fn an_idle_pair_makes_no_commits() {
    let world = World::new();
    let (cloud, owner) = (world.cloud(), world.owner());
    for _ in 0..2 {
        cloud.ok(&["--once"]);
        owner.ok(&["--once"]);
    }
    let before = world.git(&["rev-parse", "main"]);
    for _ in 0..3 {
        cloud.ok(&["--once"]);
        owner.ok(&["--once"]);
    }
    assert_eq!(world.git(&["rev-parse", "main"]), before);
}

#[test]
fn both_work_offline_and_catch_up() {
    let world = World::new();
    let (cloud, owner) = (world.cloud(), world.owner());
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    let id = owner.waiting().iter().find(|t| t["tool"] == "send_email").expect("a mail")["id"]
        .as_str()
        .expect("id")
        .to_owned();

    let (remote, away) = (world.remote(), world.path().join("away.git"));
    std::fs::rename(&remote, &away).expect("the remote goes away");
    owner.approve(&id);
    let said = owner.fails(1, &["--once"]);
    assert!(said.contains("remote"), "{said}");
    assert!(owner.place(&id).starts_with("Done/"), "a signed order needs no remote");
    let dropped = cloud.vault().join("Needs_Action/EMAIL_dropped.md");
    std::fs::write(&dropped, "---\nid: EMAIL_dropped\ntype: email\ncreated: 2026-02-23T03:15:00Z\nfrom: dan@example.com\nsubject: Hello\n---\nMay I call you?\n").expect("write");
    cloud.fails(1, &["--once"]);
    assert_eq!(
        cloud.place("EMAIL_dropped"),
        "Needs_Action/EMAIL_dropped.md",
        "no work without a published claim"
    );

    std::fs::rename(&away, &remote).expect("the remote comes back");
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    cloud.ok(&["--once"]);
    assert_eq!(cloud.tasks(), owner.tasks());
    assert!(cloud.place(&id).starts_with("Done/"));
    assert_eq!(cloud.place("EMAIL_dropped"), "Pending_Approval/APPROVE_EMAIL_dropped.md");
}
