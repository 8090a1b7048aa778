//! HTML to readable text: blocks become lines, list items get a dash, and a link shows where it
//! leads. Nothing is fetched, and nothing is run.
//!
//! Text that styles keep from the reader is left out and counted: whoever answers, answers what a
//! person could see.

mod open;
mod style;
mod tag;

use mail_parser::decoders::html::add_html_token;

use open::Open;
use style::Sheet;
use tag::{TAG, Tag};

/// The most HTML that is looked at, in bytes.
const SOURCE: usize = 2 << 20;
/// The longest link that is shown.
const LINK: usize = 300;

/// A document's text.
#[derive(Debug, Default)]
pub(super) struct Readable {
    /// What a reader sees.
    pub(super) text: String,
    /// How many characters a reader does not see; blanks do not count.
    pub(super) hidden: usize,
}

/// The text of an HTML document, in time proportional to its length.
pub(super) fn read(source: &str) -> Readable {
    let mut end = source.len().min(SOURCE);
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let source = &source[..end];
    let mut sheet = Sheet::default();
    walk(source, &mut |piece| {
        if let Piece::Raw("style", css) = piece {
            sheet.add(css);
        }
    });
    let mut text = Text::default();
    walk(source, &mut |piece| match piece {
        Piece::Words(words) => text.words(words),
        Piece::Tag(tag) => {
            let tag = Tag::of(tag);
            if text.open.tag(&tag, &sheet) {
                text.tag(&tag);
            }
        }
        Piece::Raw(..) => {}
    });
    Readable { text: text.out, hidden: text.hidden }
}

