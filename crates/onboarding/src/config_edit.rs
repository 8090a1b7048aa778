//! A YAML text, changed in place: comments, order and layout stay.
//!
//! One value at a time is brought to what it is to be, and the text is read anew in between. Whoever calls this holds the
//! outcome against what was wanted; a text for which there is no such edit is given back as `None`.

mod tree;

use serde_yaml::{Mapping, Value};

use self::tree::{Kind, Node};

/// More edits than one configuration has keys.
const MOST: usize = 500;
/// How deep values are changed one by one; deeper ones are written anew.
const DEEPEST: usize = 4;

/// Characters `from..to` become `by`.
struct Edit {
    from: usize,
    to: usize,
    by: String,
}

/// `text`, changed until it says `target`.
pub(crate) fn edited(text: &str, target: &Mapping) -> Option<String> {
    let mut text = text.to_owned();
    for _ in 0..MOST {
        let now: Value = serde_yaml::from_str(&text).ok()?;
        let empty = Mapping::new();
        let now = match &now {
            Value::Mapping(now) => now,
            Value::Null => &empty,
            _ => return None,
        };
        if now == target {
            return Some(text);
        }
        let chars: Vec<char> = text.chars().collect();
        let edit = match tree::read(&text)? {
            Some(root) => step(&chars, &root, now, target, 0)?,
            None => append(&chars, target.iter().next()?)?,
        };
        let mut new: String = chars.get(..edit.from)?.iter().collect();
        new.push_str(&edit.by);
        new.extend(chars.get(edit.to..)?);
        text = new;
    }
    None
}

/// The first edit that brings a mapping closer to what it is to be.
fn step(text: &[char], node: &Node, now: &Mapping, target: &Mapping, depth: usize) -> Option<Edit> {
    let Kind::Map { flow, entries } = &node.kind else { return None };
    for (name, wanted) in target {
        let Some(old) = now.get(name) else {
            return match (depth, flow) {
                (0, false) => append(text, (name, wanted)),
                _ => insert(text, node, name, wanted),
            };
        };
        if old == wanted {
            continue;
        }
        let (key, value) = entries.iter().find(|(key, _)| name.as_str() == key.text.as_deref())?;
        match (old, wanted) {
            (Value::Mapping(old), Value::Mapping(wanted)) if goes_on(old, wanted) && depth < DEEPEST => {
                return step(text, value, old, wanted, depth + 1);
            }
            (Value::Sequence(old), Value::Sequence(wanted))
                if !old.is_empty() && old.len() <= wanted.len() =>
            {
                return item(text, value, old, wanted, depth);
            }
            _ => return replace(text, key, value, wanted, depth),
        }
    }
    None
}

/// Whether a mapping becomes another one by changes and additions alone.
fn goes_on(old: &Mapping, wanted: &Mapping) -> bool {
    !old.is_empty() && old.keys().all(|key| wanted.contains_key(key))
}

/// The first edit in a list of mappings.
fn item(text: &[char], node: &Node, old: &[Value], wanted: &[Value], depth: usize) -> Option<Edit> {
    let Kind::List { flow: false, items } = &node.kind else { return None };
    for ((old, wanted), item) in old.iter().zip(wanted).zip(items) {
        match (old, wanted) {
            _ if old == wanted => {}
            (Value::Mapping(old), Value::Mapping(wanted)) if goes_on(old, wanted) => {
                return step(text, item, old, wanted, depth + 1);
            }
            _ => {
                let by = block(wanted, column(text, item.start))?;
                return Some(Edit { from: item.start, to: item.end, by: by.trim_start().to_owned() });
            }
        }
    }
    let (last, new) = (items.last()?, wanted.get(items.len())?);
    let at = line_end(text, last.end);
    let dash = column(text, last.start).checked_sub(2)?;
    Some(Edit { from: at, to: at, by: format!("\n{}", listed(new, dash)?) })
}

/// A key that is not there yet, at the end of its mapping.
fn insert(text: &[char], node: &Node, name: &Value, wanted: &Value) -> Option<Edit> {
    let Kind::Map { flow, entries } = &node.kind else { return None };
    let line = format!("{}: {}", name.as_str()?, inline(wanted)?);
    let (key, value) = entries.last()?;
    let end = value.end.max(key.end);
    if *flow {
        return Some(Edit { from: end, to: end, by: format!(", {line}") });
    }
    let at = line_end(text, end);
    Some(Edit { from: at, to: at, by: format!("\n{}{line}", " ".repeat(column(text, key.start))) })
}

