//! The names that stand in files, logs and messages, and what a proposal may not say: other programs
//! and people's files depend on them.

use serde_json::json;
use task::{
    Call, Clock as _, Currency, Digest, Role, Server, StageName, Status, SystemClock, TaskId, TaskKind,
};

#[test]
fn every_kind_has_its_prefix_and_its_type() {
    let kinds = [
        ("EMAIL_1", "EMAIL_", "email"),
        ("LINKEDIN_1", "LINKEDIN_", "linkedin"),
        ("FACEBOOK_1", "FACEBOOK_", "facebook"),
        ("INSTAGRAM_1", "INSTAGRAM_", "instagram"),
        ("TWITTER_1", "TWITTER_", "twitter"),
        ("SOCIAL_1", "SOCIAL_", "social"),
        ("SALESPOST_1", "SALESPOST_", "salespost"),
        ("ODOO_1", "ODOO_", "odoo"),
        ("WHATSAPP_1", "WHATSAPP_", "whatsapp"),
        ("PAYMENT_1", "PAYMENT_", "payment"),
        ("SCHEDULE_1", "SCHEDULE_", "schedule"),
        ("AUDIT_1", "AUDIT_", "audit"),
        ("ERROR_1", "ERROR_", "error"),
        ("Call-Dan", "", "note"),
    ];
    for (id, prefix, name) in kinds {
        let kind = TaskKind::of(&id.parse::<TaskId>().expect(id));
        assert_eq!((kind.prefix(), kind.name()), (prefix, name), "{id}");
    }
}

#[test]
fn every_server_has_its_program() {
    for (server, name, binary) in [
        (Server::Email, "email", "mcp-email"),
        (Server::Odoo, "odoo", "mcp-odoo"),
        (Server::Social, "social", "mcp-social"),
        (Server::Whatsapp, "whatsapp", "mcp-whatsapp"),
        (Server::Payment, "payment", "mcp-payment"),
    ] {
        assert_eq!((server.name(), server.binary()), (name, binary));
    }
}

#[test]
fn roles_are_read_as_they_are_shown_and_others_are_refused_with_the_choice() {
    for (role, text) in [(Role::Cloud, "cloud"), (Role::Local, "local"), (Role::Gold, "gold")] {
        assert_eq!((text.parse(), role.to_string()), (Ok(role), text.to_owned()));
    }
    assert_eq!("Cloud".parse::<Role>(), Err("unknown role \"Cloud\"; one of cloud, local, gold".to_owned()));
}

#[test]
fn a_tasks_status_says_the_stage_it_is_in() {
    for (stage, status) in [
        (StageName::NeedsAction, "needs_action"),
        (StageName::InProgress, "in_progress"),
        (StageName::PendingApproval, "pending_approval"),
        (StageName::Approved, "approved"),
        (StageName::Executing, "executing"),
        (StageName::Rejected, "rejected"),
        (StageName::Done, "done"),
        (StageName::Errors, "error"),
    ] {
        assert_eq!(serde_json::to_value(Status::from(stage)).expect("text"), status);
    }
}

#[test]
fn a_currency_and_a_digest_are_written_in_one_way_only() {
    assert_eq!("EUR".parse::<Currency>().expect("a code").as_str(), "EUR");
    for text in ["eur", "EURO", "E1R", ""] {
        let said = format!("{text:?} is no currency code; use three capital letters such as EUR");
        assert_eq!(text.parse::<Currency>(), Err(said));
    }
    let digest = Digest::of("abc");
    assert_eq!(format!("{digest:?}"), digest.to_string(), "logs show it as files do");
    for text in ["abc".to_owned(), format!("sha256:{}", "g".repeat(64)), format!("sha256:{}", "a".repeat(63))]
    {
        assert!(text.parse::<Digest>().is_err(), "{text}");
    }
}

