//! Who is asked when an answer was lost, and what the answer to that proves.

use super::world::Next;
use super::*;

async fn lost(action: Action) -> (Machine, (End, String)) {
    let machine = Machine::new();
    machine.approve("X_1", action);
    machine.world.will([Next::LosesAnswer]);
    let report = machine.executor().run_cycle().await;
    let found = entry(&report, "X_1");
    (machine, found)
}

#[tokio::test]
async fn each_network_is_asked_for_the_post_by_its_own_words_and_a_little_before_the_call() {
    for platform in ["facebook", "instagram", "linkedin", "twitter"] {
        let tool = format!("post_{platform}");
        let (machine, (end, said)) = lost(action(&tool, json!({"text": "Hello"}))).await;
        assert_eq!(end, End::Unknown, "{tool}: {said}");
        assert!(said.contains("not among the account's latest posts, which proves nothing"), "{said}");
        let asked = machine.world.calls("get_social_summary");
        let wanted =
            json!({"platform": platform, "text": "Hello", "since": "2026-02-23T03:18:00Z", "limit": 100});
        assert_eq!(asked.iter().map(|call| &call.arguments).collect::<Vec<_>>(), [&wanted]);
    }
}

#[tokio::test]
async fn nobody_but_the_owner_can_tell_whether_a_whatsapp_message_went_out() {
    let (machine, (end, said)) =
        lost(action("send_whatsapp", json!({"to": "+491701234567", "text": "hi"}))).await;
    assert_eq!((end, said.as_str()), (End::Unknown, "no answer"));
    assert!(machine.world.calls("list_whatsapp_chats").is_empty());
    assert_eq!(machine.world.calls("send_whatsapp").len(), 1, "it is not repeated");
}

#[tokio::test]
async fn a_payment_that_could_not_be_repeated_is_repeated_later_with_its_key() {
    let machine = Machine::new();
    let order = machine.approve("PAYMENT_1", payment());
    machine.world.will([Next::LosesRequest, Next::NotStarted]);
    let executor = machine.executor();
    let (end, said) = entry(&executor.run_cycle().await, "PAYMENT_1");
    assert_eq!((end, machine.world.effects(&order)), (End::Waiting, 0));
    assert!(said.contains("tried again at") && said.contains("mcp-email is missing"), "{said}");
    machine.wait(TimeDelta::minutes(1));
    let (end, _) = entry(&executor.run_cycle().await, "PAYMENT_1");
    assert_eq!((end, machine.world.effects(&order)), (End::Done, 1));
    let keys: Vec<_> = machine.world.calls("initiate_payment").iter().map(|call| call.meta.clone()).collect();
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
}

#[tokio::test]
async fn invariant_5_while_another_process_calls_a_server_its_orders_wait() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    let path = machine.data().join("calls-email.lock");
    let file = std::fs::File::create(&path).expect("lock file");
    file.lock().expect("lock");
    let executor = machine.executor();
    let (end, said) = entry(&executor.run_cycle().await, "EMAIL_1");
    assert_eq!((end, machine.world.effects(&order)), (End::Waiting, 0));
    assert_eq!(said, "another executor is calling the email server");
    file.unlock().expect("unlock");
    assert_eq!(entry(&executor.run_cycle().await, "EMAIL_1").0, End::Done);
    assert_eq!(machine.world.effects(&order), 1);
}

/// Rules that cannot be read are not left out.
#[tokio::test]
async fn while_the_accepted_handbook_cannot_be_read_nothing_leaves() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    let handbook = machine.data().join("handbook.md");
    std::fs::create_dir(&handbook).expect("in its place");
    let executor = machine.executor();
    let (end, said) = entry(&executor.run_cycle().await, "EMAIL_1");
    assert_eq!((end, machine.world.effects(&order)), (End::Waiting, 0), "{said}");
    assert!(said.contains("mend it and accept it anew: local-agent handbook accept"), "{said}");
    std::fs::remove_dir(&handbook).expect("remove");
    assert_eq!(entry(&executor.run_cycle().await, "EMAIL_1").0, End::Done);
}

#[tokio::test]
async fn invariant_4_a_key_that_is_taken_off_the_list_stops_what_it_signed_and_had_been_accepted() {
    let machine = Machine::new();
    let order = machine.approve("EMAIL_1", mail());
    machine.world.will([Next::NotStarted]);
    let executor = machine.executor();
    assert_eq!(entry(&executor.run_cycle().await, "EMAIL_1").0, End::Waiting);
    let row = || executor.journal().get(&order.approval).expect("journal").expect("row");
    assert_eq!(row().state, crate::State::Accepted);
    // Another key is the owner's from now on.
    let new = KeyFiles::in_data(&machine.folder.path().join("new"));
    init(&new, "owner", || Ok(NewKey::Unprotected)).expect("init");
    std::fs::copy(&new.approvers, &machine.files.approvers).expect("copy");
    machine.wait(TimeDelta::minutes(1));
    let report = executor.run_cycle().await;
    assert_eq!((row().state, machine.world.effects(&order)), (crate::State::Failed, 0), "{report:?}");
    assert_eq!(machine.stage("EMAIL_1"), StageName::Errors);
    let reason = machine.file("EMAIL_1").task.front.reason.expect("reason");
    assert!(reason.contains("order refused"), "{reason}");
}