/// A section that is not there yet, at the end of the file.
fn append(text: &[char], (name, wanted): (&Value, &Value)) -> Option<Edit> {
    let gap = if text.last().is_none_or(|c| *c == '\n') { "" } else { "\n" };
    let by = format!("{gap}{}:{}\n", name.as_str()?, below(wanted, 2)?);
    Some(Edit { from: text.len(), to: text.len(), by })
}

/// Another value for a key.
fn replace(text: &[char], key: &Node, value: &Node, wanted: &Value, depth: usize) -> Option<Edit> {
    let colon = key.end + text.get(key.end..)?.iter().position(|c| *c == ':')? + 1;
    let (from, to) = (colon, value.end.max(colon));
    if depth == 0 && !matches!(wanted, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) {
        let column = column(text, key.start) + 2;
        if value.is_absent() {
            // What stands behind the colon is a comment, and stays there.
            let at = line_end(text, colon);
            return Some(Edit { from: at, to: at, by: below(wanted, column)? });
        }
        return Some(Edit { from, to, by: below(wanted, column)? });
    }
    let new = format!(" {}", inline(wanted)?);
    // A comment that stands behind the value stays in its column, where there is room.
    let room = text[to..].iter().take_while(|c| **c == ' ').count();
    let comment = text.get(to + room) == Some(&'#');
    let (old, width) = (to - from, new.chars().count());
    let pad = if comment { (old + room).saturating_sub(width).max(1) } else { 0 };
    let to = if comment { to + room } else { to };
    Some(Edit { from, to, by: format!("{new}{}", " ".repeat(pad)) })
}

/// A value after its key's colon: in the same line, or below it.
fn below(value: &Value, column: usize) -> Option<String> {
    match value {
        Value::Mapping(map) if !map.is_empty() => {
            Some(format!("\n{}{}", " ".repeat(column), block(value, column)?))
        }
        Value::Sequence(items) if !items.is_empty() => {
            let items: Option<Vec<String>> = items.iter().map(|item| listed(item, column)).collect();
            Some(format!("\n{}", items?.join("\n")))
        }
        value => Some(format!(" {}", inline(value)?)),
    }
}

/// An item of a list, with its dash in `column`.
fn listed(value: &Value, column: usize) -> Option<String> {
    Some(format!("{}- {}", " ".repeat(column), block(value, column + 2)?))
}

/// A value over several lines, all but the first of them set in.
fn block(value: &Value, column: usize) -> Option<String> {
    let text = serde_yaml::to_string(value).ok()?;
    Some(text.trim_end().replace('\n', &format!("\n{}", " ".repeat(column))))
}

/// A value in one line, which also stands between braces.
fn inline(value: &Value) -> Option<String> {
    match value {
        Value::Mapping(map) if map.is_empty() => Some("{}".into()),
        Value::Mapping(map) => {
            let entries =
                map.iter().map(|(key, value)| Some(format!("{}: {}", inline(key)?, inline(value)?)));
            Some(format!("{{ {} }}", entries.collect::<Option<Vec<_>>>()?.join(", ")))
        }
        Value::Sequence(items) => {
            Some(format!("[{}]", items.iter().map(inline).collect::<Option<Vec<_>>>()?.join(", ")))
        }
        Value::Tagged(_) => None,
        Value::Null => Some("null".into()),
        value => {
            let text = serde_yaml::to_string(value).ok()?.trim_end().to_owned();
            (!text.contains('\n') && !text.contains([',', '[', ']', '{', '}', '#'])).then_some(text)
        }
    }
}

/// In which column a character stands.
fn column(text: &[char], at: usize) -> usize {
    text[..at].iter().rev().take_while(|c| **c != '\n').count()
}

/// Where the line of a value's last character ends.
fn line_end(text: &[char], end: usize) -> usize {
    text[end..].iter().position(|c| *c == '\n').map_or(text.len(), |at| end + at)
}

#[cfg(test)]
mod tests;
