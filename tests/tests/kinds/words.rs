//! Mail, posts, comments, messages, and what is put to the owner.

use tests::World;

use crate::{carried_out, draft, drafted, owner, question};

#[test]
fn a_mail_is_answered_in_its_thread_and_sent_once() {
    let world = World::quiet();
    let owner = owner(&world);
    let shown = drafted(
        &owner,
        "EMAIL_1",
        "account: owner@example.com\nfrom: alice@example.com\nfrom_name: Alice\nsubject: Q1\nmessage_id: <q1@example.com>",
        "Hi, could you please resend the invoice INV-2026-014?",
    );
    assert_eq!(draft(&shown)["tool"], "send_email");
    carried_out(&owner, "EMAIL_1");
    let sent = owner.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].to_string().contains("INV-2026-014"), "{sent:?}");
}

#[test]
fn comments_are_answered_and_notes_are_posted_on_each_platform_once() {
    let world = World::quiet();
    let owner = owner(&world);
    for (prefix, tool) in [
        ("LINKEDIN_", "post_linkedin"),
        ("FACEBOOK_", "post_facebook"),
        ("INSTAGRAM_", "post_instagram"),
        ("TWITTER_", "post_twitter"),
    ] {
        let id = format!("{prefix}1");
        let shown = drafted(
            &owner,
            &id,
            "source_id: post-1\nfrom: dana_77\nfrom_name: Dana",
            "Do you also deliver on Saturdays?",
        );
        assert_eq!(draft(&shown)["tool"], tool);
        assert_eq!(draft(&shown)["arguments"]["reply_to"], "post-1");
        carried_out(&owner, &id);
    }
    for (id, platform) in [("SOCIAL_1", "linkedin"), ("SOCIAL_2", "facebook"), ("SOCIAL_3", "x")] {
        let shown =
            drafted(&owner, id, &format!("platform: {platform}"), "Our new shop is open. Come and see!");
        assert_eq!(draft(&shown)["arguments"]["text"], "Our new shop is open. Come and see!");
        carried_out(&owner, id);
    }
    let posts = owner.mock("social");
    let made: Vec<_> =
        posts["posts"].as_array().expect("posts").iter().filter(|p| p["approval"].is_string()).collect();
    assert_eq!(made.len(), 7, "{made:?}");
}

#[test]
fn a_platforms_limit_is_checked_before_the_owner_is_asked_to_sign() {
    let world = World::quiet();
    let owner = owner(&world);
    let shown = drafted(&owner, "SOCIAL_long", "platform: x", &"long ".repeat(80));
    assert!(question(&shown).contains("at most 280"), "{shown:#}");
    let shown = drafted(&owner, "SOCIAL_picture", "platform: instagram", "Look!");
    assert!(question(&shown).contains("without a picture"), "{shown:#}");
}

#[test]
fn a_sales_post_is_made_of_its_facts_and_posted_once() {
    let world = World::quiet();
    let owner = owner(&world);
    let shown = drafted(
        &owner,
        "SALESPOST_1",
        "platform: linkedin\nproduct: Website check-up\nbenefit: You learn in one page what slows your site down.\nprice: 290 EUR\nuntil: 2026-03-31\nlink: https://example.com/check",
        "Offer the check-up.",
    );
    let text = draft(&shown)["arguments"]["text"].as_str().expect("a text").to_owned();
    for part in ["Website check-up", "what slows your site down", "290 EUR", "https://example.com/check"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    carried_out(&owner, "SALESPOST_1");
    assert!(owner.mock("social").to_string().contains("Website check-up"));
}

#[test]
fn a_whatsapp_message_is_answered_once_and_an_answer_that_is_too_long_is_not_proposed() {
    let world = World::quiet();
    let owner = owner(&world);
    let shown = drafted(
        &owner,
        "WHATSAPP_1",
        "from: '+49 170 1234567'\nfrom_name: Ben",
        "Hi! Can we meet on Friday?",
    );
    assert_eq!(draft(&shown)["tool"], "send_whatsapp");
    assert_eq!(draft(&shown)["account"], "+4915155500001");
    let long = format!(
        "server: whatsapp\ntool: send_whatsapp\naccount: '+4915155500001'\narguments: {{ to: '+491701234567', text: '{}' }}\n",
        "x".repeat(4_097)
    );
    std::fs::write(world.path().join("long.yaml"), long).expect("write");
    let path = world.path().join("long.yaml").display().to_string();
    let said = owner.fails(1, &["modify", "WHATSAPP_1", "--action-file", &path]);
    assert!(said.contains("at most 4096"), "{said}");
    carried_out(&owner, "WHATSAPP_1");
    let chats = owner.mock("whatsapp").to_string();
    assert_eq!(chats.matches("check my calendar").count(), 1, "{chats}");
}

#[test]
fn an_error_is_put_to_the_owner_with_what_can_be_done() {
    let world = World::quiet();
    let owner = owner(&world);
    let shown =
        drafted(&owner, "ERROR_books_1", "subject: the books cannot be reached", "connection refused");
    assert!(question(&shown).contains("the books cannot be reached"), "{shown:#}");
    owner.ok(&["reject", "ERROR_books_1", "--reason", "the server is back"]);
    assert_eq!(owner.place("ERROR_books_1"), "Rejected/ERROR_books_1.md");
}
