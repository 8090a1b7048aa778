//! What fails is tried again, comes back or is set aside, and keeps nothing else waiting: the real
//! programs, with books that go away and come back, and a task that ends the program.

use std::os::unix::fs::PermissionsExt as _;

use effects::{Absence, Odoo, Service};
use tests::{Machine, World, eventually, mail};

const INVOICE: &str = "ODOO_march";
const KEY: &str = "key-of-these-tests";

/// One machine that does everything, with sample mail and live books.
fn with_books(world: &World, books: &Service<Odoo>, claims: &str) -> Machine {
    let secret = world.path().join("odoo-key");
    std::fs::write(&secret, KEY).expect("the key");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("mode");
    let extra = format!(
        "modes: {{ dry_run: false, mock_data: true, odoo_mock: false }}\nhealth: {{ heartbeat_seconds: 1 }}\n\
         claims: {{ {claims} }}\n\
         odoo: {{ url: {:?}, database: {}, secret: {{ file: {secret:?} }}, timeout_seconds: 1 }}\n",
        books.url(),
        Odoo::DATABASE
    );
    let mut machine = world.machine("gold-machine", "local-agent", "gold-001", &extra);
    machine.environment.insert("AGENT_ROLE".into(), "gold".into());
    machine.init();
    machine
}

fn invoice() -> String {
    format!(
        "---\nid: {INVOICE}\ntype: odoo\ncreated: 2026-03-31T09:00:00Z\npartner: {}\ndescription: Workshop\nquantity: '2'\nprice: '600.00 USD'\n---\nPlease invoice the March workshop.\n",
        Odoo::CUSTOMER
    )
}

/// A mail comes in, is drafted, approved and sent while the daemon runs.
fn mail_goes_through(machine: &Machine, id: &str) {
    let before = machine.mails_sent();
    machine.bring(id);
    eventually("a draft of the mail", || machine.waiting().iter().any(|draft| draft["id"] == id));
    machine.approve(id);
    eventually("the mail is sent", || machine.mails_sent() == before + 1);
    eventually("the mail is filed", || machine.place(id).starts_with("Done/"));
}

/// A line of a task's front matter.
fn property(machine: &Machine, key: &str) -> Option<String> {
    let text = machine.read(&machine.place(INVOICE));
    text.lines().find_map(|line| line.strip_prefix(&format!("{key}: ")).map(str::to_owned))
}

#[test]
fn odoo_down_does_not_stop_mail_and_its_task_waits_over_a_restart_and_is_done_once() {
    let books = Service::start(Odoo::new(KEY)).expect("the books");
    let world = World::quiet();
    let machine = with_books(&world, &books, "retry_seconds: 600");
    books.is_away(Some(Absence::Refuses));
    machine.write(&format!("Needs_Action/{INVOICE}.md"), invoice());
    let mut daemon = machine.start(&[]);
    eventually("a first try", || {
        machine.place(INVOICE).starts_with("Needs_Action/") && property(&machine, "attempts").is_some()
    });
    let next = property(&machine, "retry_after").expect("a next try");
    mail_goes_through(&machine, "EMAIL_1");

    // The program is killed and comes back; the books hang now.
    books.is_away(Some(Absence::Hangs));
    daemon.kill();
    let asked = books.requests();
    let mut daemon = machine.start(&[]);
    mail_goes_through(&machine, "EMAIL_2");
    assert_eq!(machine.place(INVOICE), format!("Needs_Action/{INVOICE}.md"));
    assert_eq!(property(&machine, "retry_after"), Some(next), "a restart begins no new count");
    assert_eq!((property(&machine, "attempts").as_deref(), books.requests()), (Some("1"), asked));
    assert!(machine.ok(&["status"]).contains("1"), "it is counted");

    // The owner does not want to wait: the books still hang, and mail goes on beside that.
    machine.ok(&["retry", INVOICE]);
    eventually("another try", || books.requests() > asked && property(&machine, "attempts").is_some());
    mail_goes_through(&machine, "EMAIL_3");
    daemon.kill();

    // The books are back.
    books.is_away(None);
    let _daemon = machine.start(&[]);
    machine.ok(&["retry", INVOICE]);
    eventually("the posting is proposed", || machine.place(INVOICE).starts_with("Pending_Approval/"));
    assert_eq!((property(&machine, "attempts"), property(&machine, "retry_after")), (None, None));
    assert_eq!(books.effects(), 0);
    machine.approve(INVOICE);
    eventually("the invoice is posted", || books.effects() == 1);
    eventually("it goes on to its mail", || {
        machine.waiting().iter().any(|draft| draft["tool"] == "send_email")
    });
    assert_eq!(
        books.with(|odoo| (odoo.state(1).map(str::to_owned), odoo.find(2).is_some())),
        (Some("posted".into()), false)
    );
    machine.ok(&["log", "verify"]);
}

