//! How the owner's house wants to be represented: the part of the handbook's front matter that
//! drafting obeys. A handbook that contradicts itself or the configuration is refused with one sentence each.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _, NaiveTime, TimeZone, Timelike as _, Utc, Weekday};
use chrono_tz::Tz;
use config::Ceiling;
use serde::Deserialize;
use task::{Currency, excerpt, iban};

/// The rules for drafting.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct House {
    /// How drafts sound, in words for a language model.
    pub tone: Option<String>,
    /// What mails end with, in place of "Best regards" and the owner's name.
    pub signature: Option<String>,
    /// Languages that are answered in, ISO 639-1; the first one stands in for all others. Empty: whatever
    /// there is a template for.
    pub languages: Vec<String>,
    /// When somebody is there.
    pub working_hours: Option<WorkingHours>,
    /// Whose messages come first.
    pub vips: Vec<Sender>,
    /// Who gets no answer at all.
    pub blocked: Vec<Sender>,
    /// Who may be paid, if anybody is named here.
    pub payees: Vec<Payee>,
    /// Words that no draft has; `guarant*` is every word that begins so.
    pub never: Vec<String>,
    /// What one payment may be, by currency, under configuration and handbook; empty where nobody has said.
    #[serde(skip)]
    pub ceilings: BTreeMap<Currency, Ceiling>,
}

/// Somebody who writes: an address, a whole domain (`@example.com`), a handle or a number.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Sender(String);

/// Somebody who may be paid.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payee {
    /// The name.
    pub name: String,
    /// The account.
    pub iban: String,
}

/// When somebody is there.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkingHours {
    /// `mon` … `sun`.
    pub days: Vec<Weekday>,
    /// `"09:00"`
    #[serde(deserialize_with = "clock")]
    pub from: NaiveTime,
    /// `"17:00"`
    #[serde(deserialize_with = "clock")]
    pub to: NaiveTime,
    /// Where these hours hold, such as `Europe/Berlin`; where the machine is when absent.
    #[serde(default, deserialize_with = "zone")]
    pub time_zone: Option<Tz>,
}

fn zone<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Tz>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        serde::de::Error::custom(format!("{:?} is no time zone such as \"Europe/Berlin\"", excerpt(&text)))
    })
}

fn clock<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<NaiveTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    NaiveTime::parse_from_str(&text, "%H:%M")
        .map_err(|_| serde::de::Error::custom(format!("{:?} is no time such as \"09:00\"", excerpt(&text))))
}

impl TryFrom<String> for Sender {
    type Error = String;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut plain = text.trim().trim_start_matches('*').to_lowercase();
        if plain.starts_with('+') {
            plain.retain(|c| c == '+' || c.is_ascii_digit());
        }
        if plain.chars().filter(|c| c.is_alphanumeric()).count() < 2 || plain.contains(char::is_whitespace) {
            return Err(format!("{:?} is no address, no @domain, no handle and no number", excerpt(&text)));
        }
        Ok(Self(plain))
    }
}

impl std::fmt::Display for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Sender {
    /// Whether it is `who`: a bare address, handle or number. A domain has its subdomains.
    pub fn is(&self, who: &str) -> bool {
        let who = who.trim().to_lowercase();
        match self.0.strip_prefix('@') {
            Some(domain) if domain.contains('.') => who
                .rsplit_once('@')
                .is_some_and(|(_, host)| host == domain || host.ends_with(&format!(".{domain}"))),
            _ if self.0.starts_with('+') => digits(&self.0) == digits(&who),
            _ => self.0.trim_start_matches('@') == who.trim_start_matches('@'),
        }
    }

    /// Whether everybody that `other` is, it is too.
    fn covers(&self, other: &Sender) -> bool {
        // A domain is written as an address without a name before the @.
        self.is(&other.0)
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

impl WorkingHours {
    /// Whether somebody is there then. `machine`: the zone that counts where the handbook names none.
    pub fn open<Z: TimeZone>(&self, now: DateTime<Utc>, machine: &Z) -> bool {
        let local = match self.time_zone {
            Some(zone) => now.with_timezone(&zone).naive_local(),
            None => now.with_timezone(machine).naive_local(),
        };
        self.days.contains(&local.weekday()) && (self.from..self.to).contains(&local.time())
    }
}

impl std::fmt::Display for WorkingHours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let days: Vec<String> = self.days.iter().map(Weekday::to_string).collect();
        let time = |time: NaiveTime| format!("{:02}:{:02}", time.hour(), time.minute());
        write!(f, "{} {}–{}", days.join(", "), time(self.from), time(self.to))?;
        self.time_zone.map_or(Ok(()), |zone| write!(f, " {}", zone.name()))
    }
}