#[test]
fn the_machines_clock_goes_with_the_machines_time() {
    let (before, shown, after) = (chrono::Utc::now(), SystemClock.now(), chrono::Utc::now());
    assert!(before <= shown && shown <= after, "{before} {shown} {after}");
}

/// The error that a proposal of `tool` meets.
fn refused(tool: &str, arguments: serde_json::Value) -> String {
    Call::decode(tool, arguments).expect_err(tool).to_string()
}

#[test]
fn a_proposal_that_makes_no_sense_is_refused_with_the_value_that_does_not() {
    let said = refused("create_invoice_draft", json!({"partner": "Alice", "lines": [], "currency": "EUR"}));
    assert!(said.contains("lines is empty; an invoice charges for something"), "{said}");
    let said = refused(
        "post_invoice",
        json!({"invoice_id": 7, "partner": "Alice\nEve", "total": "1.00", "currency": "EUR"}),
    );
    assert!(said.contains("partner has a control character or a line break"), "{said}");
    let payment = |amount: &str, iban: &str| json!({"payee": "Bob", "iban": iban, "amount": amount, "currency": "EUR", "reference": "R"});
    let said = refused("initiate_payment", payment("0.00", "DE89370400440532013000"));
    assert!(said.contains("amount is zero"), "{said}");
    let said = refused("initiate_payment", payment("1.00", "DE89 3704 0044 0532 0130 00"));
    assert!(said.contains("must be written without spaces, in capitals"), "{said}");
    for to in ["491701234567", "+49170", "+49170123456789012", "+49 170 1234567"] {
        let said = refused("send_whatsapp", json!({"to": to, "text": "hi"}));
        assert!(said.contains("is no E.164 number such as +491701234567"), "{to}: {said}");
    }
    let said = refused("send_whatsapp", json!({"to": "+491701234567", "text": "x".repeat(4097)}));
    assert!(said.contains("text has 4097 characters; WhatsApp takes at most 4096"), "{said}");
    for tool in ["post_facebook", "post_instagram", "post_twitter", "post_linkedin"] {
        let said = refused(tool, json!({"text": " \n"}));
        assert!(said.contains("text is empty"), "{tool}: {said}");
    }
    let said = refused("draft_social_post", json!({"platform": "twitter", "text": ""}));
    assert!(said.contains("text is empty"), "{said}");
}

#[test]
fn the_words_of_a_proposal_can_be_edited_and_its_figures_cannot() {
    let mail = json!({"to": ["a@example.com"], "subject": "S", "body": "old"});
    for (tool, arguments) in [
        ("send_email", mail.clone()),
        ("draft_email", mail),
        ("draft_social_post", json!({"platform": "linkedin", "text": "old"})),
        ("post_facebook", json!({"text": "old"})),
        ("post_instagram", json!({"text": "old"})),
        ("post_twitter", json!({"text": "old"})),
        ("post_linkedin", json!({"text": "old"})),
        ("send_whatsapp", json!({"to": "+491701234567", "text": "old"})),
    ] {
        let call = Call::decode(tool, arguments).expect(tool);
        assert_eq!(call.text(), Some("old"), "{tool}");
        let edited = call.with_text("new").expect(tool).expect(tool);
        assert_eq!((edited.text(), edited.tool()), (Some("new"), call.tool()));
        assert!(Call::schema(tool).is_some_and(|schema| schema["type"] == "object"), "{tool}");
    }
    let payment = json!({
        "payee": "Bob", "iban": "DE89370400440532013000", "amount": "1.00", "currency": "EUR", "reference": "R",
    });
    let posting = json!({"invoice_id": 7, "partner": "Alice", "total": "1.00", "currency": "EUR"});
    for (tool, arguments) in [("initiate_payment", payment), ("post_invoice", posting)] {
        let call = Call::decode(tool, arguments).expect(tool);
        assert!(call.text().is_none() && call.with_text("new").is_none(), "{tool}");
    }
    assert_eq!(Call::schema("format_disk"), None);
}
