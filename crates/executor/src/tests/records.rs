//! What must be on record of the owner's decisions beside the signature.

use task::Introduction;

use super::*;

/// Takes Bob's introduction away, and gives another in its place.
fn replace_introduction(machine: &Machine, introduced: Option<DateTime<Utc>>) {
    let path = Register::new(machine.data()).payee_file(BOB).expect("path");
    std::fs::remove_file(path).expect("remove");
    if let Some(at) = introduced {
        introduce(&machine.files, &machine.desk.vault_id, at);
    }
}

/// One cycle on a payment that must go back to the owner, and a mail beside it that is sent.
async fn goes_back(machine: &Machine, name: &str, order: &Order, expected: &str) {
    let good = machine.approve(&format!("EMAIL_{name}"), mail());
    let report = machine.executor().run_cycle().await;
    let (end, message) = entry(&report, name);
    assert!(end == End::Returned && message.contains(expected), "{report:?}");
    let front = machine.file(name).task.front;
    assert_eq!((front.order, front.signature), (None, None));
    assert!(front.reason.expect("reason").contains(expected));
    assert_eq!((machine.world.effects(order), machine.world.effects(&good)), (0, 1));
    assert_eq!(machine.stage(name), StageName::PendingApproval);
}

#[tokio::test]
async fn invariant_4_a_desk_that_skips_the_hold_gains_nothing() {
    let mut machine = Machine::new();
    machine.desk.limits.payee_hold_hours = 24;
    replace_introduction(&machine, None);
    let order = machine.approve("PAYMENT_1", payment());
    goes_back(&machine, "PAYMENT_1", &order, "payee is new and was not introduced").await;

    // Introduced, but signed before the hold was over; that it is over when it is carried out is not enough.
    introduce(&machine.files, &machine.desk.vault_id, start() - TimeDelta::hours(24) + TimeDelta::minutes(5));
    let order = machine.approve("PAYMENT_2", payment());
    machine.wait(TimeDelta::minutes(10));
    goes_back(&machine, "PAYMENT_2", &order, "it can be signed from 2026-02-23 03:25:00 UTC on").await;
    // After the hold it is paid, and from then on the account is known.
    let order = machine.approve("PAYMENT_3", payment());
    machine.executor().run_cycle().await;
    assert_eq!(machine.world.effects(&order), 1);
    replace_introduction(&machine, None);
    let order = machine.approve("PAYMENT_4", payment());
    machine.executor().run_cycle().await;
    assert_eq!(machine.world.effects(&order), 1);
    assert_eq!(machine.executor().journal().paid_to(BOB).expect("journal"), ["Bob"]);
}

#[tokio::test]
async fn an_introduction_by_a_stranger_or_of_another_account_introduces_nobody() {
    let machine = Machine::new();
    let path = Register::new(machine.data()).payee_file(BOB).expect("path");
    let stranger = Machine::new();
    introduce(&stranger.files, &machine.desk.vault_id, start());
    let theirs = Register::new(stranger.data()).payee_file(BOB).expect("path");
    std::fs::copy(theirs, &path).expect("copy");
    let order = machine.approve("PAYMENT_1", payment());
    goes_back(&machine, "PAYMENT_1", &order, "not among the approvers").await;

    let other = Introduction {
        iban: "GB33BUKB20201555555555".into(),
        introduced: start(),
        payee: "Bob".into(),
        task: id("PAYMENT_0"),
        vault: machine.desk.vault_id.clone(),
    };
    let introduction = other.to_text().expect("text");
    let signature =
        Signer::key_file(&machine.files.key, None).sign_introduction(&introduction).expect("signature");
    let signed = SignedIntroduction { introduction, signature };
    std::fs::write(&path, serde_json::to_string(&signed).expect("text")).expect("write");
    let order = machine.approve("PAYMENT_2", payment());
    goes_back(&machine, "PAYMENT_2", &order, "introduces another account").await;
}

#[tokio::test]
async fn only_live_payments_that_were_made_make_an_account_known() {
    let mut machine = Machine::new();
    machine.desk.mode = Mode::Dry;
    machine.approve("PAYMENT_1", payment());
    let settings = Settings { mode: Mode::Dry, ..machine.settings() };
    let report = Executor::open(settings, machine.world.clone()).expect("executor").run_cycle().await;
    assert_eq!(entry(&report, "PAYMENT_1").0, End::Dry);
    machine.desk.mode = Mode::Live;
    machine.approve("PAYMENT_2", payment());
    machine.world.will([world::Next::Refuses]);
    machine.executor().run_cycle().await;
    // A mail that names the account pays nobody.
    let letter = json!({"to": ["alice@example.com"], "subject": "IBAN", "body": BOB});
    machine.approve("EMAIL_1", action("send_email", letter));
    machine.executor().run_cycle().await;
    assert_eq!(machine.executor().journal().paid_to(BOB).expect("journal"), Vec::<String>::new());
}

#[tokio::test]
async fn an_approval_that_no_review_here_gave_goes_back_to_the_owner() {
    let mut machine = Machine::new();
    let order = machine.approve("PAYMENT_1", payment());
    std::fs::remove_dir_all(machine.data().join("approvals")).expect("remove");
    goes_back(&machine, "PAYMENT_1", &order, "no review on this machine gave this approval").await;

    // Nor one whose id was given, but for another order.
    let order = machine.approve("EMAIL_2", mail());
    let noted = machine.data().join("approvals").join(&order.approval);
    std::fs::write(noted, task::Digest::of("another").to_string()).expect("write");
    goes_back(&machine, "EMAIL_2", &order, "no review on this machine").await;

    // Where the owner signs elsewhere too, the key is enough.
    machine.desk.limits.signed_here_only = false;
    let order = machine.approve("EMAIL_3", mail());
    std::fs::remove_dir_all(machine.data().join("approvals")).expect("remove");
    machine.executor().run_cycle().await;
    assert_eq!(machine.world.effects(&order), 1);
}

#[tokio::test]
async fn what_went_back_to_the_owner_counts_no_more_when_its_file_comes_back() {
    let mut machine = Machine::new();
    machine.desk.limits.payee_hold_hours = 24;
    replace_introduction(&machine, Some(start() - TimeDelta::hours(24) + TimeDelta::seconds(1)));
    let order = machine.approve("PAYMENT_1", payment());
    let path = machine.desk.vault.root().join("Needs_Action/EXECUTE_PAYMENT_1.md");
    let signed = std::fs::read(&path).expect("read");
    goes_back(&machine, "PAYMENT_1", &order, "payee is new").await;
    // The objection is gone; what the owner was told stands.
    machine.desk.limits.payee_hold_hours = 0;
    std::fs::remove_file(machine.desk.vault.root().join("Pending_Approval/APPROVE_PAYMENT_1.md"))
        .expect("remove");
    std::fs::write(&path, signed).expect("replay");
    let report = machine.executor().run_cycle().await;
    assert_eq!(entry(&report, "PAYMENT_1").0, End::Returned, "{report:?}");
    assert_eq!(machine.world.effects(&order), 0);
}