/// A name without what people write differently.
fn same(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl House {
    /// Whether it is somebody whose messages come first.
    pub fn is_vip(&self, who: &str) -> bool {
        self.vips.iter().any(|vip| vip.is(who))
    }

    /// The rule that says that `who` gets no answer.
    pub fn blocks(&self, who: &str) -> Option<&Sender> {
        self.blocked.iter().find(|blocked| blocked.is(who))
    }

    /// The first word in `text` that no draft has.
    pub fn never_in(&self, text: &str) -> Option<&str> {
        let lower = text.to_lowercase();
        self.never.iter().map(String::as_str).find(|word| has_word(&lower, &word.to_lowercase()))
    }

    /// Why this payment is not proposed; a question to the owner.
    pub fn against_payment(&self, payment: &task::Payment) -> Option<String> {
        let of_account = self.payees.iter().find(|payee| payee.iban == payment.iban);
        let of_name = self.payees.iter().find(|payee| same(&payee.name) == same(&payment.payee));
        if let Some(known) = of_account.filter(|known| same(&known.name) != same(&payment.payee)) {
            return Some(format!(
                "the handbook knows this account as {:?}'s, not as {:?}'s",
                known.name, payment.payee
            ));
        }
        if of_name.is_some_and(|known| known.iban != payment.iban) {
            return Some(format!(
                "the handbook has another account for {:?}: call the number that you already have",
                payment.payee
            ));
        }
        if of_account.is_none() && !self.payees.is_empty() {
            return Some(format!("{:?} is not among the payees of the handbook", payment.payee));
        }
        let ceiling = self.ceilings.get(&payment.currency);
        match ceiling {
            None if !self.ceilings.is_empty() => Some(format!("nothing may be paid in {}", payment.currency)),
            Some(ceiling) if payment.amount > ceiling.single => Some(format!(
                "{} {} is more than the {} that one payment may be",
                payment.amount, payment.currency, ceiling.single
            )),
            _ => None,
        }
    }

    /// What a handbook says against itself, a sentence each, and puts accounts into one form.
    pub(crate) fn settle(&mut self) -> Vec<String> {
        let mut against = Vec::new();
        for vip in &self.vips {
            if let Some(blocked) =
                self.blocked.iter().find(|blocked| blocked.covers(vip) || vip.covers(blocked))
            {
                against.push(format!("vips has {vip} and blocked has {blocked}: it cannot be both"));
            }
        }
        for (key, text) in [("signature", &self.signature), ("tone", &self.tone)] {
            if text.as_deref().is_some_and(|text| text.trim().is_empty()) {
                against.push(format!("{key} is empty; leave it out"));
            }
        }
        for word in &self.never {
            if word.trim_end_matches('*').trim().is_empty() {
                against.push(format!("never has {word:?}, which is no word"));
            }
        }
        if let Some(word) = self.signature.as_deref().and_then(|signature| self.never_in(signature)) {
            against.push(format!("signature has {word:?}, which never says is never to be used"));
        }
        for (at, language) in self.languages.iter().enumerate() {
            if language.len() != 2 || !language.bytes().all(|b| b.is_ascii_lowercase()) {
                against.push(format!(
                    "languages has {:?}; write two small letters such as en",
                    excerpt(language)
                ));
            } else if self.languages[..at].contains(language) {
                against.push(format!("languages has {language} twice"));
            }
        }
        if let Some(hours) = &self.working_hours {
            if hours.from >= hours.to {
                against
                    .push(format!("working_hours end at {} before they begin at {}", hours.to, hours.from));
            }
            if hours.days.is_empty() {
                against.push("working_hours has no days; leave it out".into());
            }
        }
        for payee in &mut self.payees {
            match iban(&payee.iban) {
                Ok(account) => payee.iban = account,
                Err(why) => against.push(format!("payees: {:?}: {why}", excerpt(&payee.name))),
            }
        }
        for (at, payee) in self.payees.iter().enumerate() {
            for other in &self.payees[..at] {
                if other.iban == payee.iban && same(&other.name) != same(&payee.name) {
                    against.push(format!(
                        "payees has the same account for {:?} and {:?}",
                        other.name, payee.name
                    ));
                } else if same(&other.name) == same(&payee.name) {
                    against.push(format!("payees has {:?} twice", payee.name));
                }
            }
        }
        against
    }

    /// What it says against the configuration: `own` are the owner's accounts.
    pub fn against(&self, own: &[&str]) -> Vec<String> {
        let own = own.iter().filter_map(|own| self.blocks(own).map(|rule| (own, rule)));
        own.map(|(own, rule)| {
            format!("blocked has {rule}, which covers {own}, an account of yours in config.yaml")
        })
        .collect()
    }
}

/// Whether `text` has `word` at a word's start and, unless it ends in `*`, at a word's end. Both in
/// lower case.
pub fn has_word(text: &str, word: &str) -> bool {
    let (word, stem) = match word.strip_suffix('*') {
        Some(word) => (word, true),
        None => (word, false),
    };
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + word.len()..].chars().next();
            !before.is_some_and(char::is_alphanumeric) && (stem || !after.is_some_and(char::is_alphanumeric))
        })
}

