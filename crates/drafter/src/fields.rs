//! Named values that a task carries: keys of the front matter, or `Name: value` lines of its
//! text. What is said twice, differently, is not taken.

use serde_yaml::Value;
use task::{Amount, Currency, Task};

use crate::message::original;
use crate::text::line;

/// The named values of one task.
pub(crate) struct Fields {
    pairs: Vec<(String, Found)>,
}

#[derive(Clone, PartialEq, Debug)]
enum Found {
    Text(String),
    /// A number with a point in YAML: its digits are no longer as they were written.
    Float,
    Lines(Vec<Value>),
}

/// Why a value is not taken; reads on after the value's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Lack {
    Missing,
    Unfit(String),
}

impl std::fmt::Display for Lack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Lack::Missing => f.write_str("is missing"),
            Lack::Unfit(why) => f.write_str(why),
        }
    }
}

impl Fields {
    pub(crate) fn of(task: &Task) -> Self {
        let mut pairs = Vec::new();
        for (key, value) in &task.front.extra {
            let found = match value {
                Value::String(text) => Found::Text(line(text, 500)),
                Value::Number(number) if number.is_f64() => Found::Float,
                Value::Number(number) => Found::Text(number.to_string()),
                Value::Sequence(list) => Found::Lines(list.clone()),
                _ => continue,
            };
            pairs.push((normal(key), found));
        }
        for text_line in original(task).lines() {
            let bare = text_line.trim().trim_start_matches(['-', '*', '#', '>', '|']).replace("**", "");
            if let Some((key, value)) = bare.split_once(':') {
                let (key, value) = (normal(key), line(value, 500));
                if key.len() <= 30 && !value.is_empty() {
                    pairs.push((key, Found::Text(value)));
                }
            }
        }
        Self { pairs }
    }

    fn all<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a Found> {
        self.pairs.iter().filter(|(key, _)| names.contains(&key.as_str())).map(|(_, found)| found)
    }

    /// The one text under any of `names`.
    pub(crate) fn text(&self, names: &[&str]) -> Result<String, Lack> {
        let mut said: Option<&str> = None;
        for found in self.all(names) {
            match (found, said) {
                (Found::Text(text), None) => said = Some(text),
                (Found::Text(text), Some(other)) if text == other => {}
                (Found::Text(text), Some(other)) => {
                    return Err(Lack::Unfit(format!("is said twice, as {other:?} and as {text:?}")));
                }
                (Found::Float, _) => {
                    return Err(Lack::Unfit("is a number without quotes; write it as \"1250.00\"".into()));
                }
                (Found::Lines(_), _) => return Err(Lack::Unfit("is a list".into())),
            }
        }
        said.map(str::to_owned).ok_or(Lack::Missing)
    }

    /// The list under any of `names`.
    pub(crate) fn list(&self, names: &[&str]) -> Option<&[Value]> {
        self.pairs.iter().find_map(|(key, found)| match found {
            Found::Lines(list) if names.contains(&key.as_str()) => Some(list.as_slice()),
            _ => None,
        })
    }
}

fn normal(key: &str) -> String {
    key.trim().to_lowercase().replace(['-', ' '], "_")
}

/// An amount as people write it, and the currency if it stands beside it: `1250.00`,
/// `EUR 1,250.00`, `1.250,00 €`. What can be read in two ways (`1.250`) is refused.
pub(crate) fn money(text: &str) -> Result<(Amount, Option<Currency>), Lack> {
    let unfit = || Lack::Unfit(format!("{text:?} is no amount such as 1250.00"));
    let mut currency = None;
    let mut figure = String::new();
    for word in text.replace('€', " EUR ").replace('£', " GBP ").split_whitespace() {
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            figure.push_str(word);
        } else if currency.is_none() {
            currency = Some(word.parse::<Currency>().map_err(|_| unfit())?);
        } else {
            return Err(unfit());
        }
    }
    let plain = match figure.rfind([',', '.']) {
        None => figure,
        Some(at) => {
            let (whole, fraction) = (&figure[..at], &figure[at + 1..]);
            let separator = &figure[at..=at];
            let groups: Vec<&str> = whole.split([',', '.']).collect();
            let grouped = groups.len() > 1
                && !whole.contains(separator)
                && groups[0].len() <= 3
                && groups[1..].iter().all(|group| group.len() == 3);
            if fraction.len() == 3 || !matches!(fraction.len(), 1 | 2 | 4) {
                return Err(Lack::Unfit(format!("{text:?} can be read in two ways; write it as 1250.00")));
            }
            if groups.len() > 1 && !grouped {
                return Err(unfit());
            }
            format!("{}.{fraction}", groups.concat())
        }
    };
    plain.parse().map(|amount| (amount, currency)).map_err(|_| unfit())
}

#[cfg(test)]
mod tests {
    use task::{Body, FrontMatter};

    use super::*;

    fn fields(yaml: &str, text: &str) -> Fields {
        let now = "2026-02-23T03:15:00Z".parse().expect("time");
        let mut front = FrontMatter::new("PAYMENT_1".parse().expect("id"), now);
        front.extra = serde_yaml::from_str(yaml).expect("yaml");
        Fields::of(&Task::new(front, Body::of_original(text).to_markdown()))
    }

    #[test]
    fn a_value_comes_from_front_matter_or_text_and_is_said_once() {
        let check = |yaml: &str, text: &str, expected: Result<&str, &str>| {
            let got = fields(yaml, text).text(&["amount", "betrag"]).map_err(|lack| lack.to_string());
            match expected {
                Ok(value) => assert_eq!(got.as_deref(), Ok(value)),
                Err(part) => assert!(got.as_ref().is_err_and(|lack| lack.contains(part)), "{got:?}"),
            }
        };
        check("amount: '12.50'", "", Ok("12.50"));
        check("{}", "Hello\n- **Betrag**: 12,50 EUR\n", Ok("12,50 EUR"));
        check("amount: 12", "Amount: 12", Ok("12"));
        check("amount: '12.50'", "Amount: 13.50", Err("said twice"));
        check("amount: 12.50", "", Err("without quotes"));
        check("{}", "nothing", Err("is missing"));
    }

    #[test]
    fn amounts_that_can_be_read_in_two_ways_are_refused() {
        let check = |text: &str, expected: Option<(&str, Option<&str>)>| {
            let got =
                money(text).ok().map(|(amount, currency)| (amount.to_string(), currency.map(String::from)));
            assert_eq!(got, expected.map(|(a, c)| (a.to_owned(), c.map(str::to_owned))), "{text}");
        };
        check("1250.00", Some(("1250.00", None)));
        check("1250", Some(("1250", None)));
        check("EUR 1,250.00", Some(("1250.00", Some("EUR"))));
        check("1.250,00 €", Some(("1250.00", Some("EUR"))));
        check("1.234.567,89 EUR", Some(("1234567.89", Some("EUR"))));
        check("£12.5", Some(("12.5", Some("GBP"))));
        check("1.250", None);
        check("1,250", None);
        check("1.25.00", None);
        check("12.345,00,1", None);
        check("-5.00", None);
        check("five", None);
        check("5 EUR USD", None);
    }
}
