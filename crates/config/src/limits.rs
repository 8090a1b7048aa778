//! `limits:`

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use task::{Amount, Call, Currency};

/// `limits:`; what may leave within any 60 minutes and any 24 hours, whatever was signed. What
/// goes beyond is not carried out: it waits, or goes back to the owner.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Messages to one address or number, in 24 hours.
    pub per_recipient_per_day: u32,
    /// Addresses and numbers that were never written to before, in 24 hours.
    pub first_contacts_per_day: u32,
    /// Calls of one tool that acts, in 60 minutes.
    pub tool_per_hour: u32,
    /// Calls of one tool that acts, in 24 hours.
    pub tool_per_day: u32,
    /// Other numbers for single tools, by name.
    pub tools: BTreeMap<String, ToolLimit>,
    /// What may be paid, by currency. There is no payment in a currency that is not here.
    pub payments: BTreeMap<Currency, Ceiling>,
}

/// `limits.tools.<tool>:`; what is absent is as for every tool.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ToolLimit {
    /// Calls in 60 minutes.
    pub per_hour: Option<u32>,
    /// Calls in 24 hours.
    pub per_day: Option<u32>,
}

/// `limits.payments.<currency>:`; all three have to be said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// The largest single payment.
    pub single: Amount,
    /// All payments in 24 hours.
    pub per_day: Amount,
    /// All payments to one account in 24 hours.
    pub per_payee_per_day: Amount,
}

impl Default for Limits {
    fn default() -> Self {
        #[expect(clippy::unwrap_used, reason = "constants that fit the rule")]
        let amount = |text: &str| text.parse::<Amount>().unwrap();
        let ceiling = Ceiling {
            single: amount("2500.00"),
            per_day: amount("5000.00"),
            per_payee_per_day: amount("2500.00"),
        };
        let currencies = ["EUR", "USD", "GBP", "CHF"].iter().filter_map(|code| code.parse().ok());
        Self {
            per_recipient_per_day: 10,
            first_contacts_per_day: 20,
            tool_per_hour: 30,
            tool_per_day: 200,
            tools: BTreeMap::new(),
            payments: currencies.map(|currency| (currency, ceiling)).collect(),
        }
    }
}

impl Limits {
    /// The default with every optional part present.
    pub(crate) fn sample() -> Self {
        let limit = ToolLimit { per_hour: Some(5), per_day: Some(20) };
        Self { tools: [("send_whatsapp".to_owned(), limit)].into(), ..Self::default() }
    }

    /// What the types alone cannot say; the error is a fragment.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.tools.keys().find(|name| !Call::NAMES.contains(&name.as_str())) {
            Some(name) => {
                Err(format!("limits.tools has the unknown tool {name:?}; one of {}", Call::NAMES.join(", ")))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    #[test]
    fn a_misspelled_tool_or_a_ceiling_with_a_gap_is_no_configuration() {
        let check = |text: &str, expected: &str| {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.contains(expected), "{message}");
        };
        check("limits:\n  tools:\n    send_mail: { per_day: 5 }\n", "unknown tool \"send_mail\"");
        check("limits:\n  payments:\n    EUR: { single: \"5.00\" }\n", "per_day");
        check(
            "limits:\n  payments:\n    EUR: { single: 1e3, per_day: \"5\", per_payee_per_day: \"5\" }\n",
            "does not fit",
        );
        check(
            "limits:\n  payments:\n    euro: { single: \"5\", per_day: \"5\", per_payee_per_day: \"5\" }\n",
            "currency",
        );
        check("limits:\n  tool_per_hour: -1\n", "does not fit");
    }

    #[test]
    fn payments_that_are_named_replace_the_default_ones() {
        let text =
            "limits:\n  payments:\n    SEK: { single: \"5\", per_day: \"5\", per_payee_per_day: \"5\" }\n";
        let limits = parse(text).expect("limits").limits;
        assert_eq!(limits.payments.keys().map(ToString::to_string).collect::<Vec<_>>(), ["SEK"]);
        assert_eq!(limits.tool_per_day, 200);
    }
}
