//! Where in a YAML text each value stands, in characters.

use saphyr_parser::{Event, Parser, Span};

/// A value with its place.
pub(super) struct Node {
    pub(super) start: usize,
    /// Behind its last character; the end of a block is that of its last value.
    pub(super) end: usize,
    /// Of a scalar.
    pub(super) text: Option<String>,
    pub(super) kind: Kind,
}

/// What kind of value.
pub(super) enum Kind {
    Scalar,
    Map { flow: bool, entries: Vec<(Node, Node)> },
    List { flow: bool, items: Vec<Node> },
}

impl Node {
    /// Whether nothing stands there.
    pub(super) fn is_absent(&self) -> bool {
        self.start == self.end && self.text.as_deref() == Some("")
    }
}

/// The top of a document; `Some(None)` where there is none, `None` for what has anchors, tags or another document.
pub(super) fn read(text: &str) -> Option<Option<Node>> {
    let chars: Vec<char> = text.chars().collect();
    let mut events = Vec::new();
    for step in Parser::new_from_str(text) {
        let (event, span) = step.ok()?;
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(false) | Event::DocumentEnd => {}
            Event::Alias(_) | Event::DocumentStart(true) => return None,
            event => events.push((event, span)),
        }
    }
    let mut events = events.into_iter();
    let Some(first) = events.next() else { return Some(None) };
    let root = node(first, &mut events, &chars)?;
    match (&root.kind, events.next()) {
        (Kind::Map { .. }, None) => Some(Some(root)),
        (Kind::Scalar, None) if root.text.as_deref() == Some("") => Some(None),
        _ => None,
    }
}

fn node<'a>(
    (event, span): (Event<'a>, Span),
    events: &mut impl Iterator<Item = (Event<'a>, Span)>,
    chars: &[char],
) -> Option<Node> {
    let start = span.start.index();
    match event {
        Event::Scalar(text, _, 0, None) => {
            // A plain one ends before the blanks and the comment that follow it.
            let whole: String = chars.get(start..span.end.index())?.iter().collect();
            let ink = whole.trim_end();
            // Over several lines it may have comments within; it stays what it is.
            let end = if ink.contains('\n') { span.end.index() } else { start + ink.chars().count() };
            Some(Node { start, end, text: Some(text.into_owned()), kind: Kind::Scalar })
        }
        Event::MappingStart(0, None) => {
            let flow = chars.get(start) == Some(&'{');
            let mut entries: Vec<(Node, Node)> = Vec::new();
            loop {
                match events.next()? {
                    (Event::MappingEnd, span) => {
                        let last = entries.last().map(|(key, value)| value.end.max(key.end));
                        let end = if flow { closed(span, chars, '}')? } else { last? };
                        return Some(Node { start, end, text: None, kind: Kind::Map { flow, entries } });
                    }
                    key => {
                        let key = node(key, events, chars)?;
                        let mut value = node(events.next()?, events, chars)?;
                        if value.text.as_deref() == Some("") && value.start == value.end {
                            // Nothing stands behind the colon; where the parser noticed that is no place.
                            (value.start, value.end) = (key.end, key.end);
                        }
                        entries.push((key, value));
                    }
                }
            }
        }
        Event::SequenceStart(0, None) => {
            let flow = chars.get(start) == Some(&'[');
            let mut items = Vec::new();
            loop {
                match events.next()? {
                    (Event::SequenceEnd, span) => {
                        let last = items.last().map(|item: &Node| item.end);
                        let end = if flow { closed(span, chars, ']')? } else { last? };
                        return Some(Node { start, end, text: None, kind: Kind::List { flow, items } });
                    }
                    item => items.push(node(item, events, chars)?),
                }
            }
        }
        _ => None,
    }
}

/// Behind the bracket that ends a flow. The parser has read on when it says so, past a comment.
fn closed(span: Span, chars: &[char], bracket: char) -> Option<usize> {
    let start = span.start.index();
    (chars.get(start) == Some(&bracket)).then_some(start + 1)
}