#[test]
fn what_was_set_aside_while_odoo_was_down_comes_back_by_itself_over_a_restart() {
    let books = Service::start(Odoo::new(KEY)).expect("the books");
    let world = World::quiet();
    let machine =
        with_books(&world, &books, "max_attempts: 1, retry_seconds: 0, return_minutes: 0, returns: 1");
    books.is_away(Some(Absence::Refuses));
    machine.write(&format!("Needs_Action/{INVOICE}.md"), invoice());
    let said = machine.ok(&["--once"]);
    assert!(said.contains("it comes back by itself at"), "{said}");
    let actions = |id: &str, action: &str| {
        machine.records().iter().filter(|r| r["task"] == id && r["action_type"] == action).count()
    };
    assert_eq!((actions(INVOICE, "return"), property(&machine, "returns").as_deref()), (1, Some("1")));
    books.is_away(None);
    machine.ok(&["--once"]);
    assert_eq!(machine.place(INVOICE), format!("Pending_Approval/APPROVE_{INVOICE}.md"));
    assert!(books.with(|odoo| odoo.find(1).is_some() && odoo.find(2).is_none()), "one draft in the books");
    // Another one whose cause is never over is tried once more, and is then the owner's.
    books.is_away(Some(Absence::Refuses));
    let other = invoice().replace(INVOICE, "ODOO_april");
    machine.write("Needs_Action/ODOO_april.md", other);
    for _ in 0..4 {
        machine.ok(&["--once"]);
    }
    assert_eq!(machine.place("ODOO_april"), "Errors/ODOO_april.md");
    assert_eq!((actions("ODOO_april", "return"), actions("ODOO_april", "draft")), (1, 2));
    let text = machine.read("Errors/ODOO_april.md");
    assert!(text.contains("returns: 1") && !text.contains("retry_after"), "{text}");
}

#[test]
fn a_task_that_ends_the_program_each_time_is_set_aside_after_three_tries_and_its_siblings_go_through() {
    let world = World::quiet();
    let machine = world.gold();
    let (claude, killed) = (world.path().join("claude"), world.path().join("killed"));
    let script = format!(
        "#!/bin/sh\nif grep -q deadly; then echo once >> '{}'; kill -9 $PPID; fi\nexit 1\n",
        killed.display()
    );
    std::fs::write(&claude, script).expect("a stand-in");
    std::fs::set_permissions(&claude, std::fs::Permissions::from_mode(0o755)).expect("mode");
    machine.reconfigure(
        "owner: {",
        &format!(
            "claims: {{ retry_seconds: 1 }}\ndrafter: {{ kind: claude-code, claude_code: {{ program: {claude:?}, fallback_to_template: true }} }}\nowner: {{"
        ),
    );
    let deadly = mail("EMAIL_0").replace("call me back", "read this deadly message and call me back");
    machine.write("Needs_Action/EMAIL_0.md", deadly.replace("from:", "priority: high\nfrom:"));
    for n in 1..=3 {
        machine.bring(&format!("EMAIL_{n}"));
    }
    let mut ends = 0;
    eventually("it is set aside", || {
        ends += usize::from(!machine.run(&["--once"]).status.success());
        machine.place("EMAIL_0").starts_with("Errors/")
    });
    let kills = std::fs::read_to_string(&killed).expect("kills").lines().count();
    assert_eq!((ends, kills), (3, 3), "the program was ended as often as it was tried");
    machine.ok(&["--once"]);
    for n in 1..=3 {
        assert_eq!(machine.place(&format!("EMAIL_{n}")), format!("Pending_Approval/APPROVE_EMAIL_{n}.md"));
    }
    let text = machine.read("Errors/EMAIL_0.md");
    assert!(
        text.contains("the program ended in the middle of it") && !text.contains("retry_after"),
        "{text}"
    );
    assert!(text.contains("next: local-agent retry EMAIL_0"), "{text}");
}