#[cfg(test)]
mod tests {
    use crate::HouseRules;

    use super::*;

    fn read(front: &str) -> Result<House, String> {
        let rules = HouseRules::read(&format!("---\n{front}\n---\n# Handbook\n"))
            .map_err(|error| error.to_string())?;
        Ok(rules.house(&config::Limits::default()))
    }

    #[test]
    fn every_rule_is_read() {
        let house = read(
            "tone: warm\nsignature: |\n  Kind regards\n  Jane\nlanguages: [de, en]\nworking_hours: { days: [mon, tue], from: '09:00', to: '17:30' }\n\
             vips: [alice@example.com, '@big.example']\nblocked: ['@evil.example', spammer_77, '+49 170 1']\n\
             payees: [{ name: Muster GmbH, iban: DE89 3704 0044 0532 0130 00 }, { name: Other Ltd, iban: GB82WEST12345698765432 }]\nnever: [guarant*, free of charge]\n\
             limits: { payments: { EUR: { single: '500.00' } } }",
        )
        .expect("a house");
        assert_eq!(house.payees[0].iban, "DE89370400440532013000");
        assert_eq!(house.working_hours.as_ref().expect("hours").to_string(), "Mon, Tue 09:00–17:30");
        let at =
            |text: &str| house.working_hours.as_ref().expect("hours").open(text.parse().expect("time"), &Utc);
        assert!(at("2026-11-30T09:00:00Z") && !at("2026-11-30T17:30:00Z") && !at("2026-12-02T12:00:00Z"));
        assert!(
            house.is_vip("Alice@Example.com")
                && house.is_vip("x@mail.big.example")
                && !house.is_vip("x@notbig.example")
        );
        for blocked in ["A@EVIL.example", "@spammer_77", "+491701"] {
            assert!(house.blocks(blocked).is_some(), "{blocked}");
        }
        assert!(house.blocks("a@evil.example.org").is_none());
        assert_eq!(house.never_in("We guarantee it"), Some("guarant*"));
        assert_eq!(house.never_in("Free of charge!"), Some("free of charge"));
        for text in ["carefree of charges", "carefree of charge", "free of charges", "unguaranteed"] {
            assert_eq!(house.never_in(text), None, "{text}");
        }
        let ceiling = &house.ceilings[&"EUR".parse().expect("currency")];
        assert_eq!(ceiling.single.to_string(), "500.00");
    }

    #[test]
    fn working_hours_hold_where_the_handbook_says_and_not_where_the_machine_stands() {
        let hours = |zone: &str| {
            let front = format!("working_hours: {{ days: [mon], from: '09:00', to: '17:00'{zone} }}");
            read(&front).expect("a house").working_hours.expect("hours")
        };
        // 08:30 in London in winter, 09:30 in Berlin, 17:30 in Tokyo.
        let now: DateTime<Utc> = "2026-11-30T08:30:00Z".parse().expect("time");
        let berlin = hours(", time_zone: Europe/Berlin");
        assert!(berlin.open(now, &Utc) && berlin.open(now, &Tz::Asia__Tokyo));
        assert_eq!(berlin.to_string(), "Mon 09:00–17:00 Europe/Berlin");
        let machine = hours("");
        assert!(!machine.open(now, &Utc) && machine.open(now, &Tz::Europe__Berlin));
        let error = read("working_hours: { days: [mon], from: '09:00', to: '17:00', time_zone: Berlin }");
        assert!(error.expect_err("no zone").contains("\"Berlin\" is no time zone"));
    }

