//! Sample comments, messages and mentions.

use config::Channel;
use task::Priority;

use super::minutes;
use crate::event::Event;

/// The events of a social channel; of any other, none.
pub(super) fn events(channel: Channel) -> Vec<Event> {
    match channel {
        Channel::Linkedin => linkedin(),
        Channel::Facebook => facebook(),
        Channel::Instagram => instagram(),
        Channel::X => x(),
        Channel::Gmail | Channel::Whatsapp => Vec::new(),
    }
}

/// What an event of one channel starts from.
fn event(channel: Channel, account: &str, at: i64) -> Event {
    Event {
        channel,
        account: account.to_owned(),
        at: minutes(at),
        id: String::new(),
        what: "comment",
        from: String::new(),
        name: String::new(),
        post: None,
        subject: String::new(),
        text: String::new(),
        priority: Priority::Medium,
    }
}

fn linkedin() -> Vec<Event> {
    let post = "urn:li:share:7164502339817779200";
    let of = |at| event(Channel::Linkedin, "urn:li:organization:2414183", at);
    vec![
        Event {
            id: "urn:li:comment:(urn:li:share:7164502339817779200,7164583920011837440)".into(),
            from: "maria-keller-logistics".into(),
            name: "Maria Keller".into(),
            post: Some(post.into()),
            subject: "Comment on \"How we cut reporting time in half\"".into(),
            text: "Impressive numbers! Does this also work with SAP exports, or only with the Odoo data you show?".into(),
            ..of(4)
        },
        Event {
            id: "urn:li:messagingMessage:2-MTc3MTgxNzY4MGI4".into(),
            what: "direct_message",
            from: "t-okafor".into(),
            name: "Tunde Okafor".into(),
            subject: "Message: audit in March?".into(),
            text: "Hi! We met at the Leipzig trade fair. Are you free for a two-day process audit in the second week of March? Budget is approved.".into(),
            priority: Priority::High,
            ..of(21)
        },
        Event {
            id: "urn:li:share:7164611120455843841".into(),
            what: "mention",
            from: "northwind-trading".into(),
            name: "Northwind Trading".into(),
            post: Some("urn:li:share:7164611120455843841".into()),
            subject: "Mention by Northwind Trading".into(),
            text: "A big thank-you to our partner for getting the new warehouse dashboard live in three weeks.".into(),
            priority: Priority::Low,
            ..of(96)
        },
    ]
}

fn facebook() -> Vec<Event> {
    let post = "108542411_5561230947";
    let of = |at| event(Channel::Facebook, "108542411", at);
    vec![
        Event {
            id: "5561230947_990017345521".into(),
            from: "7712003341".into(),
            name: "Peter Lindqvist".into(),
            post: Some(post.into()),
            subject: "Comment on \"Open day on 7 March\"".into(),
            text: "Do we need to register, and is there parking nearby?".into(),
            ..of(9)
        },
        Event {
            id: "m_8Qx3kLrT0".into(),
            what: "direct_message",
            from: "6630918827".into(),
            name: "Sara Conti".into(),
            subject: "Message: price of a website".into(),
            text: "Hello, what would a small website for a bakery with five pages cost, and how long would it take?".into(),
            ..of(33)
        },
        Event {
            id: "108542411_review_44718".into(),
            what: "review",
            from: "5520017718".into(),
            name: "Jonas Wirth".into(),
            subject: "Review: 2 of 5 stars".into(),
            text: "Good work in the end, but I waited nine days for an answer to my second question.".into(),
            priority: Priority::High,
            ..of(118)
        },
    ]
}

fn instagram() -> Vec<Event> {
    let post = "17895695668004550";
    let of = |at| event(Channel::Instagram, "17841405793187218", at);
    vec![
        Event {
            id: "17858893269000001".into(),
            from: "@studio.lumen".into(),
            name: "Studio Lumen".into(),
            post: Some(post.into()),
            subject: "Comment on the photo of the new office".into(),
            text: "Love the light in here 😍 Which lamps are these?".into(),
            priority: Priority::Low,
            ..of(14)
        },
        Event {
            id: "aWdfZAG06MTpJR01lc3NhZA2U6MTc4".into(),
            what: "direct_message",
            from: "@cafe_morgenrot".into(),
            name: "Café Morgenrot".into(),
            subject: "Message: photos for our menu".into(),
            text: "Hi, we loved your project for the bookshop. Could you do something like it for our summer menu? We open the terrace on 1 May.".into(),
            ..of(41)
        },
        Event {
            id: "17858893269000417".into(),
            what: "mention",
            from: "@lea.draws".into(),
            name: "Lea Brandt".into(),
            post: Some("18012345678901234".into()),
            subject: "Mention in a story".into(),
            text: "New stickers printed by @the.owner.studio, go and see them!".into(),
            priority: Priority::Low,
            ..of(150)
        },
    ]
}

fn x() -> Vec<Event> {
    let post = "1893456712345678849";
    let of = |at| event(Channel::X, "@the_owner", at);
    vec![
        Event {
            id: "1893460011223344556".into(),
            from: "@devrel_anna".into(),
            name: "Anna Petrova".into(),
            post: Some(post.into()),
            subject: "Reply to your post on invoice automation".into(),
            text: "@the_owner Is the template open source? Would love to try it on our side.".into(),
            ..of(18)
        },
        Event {
            id: "1893471155667788990".into(),
            what: "mention",
            from: "@ops_digest".into(),
            name: "Ops Digest".into(),
            post: Some("1893471155667788990".into()),
            subject: "Mention by @ops_digest".into(),
            text: "Five small teams that automated their back office, with @the_owner at number 3.".into(),
            priority: Priority::Low,
            ..of(57)
        },
        Event {
            id: "dm-1893480099887766554".into(),
            what: "direct_message",
            from: "@marcus_w".into(),
            name: "Marcus Webb".into(),
            subject: "Message: outage at a client".into(),
            text: "Your export job at our site has failed since 2 am, the finance team is stuck. Can somebody look at it today?".into(),
            priority: Priority::High,
            ..of(88)
        },
    ]
}