#[test]
fn a_note_in_errors_says_what_to_do_and_a_tick_on_it_is_done_once() {
    let world = World::quiet();
    let machine = world.gold();
    // What cannot be drafted at all: no template, no model.
    machine.reconfigure(
        "owner: {",
        "claims: { max_attempts: 1, returns: 0 }\ndrafter: { kind: claude-code, claude_code: { program: /bin/false, fallback_to_template: false } }\nowner: {",
    );
    for id in ["EMAIL_1", "EMAIL_2", "EMAIL_3"] {
        machine.bring(id);
    }
    machine.ok(&["--once"]);
    let path = |id: &str| format!("Errors/ERROR_{id}.reason.md");
    let note = machine.read(&path("EMAIL_1"));
    assert!(note.contains("# EMAIL_1 was set aside") && note.contains("Question EMAIL\\_1"), "{note}");
    assert!(note.contains("nothing happens by itself: it needs you"), "{note}");
    assert!(machine.read("Dashboard.md").contains("[[ERROR_EMAIL_1.reason|its note]]"));
    let tick = |id: &str, line: &str| {
        let text = machine.read(&path(id));
        machine.write(&path(id), text.replace(&format!("- [ ] {line}"), &format!("- [x] {line}")));
    };
    let actions = |action: &str| machine.records().iter().filter(|r| r["action_type"] == action).count();

    tick("EMAIL_1", "Try it again now");
    tick("EMAIL_2", "Drop it");
    tick("EMAIL_3", "Ask me again tomorrow");
    machine.reconfigure("kind: claude-code", "kind: template");
    machine.ok(&["--once"]);
    assert_eq!(machine.place("EMAIL_1"), "Pending_Approval/APPROVE_EMAIL_1.md");
    assert!(machine.place("EMAIL_2").starts_with("Done/"), "{}", machine.place("EMAIL_2"));
    assert_eq!(machine.place("EMAIL_3"), "Errors/EMAIL_3.md");
    assert!(
        !machine.vault().join(path("EMAIL_1")).exists() && !machine.vault().join(path("EMAIL_2")).exists()
    );
    let note = machine.read(&path("EMAIL_3"));
    assert!(note.contains("you wanted to be asked again") && !note.contains("[x]"), "{note}");
    machine.ok(&["--once"]);
    assert_eq!((actions("retry"), actions("drop"), actions("ask_later")), (1, 1, 1));

    // The commands do the same.
    machine.ok(&["later", "EMAIL_3", "--days", "3"]);
    machine.ok(&["drop", "EMAIL_3"]);
    assert!(machine.place("EMAIL_3").starts_with("Done/"));
    assert!(machine.read(&machine.place("EMAIL_3")).contains("dropped by the owner"));
    assert!(machine.fails(1, &["drop", "EMAIL_1"]).contains("not in Errors"));
    machine.ok(&["log", "verify"]);
}

#[test]
fn notes_reach_the_other_machine_and_its_own_ones_take_no_tick() {
    let world = World::with("watchers: { mock_channels: [] }\nclaims: { max_attempts: 1, returns: 0 }\n");
    let (cloud, owner) = (world.cloud(), world.owner());
    let broken = "drafter: { kind: claude-code, claude_code: { program: /bin/false, fallback_to_template: false } }\nowner: {";
    cloud.reconfigure("owner: {", broken);
    cloud.bring("EMAIL_1");
    cloud.ok(&["--once"]);
    assert_eq!(cloud.place("EMAIL_1"), "Errors/EMAIL_1.md");
    // The cloud machine, taken over, answers for the owner.
    cloud.write(
        "Errors/ERROR_EMAIL_1.reason.md",
        "- [x] Drop it: nothing is to be done about it ^error-drop\n",
    );
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    owner.ok(&["--once"]);
    assert_eq!(owner.place("EMAIL_1"), "Errors/EMAIL_1.md");
    let note = owner.read("Errors/ERROR_EMAIL_1.reason.md");
    assert!(note.contains("- [ ] Drop it"), "{note}");
    cloud.ok(&["--once"]);
    assert_eq!(cloud.read("Errors/ERROR_EMAIL_1.reason.md"), note);
    owner.ok(&["drop", "EMAIL_1"]);
    owner.ok(&["--once"]);
    cloud.ok(&["--once"]);
    assert_eq!(cloud.tasks(), owner.tasks());
    assert!(!cloud.vault().join("Errors/ERROR_EMAIL_1.reason.md").exists());
}
