//! HTML to readable text: blocks become lines, list items get a dash, and a link shows where it
//! leads. Nothing is fetched, and nothing is run.

use mail_parser::decoders::html::add_html_token;

/// The most HTML that is looked at, in bytes.
const SOURCE: usize = 2 << 20;
/// The longest tag whose quotes are honoured, in bytes.
const TAG: usize = 8 << 10;
/// The longest link that is shown.
const LINK: usize = 300;

/// The text of an HTML document, in time proportional to its length.
pub(super) fn to_text(source: &str) -> String {
    let mut end = source.len().min(SOURCE);
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let mut text = Text::default();
    let mut rest = &source[..end];
    while let Some(at) = rest.find('<') {
        text.words(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("<!--") {
            rest = after.find("-->").map_or("", |end| &after[end + 3..]);
            continue;
        }
        let opens = rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        let close = if opens { tag_end(rest) } else { None };
        let Some(close) = close else {
            text.words("<");
            rest = &rest[1..];
            if opens {
                // No tag ends any more: the rest is text.
                break;
            }
            continue;
        };
        let tag = &rest[1..close];
        rest = &rest[close + 1..];
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .take(20)
            .collect::<String>()
            .to_ascii_lowercase();
        if !tag.starts_with('/') && matches!(&*name, "script" | "style" | "head" | "title" | "template") {
            rest = after_element(rest, &name);
            continue;
        }
        text.tag(&name, tag);
    }
    text.words(rest);
    text.out
}

/// Where the tag that starts `text` ends, with `>` in quotes passed over.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, b) in text.bytes().enumerate().take(TAG) {
        match (quote, b) {
            (None, b'"' | b'\'') => quote = Some(b),
            (Some(q), b) if q == b => quote = None,
            (None, b'>') => return Some(at),
            _ => {}
        }
    }
    // Quotes that never close, or a picture's data as long as a book.
    text.find('>')
}

/// What follows the end of an element whose content is not text.
fn after_element<'a>(text: &'a str, name: &str) -> &'a str {
    let mut from = 0;
    while let Some(at) = text[from..].find("</") {
        let start = from + at + 2;
        let found = text.get(start..start + name.len());
        if found.is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return text[start..].find('>').map_or("", |end| &text[start + end + 1..]);
        }
        from = start;
    }
    ""
}

#[derive(Default)]
struct Text {
    out: String,
    /// Whether a space is due before the next word.
    space: bool,
    preformatted: bool,
    /// The link that is open: where it leads and where its words start.
    link: Option<(String, usize)>,
}

impl Text {
    fn words(&mut self, source: &str) {
        let decoded = decode(source);
        if self.preformatted {
            self.out.push_str(&decoded);
            return;
        }
        for (at, word) in decoded.split([' ', '\n', '\r', '\t', '\u{c}']).enumerate() {
            self.space |= at > 0;
            if word.is_empty() {
                continue;
            }
            if self.space && !self.out.is_empty() && !self.out.ends_with(['\n', ' ']) {
                self.out.push(' ');
            }
            self.space = false;
            self.out.push_str(word);
        }
    }

    /// Ends the line, and leaves `empty` lines below it.
    fn end_line(&mut self, empty: usize) {
        self.space = false;
        if self.out.is_empty() {
            return;
        }
        let have = self.out.len() - self.out.trim_end_matches('\n').len();
        for _ in have..=empty {
            self.out.push('\n');
        }
    }

    fn tag(&mut self, name: &str, tag: &str) {
        let closes = tag.starts_with('/');
        match name {
            "br" => self.out.push('\n'),
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "table" | "blockquote" | "ul" | "ol" => {
                self.end_line(1);
            }
            "div" | "tr" | "section" | "article" | "header" | "footer" | "address" | "dl" | "dt" | "dd"
            | "body" | "form" | "center" => self.end_line(0),
            "pre" => {
                self.end_line(0);
                self.preformatted = !closes;
            }
            "hr" => {
                self.end_line(0);
                self.out.push_str("---\n");
            }
            "li" => {
                self.end_line(0);
                if !closes {
                    self.out.push_str("- ");
                }
            }
            "td" | "th" => self.space = true,
            "a" => self.anchor(closes, tag),
            "img" => {
                if let Some(alt) = attribute(tag, "alt").filter(|alt| !alt.trim().is_empty()) {
                    self.words(&format!(" [{}] ", alt.trim()));
                }
            }
            _ => {}
        }
    }

