//! WhatsApp messages: no key, and nobody but the owner can be asked.

use effects::{Fault, Whatsapp};
use serde_json::{Value, json};

use crate::world::{End, KEY, World, check_end};

fn chats(url: Option<&str>) -> World<Whatsapp> {
    World::new(Whatsapp::new(KEY), |service, secret| {
        let url = url.unwrap_or(service);
        let id = Whatsapp::ID;
        format!(
            "modes: {{ dry_run: false, whatsapp_mock: false }}\n\
             whatsapp: {{ phone_number_id: {id:?}, secret: {secret}, url: {url:?}, timeout_seconds: 2 }}\n"
        )
    })
}

fn message(text: &str) -> Value {
    json!({"server": "whatsapp", "tool": "send_whatsapp", "account": "owner@example.com",
           "arguments": {"to": "+491701234567", "text": text}})
}

#[test]
fn invariant_05_a_message_is_sent_once_and_what_nobody_knows_is_for_the_owner() {
    let world = chats(None);
    let mut sent = 0;
    for (n, fault) in [None].into_iter().chain(Fault::ALL.map(Some)).enumerate() {
        let id = format!("WHATSAPP_{n}");
        let file = world.carry_out(&id, "whatsapp", &message("See you at noon"), fault);
        let end = match fault {
            None => End::Done,
            Some(Fault::Refuse) => End::Failed,
            Some(_) => End::Unknown,
        };
        check_end(&format!("{fault:?}"), &file, end);
        sent += usize::from(fault.is_none_or(Fault::acts));
        assert_eq!(world.service.effects(), sent, "{fault:?}: {}", file.1);
        if end == End::Unknown {
            let verdict = if fault.is_some_and(Fault::acts) { "--sent" } else { "--not-sent" };
            world.owner.ok(&["resolve", &id, verdict]).expect("resolved");
            world.owner.run(&["--once"], &[]).expect("a round");
            assert_eq!(world.service.effects(), sent, "settled is settled");
        }
    }
    world.service.with(|number| {
        assert!(number.sent().iter().all(|(to, text)| to == "+491701234567" && text == "See you at noon"));
    });
}

#[test]
fn a_service_that_was_not_reached_is_tried_again() {
    // Nobody listens on this port of loopback: it is taken and given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("address");
    let world = chats(Some(&format!("http://{free}")));
    let id = "WHATSAPP_1";
    world.owner.propose(id, "whatsapp", &message("See you")).expect("a draft");
    world.owner.approve(id).expect("approved");
    let output = world.owner.run(&["--once"], &[]).expect("a round");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("tried again at") && said.contains("failed to reach WhatsApp"), "{said}");
    let (place, text) = world.owner.place(id).expect("one place");
    assert!(place.starts_with("In_Progress/local-001/EXECUTE_"), "it goes on: {place}: {text}");
}