    #[test]
    fn a_handbook_that_contradicts_itself_is_refused_with_one_sentence() {
        let check = |front: &str, expected: &str| {
            let error = read(front).expect_err(front);
            assert!(error.contains(expected), "{error}");
        };
        check(
            "vips: [bob@evil.example]\nblocked: ['@evil.example']",
            "vips has bob@evil.example and blocked has @evil.example",
        );
        check("vips: ['@mail.evil.example']\nblocked: [x@mail.evil.example]", "it cannot be both");
        check("vips: ['@mail.evil.example']\nblocked: ['@evil.example']", "it cannot be both");
        check("vips: ['@rival_77']\nblocked: [Rival_77]", "it cannot be both");
        check("vips: ['+49 170-1']\nblocked: ['+491701']", "it cannot be both");
        check("signature: We guarantee it\nnever: [guarantee]", "signature has \"guarantee\"");
        check("languages: [en, en]", "languages has en twice");
        for language in ["English", "deu", "DE", "d"] {
            check(&format!("languages: [{language}]"), "two small letters");
        }
        check("working_hours: { days: [mon], from: '17:00', to: '09:00' }", "before they begin");
        check("working_hours: { days: [], from: '09:00', to: '17:00' }", "no days");
        check("working_hours: { days: [mon], from: 9, to: '17:00' }", "do not fit");
        check("working_hours: { days: [noday], from: '09:00', to: '17:00' }", "do not fit");
        check("payees: [{ name: A, iban: DE89370400440532013001 }]", "payees: \"A\"");
        check(
            "payees: [{ name: A, iban: DE89370400440532013000 }, { name: B, iban: DE89370400440532013000 }]",
            "same account",
        );
        check(
            "payees: [{ name: A, iban: DE89370400440532013000 }, { name: a, iban: GB82WEST12345698765432 }]",
            "twice",
        );
        check("never: ['*']", "no word");
        check("blocked: ['*']", "no address");
        check("signature: ' '", "signature is empty");
        check("vips: 5", "do not fit");
    }

    #[test]
    fn one_handle_or_number_in_any_spelling_is_one_sender() {
        let sender = |text: &str| Sender::try_from(text.to_owned());
        let check = |rule: &str, who: &str, expected: bool| {
            assert_eq!(sender(rule).expect(rule).is(who), expected, "{rule} {who}");
        };
        check("@rival_77", "rival_77", true);
        check("rival_77", "@Rival_77", true);
        check("@rival_77", "x@rival_77", false);
        check("+49 170 1", "+49 (170) 1", true);
        check("+491701", "49 170-1", true);
        check("+491701", "+491702", false);
        check("x7", "x7", true);
        assert!(sender("x").is_err() && sender("x y").is_err() && sender("+4").is_err());
    }

    #[test]
    fn the_owners_own_account_cannot_be_blocked() {
        let house = read("blocked: ['@example.com']").expect("a house");
        assert_eq!(house.against(&["owner@example.com"]).len(), 1);
        assert!(house.against(&["owner@example.org"]).is_empty());
    }

    #[test]
    fn payments_are_held_against_payees_and_ceilings() {
        let house = read(
            "payees: [{ name: Muster GmbH, iban: DE89370400440532013000 }]\nlimits: { payments: { EUR: { single: '500.00' } } }",
        )
        .expect("a house");
        let check = |payee: &str, iban: &str, amount: &str, currency: &str, expected: Option<&str>| {
            let payment = task::Payment {
                payee: payee.into(),
                iban: iban.into(),
                amount: amount.parse().expect("amount"),
                currency: currency.parse().expect("currency"),
                reference: "x".into(),
            };
            let got = house.against_payment(&payment);
            match expected {
                Some(part) => assert!(got.as_ref().is_some_and(|got| got.contains(part)), "{got:?}"),
                None => assert_eq!(got, None),
            }
        };
        check("muster gmbh.", "DE89370400440532013000", "500", "EUR", None);
        check("Muster GmbH", "DE89370400440532013000", "500.01", "EUR", Some("more than the 500.00"));
        check("Muster GmbH", "DE89370400440532013000", "5", "SEK", Some("nothing may be paid in SEK"));
        check("Muster GmbH", "GB82WEST12345698765432", "5", "EUR", Some("another account"));
        check("Other Ltd", "DE89370400440532013000", "5", "EUR", Some("knows this account"));
        check("Other Ltd", "GB82WEST12345698765432", "5", "EUR", Some("not among the payees"));
    }

    #[test]
    fn where_nobody_has_said_who_and_how_much_a_payment_raises_no_question() {
        let payment = task::Payment {
            payee: "Bob".into(),
            iban: "DE89370400440532013000".into(),
            amount: "5".parse().expect("amount"),
            currency: "SEK".parse().expect("currency"),
            reference: "x".into(),
        };
        assert_eq!(House::default().against_payment(&payment), None);
    }
}