    /// Shows where a link leads, unless its words already do.
    fn anchor(&mut self, closes: bool, tag: &str) {
        if let Some((target, start)) = self.link.take() {
            let shown = self.out.get(start..).unwrap_or_default().trim().trim_end_matches('/');
            let plain = target.trim_end_matches('/');
            let plain = plain.strip_prefix("mailto:").unwrap_or(plain);
            if shown != plain {
                self.words(&format!(" <{}>", target.replace('&', "&amp;")));
            }
        }
        if !closes {
            let target = attribute(tag, "href").map(|href| decode(href.trim())).filter(|href| {
                let lower = href.get(..8).unwrap_or(href).to_ascii_lowercase();
                ["http:", "https:", "mailto:"].iter().any(|scheme| lower.starts_with(scheme))
            });
            self.link = target.map(|target| (target.chars().take(LINK).collect(), self.out.len()));
        }
    }
}

/// An attribute's value as it stands in the tag.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let lower = tag.get(..tag.len().min(TAG)).unwrap_or_default().to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = lower[from..].find(name) {
        let start = from + at;
        let before = lower[..start].chars().next_back();
        let after = tag[start + name.len()..].trim_start();
        if let Some(value) = after
            .strip_prefix('=')
            .filter(|_| before.is_some_and(|c| c.is_ascii_whitespace() || matches!(c, '"' | '\'' | '/')))
        {
            let value = value.trim_start();
            return match value.chars().next() {
                Some(quote @ ('"' | '\'')) => value[1..].split(quote).next(),
                _ => value.split(|c: char| c.is_ascii_whitespace() || c == '>').next(),
            };
        }
        from = start + name.len();
    }
    None
}

/// Character references, as they are named in HTML.
fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = rest.bytes().take(40).position(|b| b == b';');
        match length.map(|end| &rest[..=end]) {
            Some(entity)
                if entity[1..entity.len() - 1].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'#') =>
            {
                let before = out.len();
                add_html_token(&mut out, entity.as_bytes(), false);
                // A blank that does not break is a blank.
                if &out[before..] == "\u{a0}" {
                    out.truncate(before);
                    out.push(' ');
                }
                rest = &rest[entity.len()..];
            }
            _ => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_reads_as_text() {
        let check = |html: &str, expected: &str| assert_eq!(to_text(html).trim(), expected, "{html:?}");
        check("<p>Hello <b>World</b></p><p>Two</p>", "Hello World\n\nTwo");
        check("<div>one</div><div>two</div>three", "one\ntwo\nthree");
        check("a<br>b<br/>c", "a\nb\nc");
        check("<head><title>x</title></head><style>p{}</style><script>1<2</script>seen", "seen");
        check("<ul><li>a</li><li>b</li></ul>", "- a\n- b");
        check("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc");
        check("&lt;b&gt; &amp; &euro;5 &#228;&#xE4; &nbsp;x &unknown; &", "<b> & €5 ää x &unknown; &");
        check("<!-- <p>no</p> -->yes", "yes");
        check("1 < 2 and 3 > 2", "1 < 2 and 3 > 2");
        check("<img alt='A cat' src=x>", "[A cat]");
        check("<pre>a\n  b</pre>", "a\n  b");
        check("<a title=\"x > y\">z</a>", "z");
        check("unfinished <b", "unfinished <b");
        check("é<ünknown>", "é<ünknown>");
    }

    #[test]
    fn a_link_shows_where_it_leads() {
        let check = |html: &str, expected: &str| assert_eq!(to_text(html).trim(), expected, "{html:?}");
        check(
            "<a href=\"https://evil.example/a?b=1&amp;c=2\">your bank</a>.",
            "your bank <https://evil.example/a?b=1&c=2>.",
        );
        check("<a href='https://example.com/'>https://example.com</a>", "https://example.com");
        check("<a href=mailto:a@example.com>a@example.com</a>", "a@example.com");
        check("<a href='javascript:alert(1)'>x</a>", "x");
    }

    #[test]
    fn hostile_html_takes_no_longer_than_its_length() {
        for piece in ["<", "<a ", "<a href=\"", "<!--", "</", "&", "<script>", "<p title='", "<a href=x>"] {
            let text = to_text(&piece.repeat(SOURCE / 4 / piece.len()));
            assert!(text.len() <= 4 * SOURCE, "{piece}");
        }
    }
}
