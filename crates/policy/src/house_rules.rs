//! The rules in the handbook's YAML front matter: it may lower what `config.yaml` allows under
//! `limits`, where what would raise a limit has no effect and is said, and it says how drafts are written
//! ([`House`]).
//!
//! ```text
//! ---
//! limits:
//!   per_recipient_per_day: 3
//!   tools: { send_whatsapp: { per_day: 5 } }
//!   payments: { EUR: { single: "500.00" } }
//! signature: "Kind regards, Jane"
//! blocked: ["@spam.example"]
//! ---
//! # Company handbook
//! ```

use std::collections::{BTreeMap, BTreeSet};

use config::{Ceiling, Limits, ToolLimit};
use serde::Deserialize;
use task::{Amount, Call, Currency, excerpt, strict_yaml};

use crate::House;

/// What a handbook says of limits and of drafting.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct HouseRules {
    lowered: Lowered,
    house: House,
    /// Keys of the front matter that are no rules of this program, such as an editor's tags.
    pub unknown: Vec<String>,
}

/// Why the front matter of a handbook cannot be read. Nothing is taken from such a handbook.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HouseRulesError {
    /// It begins and does not end.
    #[error("front matter of the handbook begins with --- and has no line --- that ends it")]
    Open,
    /// It is no plain data.
    #[error("front matter of the handbook has {0}")]
    Yaml(String),
    /// Its rules do not fit.
    #[error("rules in the handbook do not fit: {0}")]
    Rules(String),
    /// They contradict each other.
    #[error("rules in the handbook contradict each other: {}", .0.join("; "))]
    Contradiction(Vec<String>),
}

/// What is left of the limits under a handbook.
#[derive(Clone, PartialEq, Debug)]
pub struct Tightened {
    /// The limits that count.
    pub limits: Limits,
    /// What the handbook lowers, one sentence each.
    pub lowered: Vec<String>,
    /// What has no effect, one sentence each.
    pub ignored: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Lowered {
    per_recipient_per_day: Option<u32>,
    first_contacts_per_day: Option<u32>,
    tool_per_hour: Option<u32>,
    tool_per_day: Option<u32>,
    tools: BTreeMap<String, ToolLimit>,
    payments: BTreeMap<Currency, LoweredCeiling>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LoweredCeiling {
    single: Option<Amount>,
    per_day: Option<Amount>,
    per_payee_per_day: Option<Amount>,
}

/// A handbook's front matter, if it has any, and the words below it.
fn split(handbook: &str) -> Result<(Option<&str>, &str), HouseRulesError> {
    let text = handbook.strip_prefix('\u{feff}').unwrap_or(handbook);
    let mut at = 0;
    let mut begin = None;
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        match (begin, line.trim_end() == "---") {
            (None, true) => begin = Some(end),
            (None, false) => return Ok((None, handbook)),
            (Some(begin), true) => return Ok((Some(&text[begin..at]), &text[end..])),
            (Some(_), false) => {}
        }
        at = end;
    }
    if begin.is_some() { Err(HouseRulesError::Open) } else { Ok((None, handbook)) }
}

impl HouseRules {
    /// Reads the rules of a handbook. One without front matter has none.
    pub fn read(handbook: &str) -> Result<Self, HouseRulesError> {
        let (Some(yaml), _) = split(handbook)? else { return Ok(Self::default()) };
        strict_yaml::check(yaml).map_err(|refusal| HouseRulesError::Yaml(excerpt(&refusal.to_string())))?;
        let unfit = |error: serde_yaml::Error| HouseRulesError::Rules(excerpt(&error.to_string()));
        let keys: Option<BTreeMap<String, serde_yaml::Value>> = serde_yaml::from_str(yaml).map_err(unfit)?;
        let mut rules = Self::default();
        let mut house = serde_yaml::Mapping::new();
        for (key, value) in keys.unwrap_or_default() {
            if key == "limits" {
                rules.lowered = serde_yaml::from_value(value).map_err(unfit)?;
            } else if Self::DRAFTING.contains(&key.as_str()) {
                house.insert(key.into(), value);
            } else {
                rules.unknown.push(excerpt(&key));
            }
        }
        rules.house = serde_yaml::from_value(serde_yaml::Value::Mapping(house)).map_err(unfit)?;
        let against = rules.house.settle();
        if !against.is_empty() {
            return Err(HouseRulesError::Contradiction(against));
        }
        match rules.lowered.tools.keys().find(|name| !Call::NAMES.contains(&name.as_str())) {
            Some(name) => Err(HouseRulesError::Rules(format!(
                "limits.tools has the unknown tool {:?}; one of {}",
                excerpt(name),
                Call::NAMES.join(", ")
            ))),
            None => Ok(rules),
        }
    }

