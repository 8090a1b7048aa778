//! What the owner should look at twice: letters that look like others, hidden characters, senders
//! that may be forged, answers that go elsewhere.

use serde_json::Value;
use task::{Action, Call, FrontMatter, counted};
use unicode_script::{Script, UnicodeScript as _};
use unicode_security::{MixedScript as _, skeleton};

use crate::visible::{is_treacherous, visible};

/// Arguments that name a person, an account or a place: another letter there is another receiver.
const NAMES: [&str; 8] = ["to", "cc", "bcc", "account", "iban", "payee", "partner", "name"];

/// What is odd about a proposed action, one sentence each.
pub(crate) fn of_action(action: &Action) -> Vec<String> {
    let mut found = Vec::new();
    text("account", &action.account, &mut found);
    if let Ok(arguments) = action.call.arguments() {
        leaves("", &arguments, &mut |key, value| text(key, value, &mut found));
    }
    found
}

/// What is odd about the event that is being answered, and about where the answer goes.
pub(crate) fn of_sender(front: &FrontMatter) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in [("sender", &front.from), ("reply-to", &front.reply_to), ("subject", &front.subject)]
    {
        if let Some(value) = value {
            text(key, value, &mut found);
        }
    }
    // DMARC passes when SPF or DKIM passes for the sender's own domain; then the other may fail, as
    // it does on every forwarded mail.
    let passes = |result: &Option<String>| result.as_deref().is_some_and(|r| r.eq_ignore_ascii_case("pass"));
    if let Some(checks) = front.authentication.as_ref().filter(|checks| !passes(&checks.dmarc)) {
        let results = [("SPF", &checks.spf), ("DKIM", &checks.dkim), ("DMARC", &checks.dmarc)];
        for (name, result) in results {
            if let Some(result) = result.as_deref().filter(|r| !r.eq_ignore_ascii_case("pass")) {
                found.push(format!("{name} is {}: the sender may be forged", visible(result)));
            }
        }
    }
    let sender = front.from.as_deref().map(address);
    if let (Some(from), Some(raw)) = (&sender, front.from.as_deref()) {
        let shown = raw.rsplit_once('<').map_or("", |(name, _)| name);
        if let Some(claimed) = shown.split([' ', '"', '\'', '(', ')']).find(|word| word.contains('@'))
            && !claimed.eq_ignore_ascii_case(from)
        {
            found.push(format!("sender calls itself {} but writes from {}", visible(claimed), visible(from)));
        }
    }
    let reply_to = front.reply_to.as_deref().map(address);
    if let (Some(from), Some(reply_to)) = (&sender, &reply_to)
        && !from.eq_ignore_ascii_case(reply_to)
    {
        found.push(format!("sender is {} but wants answers at {}", visible(from), visible(reply_to)));
    }
    if let (Some(from), Some(Call::SendEmail(mail) | Call::DraftEmail(mail))) =
        (&sender, front.action.as_ref().map(|action| &action.call))
    {
        for to in mail.to.iter().chain(&mail.cc).chain(&mail.bcc) {
            let known = to.eq_ignore_ascii_case(from)
                || reply_to.as_ref().is_some_and(|address| to.eq_ignore_ascii_case(address))
                || front.to.iter().any(|other| to.eq_ignore_ascii_case(address(other)));
            if !known {
                found.push(format!("{} has no part in the message that is being answered", visible(to)));
            }
        }
    }
    found
}

/// The bare address in `Alice <alice@example.com>`.
pub(crate) fn address(text: &str) -> &str {
    let inner = text.rsplit_once('<').map_or(text, |(_, rest)| rest);
    inner.split('>').next().unwrap_or(inner).trim()
}

