//! Payments: keyed, and the bank can be asked.

use effects::{Bank, Fault};
use serde_json::{Value, json};

use crate::world::{End, KEY, World, check_end};

fn bank(key_hours: u32) -> World<Bank> {
    World::new(Bank::new(KEY), |url, secret| {
        format!(
            "modes: {{ dry_run: false, payment_mock: false }}\n\
             payment: {{ url: {url:?}, secret: {secret}, key_hours: {key_hours}, timeout_seconds: 2 }}\n"
        )
    })
}

fn payment(amount: &str) -> Value {
    json!({"server": "payment", "tool": "initiate_payment", "account": Bank::ACCOUNT, "arguments": Bank::payment(amount)})
}

#[test]
fn invariant_05_a_payment_is_made_once_whatever_goes_wrong() {
    let world = bank(24);
    let mut paid = 0;
    for (n, fault) in [None].into_iter().chain(Fault::ALL.map(Some)).enumerate() {
        let id = format!("PAYMENT_{n}");
        let file = world.carry_out(&id, "payment", &payment("12.50"), fault);
        // A request that was lost is made again with its key; a refusal is the end.
        let made = usize::from(fault != Some(Fault::Refuse));
        check_end(&format!("{fault:?}"), &file, if made == 1 { End::Done } else { End::Failed });
        paid += made;
        assert_eq!(world.service.effects(), paid, "{fault:?}: {}", file.1);
    }
    world.service.with(|bank| {
        assert!(bank.amounts().iter().all(|amount| amount == "12.50"), "{:?}", bank.amounts());
    });
}

#[test]
fn invariant_05_a_payment_that_the_bank_does_not_show_is_made_again_with_its_key_and_once() {
    let world = bank(24);
    world.service.with(|bank| bank.behind = true);
    let file = world.carry_out("PAYMENT_1", "payment", &payment("7.00"), Some(Fault::LoseReply));
    check_end("behind", &file, End::Done);
    assert_eq!(world.service.effects(), 1);
}

#[test]
fn invariant_05_a_key_that_may_be_forgotten_is_not_used_again() {
    // The bank promises nothing about its keys.
    let world = bank(0);
    world.service.with(|bank| bank.forgetful = true);
    let file = world.carry_out("PAYMENT_1", "payment", &payment("7.00"), Some(Fault::LoseReply));
    check_end("found when asked", &file, End::Done);
    assert_eq!(world.service.effects(), 1);

    // Its lists are behind: not found proves nothing, and the owner is told what is known.
    for (n, (fault, verdict, effects)) in
        [(Fault::LoseReply, "--sent", 2), (Fault::LoseRequest, "--not-sent", 2)].into_iter().enumerate()
    {
        let id = format!("PAYMENT_B{n}");
        world.service.with(|bank| bank.behind = true);
        let file = world.carry_out(&id, "payment", &payment("7.00"), Some(fault));
        check_end("not found when asked", &file, End::Unknown);
        assert!(file.1.contains("proves nothing"), "{}", file.1);
        assert_eq!(world.service.effects(), effects, "{fault:?}");

        world.owner.ok(&["resolve", &id, verdict]).expect("resolved");
        let (place, _) = world.owner.place(&id).expect("one place");
        let folder = if verdict == "--sent" { "Done/" } else { "Pending_Approval/" };
        assert!(place.starts_with(folder), "{place}");
        world.owner.run(&["--once"], &[]).expect("a round");
        assert_eq!(world.service.effects(), effects, "settled is settled");
    }
}

#[test]
fn a_payment_that_cannot_be_made_as_signed_is_not_made() {
    let world = bank(24);
    let check = |id: &str, key: &str, value: &str, said: &str| {
        let mut action = payment("5.00");
        match key {
            "account" => action["account"] = value.into(),
            key => action["arguments"][key] = value.into(),
        }
        let file = world.carry_out(id, "payment", &action, None);
        check_end(id, &file, End::Failed);
        assert!(file.1.contains(said), "{}", file.1);
        assert_eq!(world.service.effects(), 0, "{id}");
    };
    check("PAYMENT_1", "payee", "Fake P. Ersonn", "no recipient");
    check("PAYMENT_2", "iban", "GB33BUKB20201555555555", "no recipient");
    check("PAYMENT_3", "currency", "EUR", "USD only");
    check("PAYMENT_4", "account", "Savings", "no account");
}
