//! Posts: no platform has keys, and each can be asked for its latest posts.

use effects::{Fault, Social};
use serde_json::{Value, json};

use crate::world::{End, KEY, World, check_end};

fn pages() -> World<Social> {
    World::new(Social::new(KEY), |url, secret| {
        let (id, author) = (Social::ID, Social::AUTHOR);
        let page = |id: &str, rest: &str| format!("{{ id: {id:?}, secret: {secret}, url: {url:?}{rest} }}");
        format!(
            "modes: {{ dry_run: false, mock_data: false }}\n\
             social: {{ timeout_seconds: 2, x: {}, linkedin: {}, facebook: {}, instagram: {} }}\n",
            page(id, ""),
            page(author, ""),
            page(id, ""),
            page(id, &format!(", media_url: {:?}", format!("{url}/pictures")))
        )
    })
}

fn post(tool: &str, text: &str) -> Value {
    json!({"server": "social", "tool": tool, "account": "owner@example.com", "arguments": {"text": text}})
}

/// Texts that a platform could take for something else.
const TEXTS: [&str; 4] =
    ["Fish & <chips>", "50 % off (only @home) #sale *now* a_b", "Zwei\nZeilen", "\\o/ {x} [y] | ~z~"];

#[test]
fn invariant_05_a_post_is_made_once_whatever_goes_wrong() {
    let world = pages();
    let mut made = Vec::new();
    let faults = [None].into_iter().chain(Fault::ALL.map(Some));
    for (n, (fault, tool)) in
        faults.zip(["post_twitter", "post_linkedin", "post_facebook"].into_iter().cycle()).enumerate()
    {
        let (id, text) = (format!("SOCIAL_{n}"), format!("{n} {}", TEXTS[n % TEXTS.len()]));
        let file = world.carry_out(&id, "social", &post(tool, &text), fault);
        let end = match fault {
            None => End::Done,
            Some(Fault::Refuse) => End::Failed,
            Some(fault) if fault.acts() => End::Done,
            Some(_) => End::Unknown,
        };
        check_end(&format!("{tool} {fault:?}"), &file, end);
        if end == End::Done {
            made.push(text);
        }
        let seen: Vec<String> = world.service.with(|s| s.posts().iter().map(|p| p.text.clone()).collect());
        assert_eq!(seen, made, "{tool} {fault:?}: readers see what was signed: {}", file.1);
    }
}

#[test]
fn invariant_05_what_is_not_among_the_latest_posts_is_for_the_owner() {
    let world = pages();
    world.service.with(|pages| pages.behind = true);
    for (n, tool) in ["post_twitter", "post_linkedin", "post_facebook"].into_iter().enumerate() {
        let id = format!("SOCIAL_{n}");
        let file = world.carry_out(&id, "social", &post(tool, "Hello"), Some(Fault::LoseReply));
        check_end(tool, &file, End::Unknown);
        assert!(file.1.contains("proves nothing"), "{}", file.1);
        world.owner.ok(&["resolve", &id, "--sent"]).expect("resolved");
        assert!(world.owner.place(&id).expect("one place").0.starts_with("Done/"));
    }
    assert_eq!(world.service.effects(), 3);
}

#[test]
fn a_picture_on_instagram_is_the_signed_one_and_published_once() {
    let world = pages();
    // SHA-256 of the six bytes below, by sha256sum.
    let (hex, bytes) = ("12545929fc24e97696629f3c4117272e0c99fda10410b9e510229edd688eb3fb", "data-x");
    let picture = |hex: &str| {
        let mut action = post("post_instagram", "New office plant");
        action["arguments"]["media"] =
            json!([{"name": "plant.jpg", "size": 6, "sha256": format!("sha256:{hex}")}]);
        action
    };
    let other = "0".repeat(64);
    world.service.with(|pages| pages.picture = Some((other.clone(), bytes.into())));
    let file = world.carry_out("SOCIAL_1", "social", &picture(&other), None);
    check_end("another picture", &file, End::Failed);
    assert!(file.1.contains("is not the picture"), "{}", file.1);
    assert_eq!(world.service.effects(), 0);

    world.service.with(|pages| pages.picture = Some((hex.into(), bytes.into())));
    for (n, fault) in [None, Some(Fault::LoseReply), Some(Fault::Fail)].into_iter().enumerate() {
        let file = world.carry_out(&format!("SOCIAL_P{n}"), "social", &picture(hex), fault);
        check_end(&format!("{fault:?}"), &file, End::Done);
        assert_eq!(world.service.effects(), n + 1, "{fault:?}");
    }
    let file = world.carry_out("SOCIAL_4", "social", &post("post_instagram", "words alone"), None);
    check_end("no picture", &file, End::Failed);
}

#[test]
fn an_answer_to_a_comment_is_sent_once_and_its_loss_is_for_the_owner() {
    let world = pages();
    for (n, tool) in
        ["post_twitter", "post_linkedin", "post_facebook", "post_instagram"].into_iter().enumerate()
    {
        let mut action = post(tool, "Thank you!");
        action["arguments"]["reply_to"] = "urn:li:comment:7".into();
        let file = world.carry_out(&format!("SOCIAL_A{n}"), "social", &action, None);
        check_end(tool, &file, End::Done);
        let file = world.carry_out(&format!("SOCIAL_B{n}"), "social", &action, Some(Fault::LoseReply));
        check_end(tool, &file, End::Unknown);
        assert_eq!(world.service.effects(), 2 * n + 2);
    }
}
