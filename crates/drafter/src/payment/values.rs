//! Where a task says what: the keys of its front matter, and the `Name: value` lines of its text.

use serde_yaml::Value;
use task::{Body, Task};

use super::plain::label;
use super::{AMOUNT, CURRENCY, IBAN, PAYEE, REFERENCE};

/// Everything that a task says.
pub(super) struct Values {
    front: Vec<(String, Said)>,
    lines: Vec<(String, String)>,
    /// All words: subject, text, notes, and front matter that has no meaning of its own here.
    pub(super) text: String,
    /// What shows that something was cut off, a question each.
    pub(super) cut: Vec<String>,
}

/// A value in front matter.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Said {
    Text(String),
    /// A number with a point in YAML: its digits are no longer as they were written.
    Float,
    Other,
}

/// How programs say that there was more.
const CUTS: &[&str] = &["[the rest was cut]", "[cut here]", "[…]", "[...]", "[truncated]", "[gekürzt]"];

impl Values {
    pub(super) fn of(task: &Task) -> Self {
        let known: Vec<&str> = [PAYEE, IBAN, AMOUNT, CURRENCY, REFERENCE].concat();
        let mut front = Vec::new();
        let mut text = format!("{}\n\n", task.front.subject.as_deref().unwrap_or_default());
        for (key, value) in &task.front.extra {
            let key = label(key);
            let said = match value {
                Value::String(text) => Said::Text(text.clone()),
                Value::Number(number) if number.is_f64() => Said::Float,
                Value::Number(number) => Said::Text(number.to_string()),
                _ => Said::Other,
            };
            match said {
                said if known.contains(&key.as_str()) => front.push((key, said)),
                Said::Text(words) => text.push_str(&format!("{key}: {words}\n\n")),
                Said::Float | Said::Other => {}
            }
        }
        let body = Body::parse(&task.body);
        for part in [body.original, body.notes].into_iter().flatten() {
            text.push_str(&part);
            text.push_str("\n\n");
        }
        let mut lines = Vec::new();
        for line in text.lines() {
            let Some((key, value)) = line.split_once([':', '=']) else { continue };
            let value = value.trim().trim_matches(['*', '|']).trim();
            if !value.is_empty() {
                lines.push((label(key), value.to_owned()));
            }
        }
        let mut cut: Vec<String> = Vec::new();
        let lower = text.to_lowercase();
        if CUTS.iter().any(|mark| lower.contains(mark)) || text.trim_end().ends_with('…') {
            cut.push("the text was cut off: what stands in the rest?".into());
        }
        let of_front = front.iter().filter_map(|(key, said)| match said {
            Said::Text(text) => Some((key, text)),
            Said::Float | Said::Other => None,
        });
        let of_lines =
            lines.iter().filter(|(key, _)| known.contains(&key.as_str())).map(|(key, value)| (key, value));
        for (key, value) in of_front.chain(of_lines) {
            if value.trim_end().ends_with(['…']) || value.trim_end().ends_with("...") {
                cut.push(format!("{key} was cut off: how does it go on?"));
            }
        }
        Self { front, lines, text, cut }
    }

    /// What front matter says under `names`; the error reads on after the value's name.
    pub(super) fn front(&self, names: &[&str]) -> Result<Vec<String>, String> {
        let all = self.front.iter().filter(|(key, _)| names.contains(&key.as_str()));
        all.map(|(_, said)| match said {
            Said::Text(text) => Ok(text.clone()),
            Said::Float => Err("is a number without quotes; write it as \"1250.00\"".to_owned()),
            Said::Other => Err("is no text".to_owned()),
        })
        .collect()
    }

    /// What lines of the text say under `names`.
    pub(super) fn text_of(&self, names: &[&str]) -> Vec<String> {
        self.lines
            .iter()
            .filter(|(key, _)| names.contains(&key.as_str()))
            .map(|(_, value)| value.clone())
            .collect()
    }
}
