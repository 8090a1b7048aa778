//! Every state-changing step of a decision fails, and is the last thing that a process does: a
//! decision that was acknowledged stands, and one that was not is either there as a whole or not
//! there at all.

use fault::at_every_step;
use task::{Order, StageName};

use super::*;
use crate::{DeskError, Kept};

/// What the executor would make of a signed file: whether the order in it was given here, over
/// exactly what is proposed.
fn is_given(office: &Office, file: &TaskFile) -> bool {
    let text = file.task.front.order.clone().expect("an order");
    let order = Order::parse(&text).expect("an order that parses");
    assert_eq!(Some(&order.action), file.task.front.action.as_ref());
    office.desk.register.has_given(&order.approval, &text).expect("the register")
}

fn found(office: &Office, name: &str) -> TaskFile {
    let at = office.desk.vault.find(&id(name)).expect("find").expect("not lost");
    office.desk.vault.read(&at).expect("whole")
}

/// The desk as the next process opens it.
fn next_process(office: &Office) {
    fault::incarnate(fault::incarnation() + 1);
    Vault::open(office.desk.vault.root(), Limits::default()).expect("open");
}

fn approve(office: &Office) -> Result<Kept, DeskError> {
    let seen = office.digest(&office.desk.open(&id("EMAIL_1"))?.task);
    office.desk.approve(&id("EMAIL_1"), &seen, &Signer::key_file(&office.files.key, None))
}

#[test]
fn an_approval_is_whole_or_none_and_an_acknowledged_one_stands() {
    let set = || {
        let office = Office::new();
        office.put(&proposed("EMAIL_1", Some(mail("Dear Alice"))));
        office
    };
    let steps = ["approve.note", "approve.finish", "vault.exchange", "vault.rename"];
    at_every_step(&steps, set, approve, |office, strike| {
        next_process(&office);
        let acknowledged = strike.result.as_ref().is_some_and(Result::is_ok);
        let file = found(&office, "EMAIL_1");
        match file.location.stage.name() {
            StageName::Approved => assert!(is_given(&office, &file), "{}", strike.point),
            StageName::PendingApproval => {
                assert!(!acknowledged, "{}", strike.point);
                // The owner is asked again, and can answer.
                approve(&office).expect("the second time");
                let again = found(&office, "EMAIL_1");
                assert_eq!(again.location.stage, Stage::Approved);
                assert!(is_given(&office, &again));
            }
            stage => panic!("{stage:?}"),
        }
    });
}

#[test]
fn a_rejection_is_whole_or_none_and_an_acknowledged_one_stands() {
    let set = || {
        let office = Office::new();
        office.put(&proposed("EMAIL_1", Some(mail("Dear Alice"))));
        office
    };
    let reject = |office: &Office| office.desk.reject(&id("EMAIL_1"), "not now");
    at_every_step(&["reject.finish", "vault.exchange", "vault.rename"], set, reject, |office, strike| {
        next_process(&office);
        let stage = found(&office, "EMAIL_1").location.stage;
        if strike.result.as_ref().is_some_and(Result::is_ok) {
            assert_eq!(stage, Stage::Rejected, "{}", strike.point);
        }
        if stage == Stage::PendingApproval {
            reject(&office).expect("the second time");
        }
        let file = found(&office, "EMAIL_1");
        assert_eq!(file.location.stage, Stage::Rejected);
        assert_eq!(file.task.front.order, None);
    });
}

#[test]
fn a_changed_proposal_is_the_old_one_or_the_new_one() {
    let set = || {
        let office = Office::new();
        office.put(&proposed("EMAIL_1", Some(mail("Dear Alice"))));
        office
    };
    let modify = |office: &Office| office.desk.modify(&id("EMAIL_1"), None, mail("Dear Ms Miller"));
    at_every_step(&["vault.write", "vault.exchange"], set, modify, |office, strike| {
        next_process(&office);
        let file = found(&office, "EMAIL_1");
        assert_eq!(file.location.stage, Stage::PendingApproval);
        let said = file.task.front.action.as_ref().and_then(|action| action.call.text()).expect("a text");
        let acknowledged = strike.result.as_ref().is_some_and(Result::is_ok);
        assert!(said == "Dear Ms Miller" || (said == "Dear Alice" && !acknowledged), "{said}");
        // Draft and action agree, so that it can be decided on.
        approve(&office).expect("approve");
    });
}