/// Calls `visit` with the innermost key and the text of every string in `value`.
pub(crate) fn leaves<'a>(key: &'a str, value: &'a Value, visit: &mut dyn FnMut(&'a str, &'a str)) {
    match value {
        Value::String(text) => visit(key, text),
        Value::Array(items) => items.iter().for_each(|item| leaves(key, item, visit)),
        Value::Object(map) => map.iter().for_each(|(key, item)| leaves(key, item, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn text(key: &str, text: &str, found: &mut Vec<String>) {
    let mut hidden: Vec<char> =
        text.chars().filter(|&c| is_treacherous(c) && !matches!(c, '\n' | '\t')).collect();
    if !hidden.is_empty() {
        let count = hidden.len();
        hidden.sort_unstable();
        hidden.dedup();
        let kinds: Vec<String> = hidden.iter().take(5).map(|&c| format!("U+{:04X}", u32::from(c))).collect();
        found.push(format!(
            "{key} has {}: {}; written out below",
            counted(count, "control or invisible character"),
            kinds.join(", ")
        ));
    }
    let named = NAMES.contains(&key) || ["sender", "reply-to"].contains(&key);
    for token in text.split_whitespace() {
        let place = token.contains('@') || token.contains("://") || token.starts_with("www.");
        if place && !token.is_ascii() {
            found.push(format!(
                "{key} has an address with other letters than a to z: {} ({})",
                visible(token),
                foreign(token)
            ));
        } else if place && token.to_ascii_lowercase().contains("xn--") {
            found.push(format!(
                "{key} has an address in punycode, which stands for other letters: {}",
                visible(token)
            ));
        }
        for word in token.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_ascii()) {
            if !place && !word.is_single_script() {
                found.push(format!(
                    "{key} mixes alphabets in one word: {} ({})",
                    visible(word),
                    foreign(word)
                ));
            } else if named && !place && passes_for_latin(word) {
                let looks: String = skeleton(word).collect();
                found.push(format!("{key} looks like {looks:?} but is written {}", foreign(word)));
            }
        }
    }
    if key == "iban" && !text.is_ascii() {
        found.push(format!("iban has other characters than letters and digits: {}", foreign(text)));
    }
}

/// The characters beyond ASCII with their code points, a few of them.
fn foreign(text: &str) -> String {
    let list: Vec<String> =
        text.chars().filter(|c| !c.is_ascii()).take(6).map(|c| format!("U+{:04X}", u32::from(c))).collect();
    list.join(" ")
}

/// A word of another alphabet that could be read as one in plain Latin letters.
fn passes_for_latin(word: &str) -> bool {
    let other = |c: char| c.is_alphabetic() && !matches!(c.script(), Script::Latin | Script::Common);
    word.chars().any(other) && skeleton(word).all(|c| c.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use task::{Authentication, EmailMessage, Payment};

    fn mail(to: &str, body: &str) -> Action {
        Action {
            account: "owner@example.com".into(),
            call: Call::SendEmail(EmailMessage {
                to: vec![to.into()],
                cc: vec![],
                bcc: vec![],
                subject: "Re: Q1".into(),
                in_reply_to: None,
                references: vec![],
                body: body.into(),
                attachments: vec![],
            }),
        }
    }

    fn check(found: &[String], expected: &str) {
        assert!(found.iter().any(|sentence| sentence.contains(expected)), "{expected}: {found:?}");
    }

    #[test]
    fn plain_messages_in_any_language_raise_nothing() {
        for body in [
            "Dear Alice,\n\nyes.",
            "Grüße aus Köln, à bientôt",
            "Привет, как дела? а я в Москве",
            "日本語のメール",
            "Καλημέρα 😀",
        ] {
            assert_eq!(of_action(&mail("alice@example.com", body)), Vec::<String>::new(), "{body}");
        }
    }

    #[test]
    fn look_alikes_and_hidden_characters_are_pointed_out() {
        check(&of_action(&mail("alice@ex\u{430}mple.com", "x")), "other letters than a to z");
        check(&of_action(&mail("alice@xn--exmple-cua.com", "x")), "punycode");
        check(&of_action(&mail("a@b.c", "see https://p\u{430}ypal.com/x")), "other letters than a to z");
        check(&of_action(&mail("a@b.c", "your p\u{430}ypal account")), "mixes alphabets");
        check(&of_action(&mail("a@b.c", "total \u{202e}00.1")), "U+202E");
        check(&of_action(&mail("a@b.c", "a\u{200b}b")), "U+200B");
        let payment = |payee: &str| Action {
            account: "main".into(),
            call: Call::InitiatePayment(Payment {
                payee: payee.into(),
                iban: "DE89370400440532013000".into(),
                amount: "1250.00".parse().expect("amount"),
                currency: "EUR".parse().expect("currency"),
                reference: "R-1".into(),
            }),
        };
        let apple = of_action(&payment("x \u{430}\u{440}\u{440}\u{4cf}\u{435}"));
        check(&apple, "payee looks like \"apple\" but is written U+0430 U+0440 U+0440 U+04CF U+0435");
        for plain in ["Müller GmbH", "Aydın A.Ş.", "Привет", "日本"] {
            assert_eq!(of_action(&payment(plain)), Vec::<String>::new(), "{plain}");
        }
    }

    #[test]
    fn a_sender_that_may_be_another_is_pointed_out() {
        let mut front =
            FrontMatter::new("EMAIL_1".parse().expect("id"), "2026-02-23T03:15:00Z".parse().expect("time"));
        front.from = Some("Alice <alice@example.com>".into());
        front.action = Some(mail("alice@example.com", "x"));
        assert_eq!(of_sender(&front), Vec::<String>::new());
        front.reply_to = Some("alice@evil.example".into());
        check(&of_sender(&front), "wants answers at alice@evil.example");
        // Whoever wrote, wants the answer or got the message as well has a part in it.
        front.to = vec!["Carol <carol@example.com>".into()];
        for to in ["Alice@example.com", "alice@evil.example", "carol@example.com"] {
            front.action = Some(mail(to, "x"));
            assert!(!of_sender(&front).iter().any(|said| said.contains("has no part")), "{to}");
        }
        front.action = Some(mail("bob@example.com", "x"));
        check(&of_sender(&front), "bob@example.com has no part");
        front.from = Some("\"boss@bank.example\" <mallory@evil.example>".into());
        check(&of_sender(&front), "calls itself boss@bank.example");
        front.authentication =
            Some(Authentication { spf: Some("pass".into()), dkim: None, dmarc: Some("fail".into()) });
        check(&of_sender(&front), "DMARC is fail");
        front.authentication = Some(Authentication {
            spf: Some("fail".into()),
            dkim: Some("pass".into()),
            dmarc: Some("pass".into()),
        });
        assert!(!of_sender(&front).iter().any(|sentence| sentence.contains("forged")));
    }
}