    /// The keys of the front matter that drafting obeys.
    pub const DRAFTING: [&str; 8] =
        ["tone", "signature", "languages", "working_hours", "vips", "blocked", "payees", "never"];

    /// The rules for drafting, with what one payment may be under `limits` and these rules.
    pub fn house(&self, limits: &Limits) -> House {
        House { ceilings: self.tighten(limits).limits.payments, ..self.house.clone() }
    }

    /// A handbook's words without its front matter; all of it when that cannot be read.
    pub fn words(handbook: &str) -> &str {
        split(handbook).map_or(handbook, |(_, words)| words)
    }

    /// What an owner says in a handbook: its words, and the lines of its front matter that are no comments. The sample's
    /// examples are comments, and a payee who stands in one is nobody that this owner knows.
    pub fn said(handbook: &str) -> String {
        let (front, words) = split(handbook).unwrap_or((None, handbook));
        let rules = front.unwrap_or_default().lines().filter_map(|line| {
            let rule = line.split(" #").next().unwrap_or_default();
            (!rule.trim_start().starts_with('#')).then_some(rule)
        });
        rules.chain([words]).collect::<Vec<_>>().join("\n")
    }

    /// The limits under these rules: each is the lower of the two.
    pub fn tighten(&self, limits: &Limits) -> Tightened {
        let mut sieve = Sieve::default();
        let lowered = &self.lowered;
        let mut tight = limits.clone();
        for (slot, rule, name) in [
            (&mut tight.per_recipient_per_day, lowered.per_recipient_per_day, "per_recipient_per_day"),
            (&mut tight.first_contacts_per_day, lowered.first_contacts_per_day, "first_contacts_per_day"),
            (&mut tight.tool_per_hour, lowered.tool_per_hour, "tool_per_hour"),
            (&mut tight.tool_per_day, lowered.tool_per_day, "tool_per_day"),
        ] {
            sieve.lower(slot, rule, &format!("limits.{name}"));
        }
        let (hour, day) = (tight.tool_per_hour, tight.tool_per_day);
        let named: BTreeSet<&String> = limits.tools.keys().chain(lowered.tools.keys()).collect();
        for tool in named {
            let own = limits.tools.get(tool).copied().unwrap_or_default();
            let rule = lowered.tools.get(tool).copied().unwrap_or_default();
            // A handbook's word on every tool holds for those that config.yaml names, too.
            let least = |own: Option<u32>, every: u32, all: Option<u32>| {
                let own = own.unwrap_or(every);
                all.map_or(own, |all| own.min(all))
            };
            let mut per_hour = least(own.per_hour, hour, lowered.tool_per_hour);
            let mut per_day = least(own.per_day, day, lowered.tool_per_day);
            sieve.lower(&mut per_hour, rule.per_hour, &format!("limits.tools.{tool}.per_hour"));
            sieve.lower(&mut per_day, rule.per_day, &format!("limits.tools.{tool}.per_day"));
            tight.tools.insert(tool.clone(), ToolLimit { per_hour: Some(per_hour), per_day: Some(per_day) });
        }
        for (currency, rule) in &lowered.payments {
            let Some(Ceiling { single, per_day, per_payee_per_day }) = tight.payments.get_mut(currency)
            else {
                sieve.ignored.push(format!(
                    "limits.payments.{currency}: config.yaml allows no payment in {currency} at all"
                ));
                continue;
            };
            for (slot, rule, name) in [
                (single, rule.single, "single"),
                (per_day, rule.per_day, "per_day"),
                (per_payee_per_day, rule.per_payee_per_day, "per_payee_per_day"),
            ] {
                sieve.lower(slot, rule, &format!("limits.payments.{currency}.{name}"));
            }
        }
        let unknown = self.unknown.iter().map(|key| format!("{key}: no rule of this program"));
        sieve.ignored.extend(unknown);
        Tightened { limits: tight, lowered: sieve.lowered, ignored: sieve.ignored }
    }
}

/// Lets through what is lower.
#[derive(Default)]
struct Sieve {
    lowered: Vec<String>,
    ignored: Vec<String>,
}

impl Sieve {
    fn lower<T: PartialOrd + Copy + std::fmt::Display>(&mut self, slot: &mut T, rule: Option<T>, key: &str) {
        let Some(rule) = rule else { return };
        if rule < *slot {
            self.lowered.push(format!("{key}: {rule} in place of {slot}"));
            *slot = rule;
        } else if rule > *slot {
            self.ignored.push(format!(
                "{key}: {rule} would allow more than the {slot} that hold; a handbook can only lower"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits() -> Limits {
        Limits {
            tools: [("send_whatsapp".to_owned(), ToolLimit { per_hour: Some(9), per_day: None })].into(),
            ..Limits::default()
        }
    }

    fn tightened(front: &str) -> Tightened {
        HouseRules::read(&format!("---\n{front}\n---\n# Handbook\n")).expect(front).tighten(&limits())
    }

    #[test]
    fn an_example_in_the_sample_is_not_what_the_owner_says() {
        let handbook = "---\n# payees: [{ name: Muster GmbH }]\nvips: [alice@example.com]   # not bob@example.com\n---\n# Ours\n\nWe pay Weber.\n";
        let said = HouseRules::said(handbook);
        for (word, is) in
            [("Muster", false), ("alice@", true), ("bob@", false), ("Weber", true), ("# Ours", true)]
        {
            assert_eq!(said.contains(word), is, "{word}: {said}");
        }
        assert_eq!(HouseRules::said("We pay Weber.\n"), "We pay Weber.\n");
    }

    #[test]
    fn a_handbook_without_rules_changes_nothing() {
        for text in
            ["", "# Handbook", "\n---\nlimits: {}\n---\n", "---\n---\n", "---\n# only a remark\n---\nx"]
        {
            let tight = HouseRules::read(text).expect(text).tighten(&limits());
            let limits = limits();
            assert_eq!((tight.limits.tool_per_day, tight.ignored.len()), (limits.tool_per_day, 0), "{text}");
            assert_eq!(tight.limits.payments, limits.payments);
        }
        assert_eq!(HouseRules::words("---\nlimits: {}\n---\r\n# Handbook\n"), "# Handbook\n");
        assert_eq!(HouseRules::words("# Handbook\n---\n"), "# Handbook\n---\n");
    }

    #[test]
    fn rules_lower_and_never_raise() {
        let tight = tightened(
            "limits:\n  per_recipient_per_day: 3\n  first_contacts_per_day: 500\n  tool_per_hour: 7\n  \
             tools: { send_email: { per_day: 5, per_hour: 8 }, send_whatsapp: { per_day: 900 } }\n  \
             payments: { EUR: { single: \"500.00\", per_day: \"9999\" }, SEK: { single: \"1\" } }\n\
             tags: [company]",
        );
        let limits = &tight.limits;
        assert_eq!((limits.per_recipient_per_day, limits.first_contacts_per_day), (3, 20));
        assert_eq!(limits.tools["send_email"], ToolLimit { per_hour: Some(7), per_day: Some(5) });
        // The owner's 9 for this tool gives way to the handbook's 7 for every tool.
        assert_eq!(limits.tools["send_whatsapp"], ToolLimit { per_hour: Some(7), per_day: Some(200) });
        let euro = &limits.payments[&"EUR".parse().expect("currency")];
        assert_eq!((euro.single.to_string(), euro.per_day.to_string()), ("500.00".into(), "5000.00".into()));
        assert_eq!(limits.payments.len(), 4, "no currency is added");
        assert_eq!(tight.lowered.len(), 4, "{:?}", tight.lowered);
        for part in [
            "first_contacts_per_day: 500",
            "send_email.per_hour: 8",
            "send_whatsapp.per_day: 900",
            "EUR.per_day: 9999",
            "SEK",
            "tags",
        ] {
            assert!(tight.ignored.iter().any(|line| line.contains(part)), "{part}: {:?}", tight.ignored);
        }
    }

    #[test]
    fn a_rule_that_says_what_holds_anyway_is_not_said_to_change_anything() {
        let tight = tightened("limits: { tool_per_day: 200, payments: { EUR: { per_day: '5000' } } }");
        assert_eq!((tight.lowered, tight.ignored), (Vec::new(), Vec::new()));
        assert_eq!(tight.limits.tool_per_day, limits().tool_per_day);
    }

    #[test]
    fn what_cannot_be_read_is_no_handbook() {
        let check = |text: &str, expected: &str| {
            let error = HouseRules::read(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("---\nlimits: {}\n# no end", "no line ---");
        check("---\nlimits: { per_recipient_per_day: 3, per_recipient_per_day: 300 }\n---\n", "second time");
        check("---\nlimits: {}\nlimits: {}\n---\n", "second time");
        check("---\nlimits: &x { per_recipient_per_day: 3 }\n---\n", "an anchor");
        check("---\nlimits: { per_recipient: 3 }\n---\n", "unknown field");
        check("---\nlimits: { tools: { send_mail: { per_day: 1 } } }\n---\n", "unknown tool");
        check("---\nlimits: { tools: { send_email: { per_week: 1 } } }\n---\n", "unknown field");
        check("---\nlimits: { payments: { EUR: { single: -1 } } }\n---\n", "do not fit");
        check("---\nlimits: { per_recipient_per_day: -3 }\n---\n", "do not fit");
        check("---\nlimits: 5\n---\n", "do not fit");
        check("---\n- limits\n---\n", "do not fit");
    }

    proptest! {
        /// Whatever a handbook says: no limit is higher than without it.
        #[test]
        fn invariant_a_handbook_never_loosens(numbers in proptest::collection::vec(proptest::option::of(0_u32..400), 9), euro in proptest::option::of(0_u32..9_000)) {
            let mut text = String::from("limits:\n  tool_per_day: 300\n");
            let keys = ["per_recipient_per_day", "first_contacts_per_day", "tool_per_hour"];
            for (key, number) in keys.iter().zip(&numbers) {
                if let Some(number) = number { text.push_str(&format!("  {key}: {number}\n")); }
            }
            text.push_str("  tools:\n    post_twitter: {}\n");
            for (tool, at) in [("send_email", 3), ("send_whatsapp", 5), ("initiate_payment", 7)] {
                if let (Some(hour), Some(day)) = (numbers[at], numbers[at + 1]) {
                    text.push_str(&format!("    {tool}: {{ per_hour: {hour}, per_day: {day} }}\n"));
                }
            }
            if let Some(euro) = euro {
                text.push_str(&format!("  payments:\n    EUR: {{ single: '{euro}', per_day: '{euro}', per_payee_per_day: '{euro}' }}\n"));
            }
            let (base, tight) = (limits(), tightened(&text).limits);
            prop_assert!(tight.per_recipient_per_day <= base.per_recipient_per_day);
            prop_assert!(tight.first_contacts_per_day <= base.first_contacts_per_day);
            for tool in Call::NAMES {
                let (before, after) = (crate::governor::tool_limits(&base, tool), crate::governor::tool_limits(&tight, tool));
                prop_assert!(after.0 <= before.0 && after.1 <= before.1, "{tool}: {before:?} {after:?}");
            }
            for (currency, ceiling) in &tight.payments {
                let before = &base.payments[currency];
                prop_assert!(ceiling.single <= before.single && ceiling.per_day <= before.per_day);
                prop_assert!(ceiling.per_payee_per_day <= before.per_payee_per_day);
            }
        }
    }
}