/// What a document is made of.
enum Piece<'a> {
    Words(&'a str),
    /// What stands between `<` and `>`.
    Tag(&'a str),
    /// An element whose content is no text, and its content.
    Raw(&'static str, &'a str),
}

fn walk<'a>(source: &'a str, see: &mut dyn FnMut(Piece<'a>)) {
    let mut rest = source;
    while let Some(at) = rest.find('<') {
        see(Piece::Words(&rest[..at]));
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("<!--") {
            rest = after_comment(after);
            continue;
        }
        let opens = rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        let close = if opens { tag_end(rest) } else { None };
        let Some(close) = close else {
            see(Piece::Words("<"));
            rest = &rest[1..];
            if opens {
                // No tag ends any more: the rest is text.
                break;
            }
            continue;
        };
        let tag = &rest[1..close];
        rest = &rest[close + 1..];
        let name = tag.split(|c: char| c.is_ascii_whitespace() || c == '/').next().unwrap_or_default();
        let raw =
            ["script", "style", "title", "template"].into_iter().find(|raw| name.eq_ignore_ascii_case(raw));
        match raw {
            Some(raw) => {
                let after = after_element(rest, raw);
                see(Piece::Raw(raw, &rest[..rest.len() - after.len()]));
                rest = after;
            }
            None => see(Piece::Tag(tag)),
        }
    }
    see(Piece::Words(rest));
}

/// What follows a comment, of which `text` is the inside and all that comes after it.
fn after_comment(text: &str) -> &str {
    if let Some(rest) = text.strip_prefix('>').or_else(|| text.strip_prefix("->")) {
        return rest;
    }
    let mut from = 0;
    while let Some(at) = text[from..].find("--") {
        let after = &text[from + at + 2..];
        if let Some(rest) = after.strip_prefix('>').or_else(|| after.strip_prefix("!>")) {
            return rest;
        }
        from += at + 1;
    }
    ""
}

/// Where the tag that starts `text` ends, with `>` in quoted values passed over.
fn tag_end(text: &str) -> Option<usize> {
    #[derive(PartialEq)]
    enum At {
        Name,
        Attribute,
        Equals,
        Value,
        Quoted(u8),
    }
    if text[1..].starts_with(['!', '?']) {
        return text.find('>');
    }
    let (mut state, mut named) = (At::Name, false);
    for (at, b) in text.bytes().enumerate().take(TAG) {
        let separates = b.is_ascii_whitespace() || b == b'/';
        state = match state {
            At::Quoted(quote) if b == quote => At::Attribute,
            At::Quoted(quote) => At::Quoted(quote),
            _ if b == b'>' => return Some(at),
            At::Name if at > 1 && separates => At::Attribute,
            At::Equals if b.is_ascii_whitespace() => At::Equals,
            At::Equals if matches!(b, b'"' | b'\'') => At::Quoted(b),
            At::Equals => At::Value,
            At::Value if b.is_ascii_whitespace() => At::Attribute,
            // A name may begin with `=`.
            At::Attribute if b == b'=' && named => {
                named = false;
                At::Equals
            }
            At::Attribute => {
                named |= !separates;
                At::Attribute
            }
            state => state,
        };
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
    open: Open,
    hidden: usize,
}

impl Text {
    fn words(&mut self, source: &str) {
        let decoded = decode(source);
        if self.open.hides() {
            self.hidden += decoded.chars().filter(|c| !c.is_whitespace()).count();
            return;
        }
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

    fn tag(&mut self, tag: &Tag) {
        let closes = tag.closes;
        match tag.name.as_str() {
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
                if let Some(alt) = tag.attribute("alt").filter(|alt| !alt.trim().is_empty()) {
                    self.words(&format!(" [{}] ", alt.trim().replace('&', "&amp;")));
                }
            }
            _ => {}
        }
    }

    /// Shows where a link leads, unless its words already do.
    fn anchor(&mut self, closes: bool, tag: &Tag) {
        if let Some((target, start)) = self.link.take() {
            let shown = self.out.get(start..).unwrap_or_default().trim().trim_end_matches('/');
            let plain = target.trim_end_matches('/');
            let plain = plain.strip_prefix("mailto:").unwrap_or(plain);
            if shown != plain {
                self.words(&format!(" <{}>", target.replace('&', "&amp;")));
            }
        }
        if !closes {
            let target = tag.attribute("href").map(|href| href.trim().to_owned()).filter(|href| {
                let lower = href.get(..8).unwrap_or(href).to_ascii_lowercase();
                ["http:", "https:", "mailto:"].iter().any(|scheme| lower.starts_with(scheme))
            });
            self.link = target.map(|target| (target.chars().take(LINK).collect(), self.out.len()));
        }
    }
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
        let check = |html: &str, expected: &str| assert_eq!(read(html).text.trim(), expected, "{html:?}");
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
        let check = |html: &str, expected: &str| assert_eq!(read(html).text.trim(), expected, "{html:?}");
        check(
            "<a href=\"https://evil.example/a?b=1&amp;c=2\">your bank</a>.",
            "your bank <https://evil.example/a?b=1&c=2>.",
        );
        check("<a href='https://example.com/'>https://example.com</a>", "https://example.com");
        check("<a href=mailto:a@example.com>a@example.com</a>", "a@example.com");
        check("<a href='javascript:alert(1)'>x</a>", "x");
    }

    #[test]
    fn what_a_reader_does_not_see_is_left_out_and_counted() {
        let check = |html: &str, expected: &str, hidden: usize| {
            let read = read(html);
            assert_eq!((read.text.trim(), read.hidden), (expected, hidden), "{html:?}");
        };
        check("a<span style='display:none'>bad</span>b", "ab", 3);
        check("a<span hidden>bad</span>b", "ab", 3);
        check("<div/style=\"display:none\">bad</div>b", "b", 3);
        check("<div title=\" style='x'\" style='display:none'>bad</div>b", "b", 3);
        check("<div title=\" style='display:none'\">good</div>", "good", 0);
        // A slash at the end closes nothing.
        check("<span style='display:none'/>bad</span>b", "b", 3);
        check("<p style=display:none/>good", "good", 0);
        // Cells and items end where the next begins.
        check("<table><tr><td style='display:none'>bad<td>good</table>end", "good\n\nend", 3);
        check("<table><tr hidden><td>bad<td>bad<tr><td>good</table>", "good", 6);
        check("<ul><li style='display:none'>bad<li>good</ul>end", "- good\n\nend", 3);
        check("<ul><li style='display:none'>bad<ul><li>bad</ul>bad<li>good</ul>", "- good", 9);
        check("<p hidden>bad<div>good</div>", "good", 3);
        check("<div><span style='display:none'>bad</div>good", "good", 3);
        check("<span style='display:none'>bad<div></span>bad</div>bad", "", 9);
        check("<p><font color=white>bad</p><p>bad</p></font>good", "good", 6);
        check("<b style='display:none'>bad<div></b>good</div>", "good", 3);
        // Colours and sizes.
        check("<p style='color:#fff'>bad</p>good", "good", 3);
        check("<table bgcolor='#222'><tr><td style='color:#fff'>good</table>", "good", 0);
        check("<table bgcolor='#222'><tr><td bgcolor=white><font color=white>bad</table>", "", 3);
        check("<td style='font-size:0'>bad<div style='font-size:16px'>good</div></td>", "good", 3);
        // Style sheets.
        check(
            "<style>.x, p > .y{display:none}</style><i class='a x'>bad</i><b class=y>bad</b>good",
            "good",
            6,
        );
        check(
            "<style>@media print{.x{display:none}} #z{opacity:0}</style><i class=x>good</i><b id=Z>bad</b>",
            "good",
            3,
        );
        check(
            "<head><meta charset=utf-8><style>.x{display:none}</style><body><p class=x>bad<p>good",
            "good",
            3,
        );
        check("<div \" style=\"display:none\">bad</div>good", "good", 3);
        check(
            "<style>a:hover{color:#fff}li>b:first-child{display:none}</style><a href=#>good</a><b>bad</b>",
            "good",
            3,
        );
        check("<style>@media screen{.x{display:none}}</style><i class=x>bad</i>good", "good", 3);
        check(&format!("<div hidden>{}<div></div>bad", "<i>".repeat(300)), "", 3);
        // Comments end where browsers end them.
        check("<!-->good<!-- bad --!>good<!--->good", "goodgoodgood", 0);
        check("<img hidden alt=bad><a hidden href='https://evil.example/'>bad</a>good", "good", 3);
    }

    #[test]
    fn hostile_html_takes_no_longer_than_its_length() {
        for piece in [
            "<",
            "<b>",
            "</b>",
            "<div>",
            "<td><b>",
            "<style>",
            "<p class=x>",
            "<a ",
            "<a href=\"",
            "<!--",
            "</",
            "&",
            "<script>",
            "<p title='",
            "<a href=x>",
        ] {
            let text = read(&piece.repeat(SOURCE / 4 / piece.len())).text;
            assert!(text.len() <= 4 * SOURCE, "{piece}");
        }
    }
}
