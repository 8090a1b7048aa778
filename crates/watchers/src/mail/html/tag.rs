//! A tag taken apart as the HTML standard's tokenizer does: a slash separates, the first of two
//! attributes with one name counts, and what stands in quotes is a value and nothing else.

use super::decode;

/// The longest part of a tag that is looked at, in bytes.
pub(super) const TAG: usize = 8 << 10;
/// So many attributes are looked at.
const ATTRIBUTES: usize = 60;

/// Name and attributes; names in lower case, values with their references decoded.
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) closes: bool,
    attributes: Vec<(String, String)>,
}

impl Tag {
    /// Of what stands between `<` and `>`.
    pub(super) fn of(text: &str) -> Self {
        let closes = text.starts_with('/');
        let text = text.strip_prefix('/').unwrap_or(text);
        let end = text.find(|c: char| c.is_ascii_whitespace() || c == '/').unwrap_or(text.len());
        let name = text[..end].chars().take(20).collect::<String>().to_ascii_lowercase();
        let mut cut = text.len().min(TAG);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        let rest = text.get(end..cut).unwrap_or_default();
        Self { name, closes, attributes: if closes { Vec::new() } else { attributes(rest) } }
    }

    /// An attribute's value; empty for one without.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn attributes(mut rest: &str) -> Vec<(String, String)> {
    let blank = |c: char| c.is_ascii_whitespace();
    let mut found = Vec::new();
    while found.len() < ATTRIBUTES {
        rest = rest.trim_start_matches(|c: char| blank(c) || c == '/');
        if rest.is_empty() {
            break;
        }
        // A name may begin with `=`.
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let end = rest[first..]
            .find(|c: char| blank(c) || matches!(c, '/' | '='))
            .map_or(rest.len(), |at| at + first);
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start_matches(blank);
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start_matches(blank);
            (value, rest) = match after.chars().next() {
                Some(quote @ ('"' | '\'')) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
                _ => after.split_at(after.find(blank).unwrap_or(after.len())),
            };
        }
        found.push((name, decode(value)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_as_a_browser_reads_it() {
        let check = |tag: &str, name: &str, expected: Option<&str>| {
            assert_eq!(Tag::of(tag).attribute(name), expected, "{tag}");
        };
        check("div/style=\"a\"", "style", Some("a"));
        check("div/ / style='a'/x", "style", Some("a"));
        check("img src=x/y/ alt=b", "src", Some("x/y/"));
        check("p title=\" style='b'\" style=a", "style", Some("a"));
        check("p style=a style=b", "style", Some("a"));
        check("p HIDDEN", "hidden", Some(""));
        check("p\nstyle\n=\n'a'", "style", Some("a"));
        check("p style=\"unclosed", "style", Some("unclosed"));
        check("p style='&#100;isplay:none'", "style", Some("display:none"));
        check("p data-style=a", "style", None);
        check("/p style=a", "style", None);
        assert_eq!(Tag::of("SPAN/x").name, "span");
    }
}
