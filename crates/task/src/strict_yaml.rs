//! A gate before the YAML decoder: front matter is data from strangers, so everything that makes
//! YAML more than data is refused before a value is built from it.

use std::collections::HashSet;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// How deep front matter may nest.
pub const MAX_DEPTH: usize = 16;
/// How many nodes front matter may have.
pub const MAX_NODES: usize = 20_000;

/// Why a YAML text is refused, with its line (from 1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} in line {line}")]
pub struct Refusal {
    /// What was found.
    pub what: String,
    /// Line within the front matter, from 1.
    pub line: usize,
}

enum Open {
    List,
    Map { keys: HashSet<String>, key_next: bool },
}

/// Accepts one document of plain maps, lists and scalars, without anchors, aliases, tags,
/// duplicate keys or keys that are not scalars, within [`MAX_DEPTH`] and [`MAX_NODES`].
pub fn check(text: &str) -> Result<(), Refusal> {
    let mut stack: Vec<Open> = Vec::new();
    let mut nodes = 0_usize;
    let mut documents = 0_usize;
    // The decoder follows YAML 1.1, where these end a line; this parser follows 1.2, where they do
    // not. Both must see the same structure.
    let text = text.replace(['\u{85}', '\u{2028}', '\u{2029}'], "\n");
    for step in Parser::new_from_str(&text) {
        let (event, span) = step.map_err(|error| Refusal {
            what: format!("YAML that does not parse ({})", error.info()),
            line: error.marker().line(),
        })?;
        let line = span.start.line();
        let refuse = |what: &str| Err(Refusal { what: what.to_owned(), line });
        let (anchored, tagged) = match &event {
            Event::Scalar(_, _, anchor, tag) => (*anchor != 0, tag.is_some()),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                (*anchor != 0, tag.is_some())
            }
            Event::Alias(_) => return refuse("an alias"),
            _ => (false, false),
        };
        if anchored {
            return refuse("an anchor");
        }
        if tagged {
            return refuse("a tag");
        }
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return refuse("a second document");
                }
            }
            Event::Scalar(value, style, ..) => {
                nodes += 1;
                if let Some(Open::Map { keys, key_next }) = stack.last_mut() {
                    if *key_next {
                        if style == ScalarStyle::Plain && value == "<<" {
                            return refuse("a merge key");
                        }
                        if !keys.insert(value.clone().into_owned()) {
                            return refuse(&format!("the key {value:?} for the second time"));
                        }
                    }
                    *key_next = !*key_next;
                }
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                nodes += 1;
                if let Some(Open::Map { key_next, .. }) = stack.last_mut() {
                    if *key_next {
                        return refuse("a key that is no plain text");
                    }
                    *key_next = true;
                }
                stack.push(match event {
                    Event::MappingStart(..) => Open::Map { keys: HashSet::new(), key_next: true },
                    _ => Open::List,
                });
                if stack.len() > MAX_DEPTH {
                    return refuse("nesting that is too deep");
                }
            }
            Event::SequenceEnd | Event::MappingEnd => {
                stack.pop();
            }
            _ => {}
        }
        if nodes > MAX_NODES {
            return refuse("more values than a task has");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_data_passes() {
        assert_eq!(check("a: 1\nb: [x, y]\nc:\n  d: |\n    &not an anchor\n    *nor this\ne: '*'\n"), Ok(()));
    }

    #[test]
    fn everything_else_is_refused() {
        let check = |text: &str, what: &str| {
            let refusal = super::check(text).expect_err(text);
            assert!(refusal.to_string().contains(what), "{refusal}");
        };
        check("a: &x 1\nb: 2", "an anchor");
        check("a: &x 1\nb: *x", "an anchor");
        check("a: !!str 1", "a tag");
        check("a: !x {b: 1}", "a tag");
        check("a: 1\na: 2", "second time");
        check("a: {b: 1, 'b': 2}", "second time");
        check("<<: {a: 1}", "a merge key");
        check("? [a, b]\n: 1", "no plain text");
        check("a: 1\n---\nb: 2", "a second document");
        check("a: x\u{2028}b: &y 1", "an anchor");
        check("a: [", "does not parse");
        check(&format!("a: {}{}", "[".repeat(40), "]".repeat(40)), "too deep");
        check(&"- 1\n".repeat(30_000), "more values");
    }
}
