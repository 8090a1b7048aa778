//! The elements that are open at a place of a document, as the HTML standard closes them: many end
//! without an end tag, and an end tag may end several.

use super::style::{Ink, Sheet, Style};
use super::tag::Tag;

/// Deeper documents are not followed: from there on nothing counts as seen that a style may hide.
const DEPTH: usize = 200;

/// Elements without content.
const VOID: [&str; 15] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr", "frame",
];

/// Elements that go on behind the end of what they stand in.
const FORMATTING: [&str; 14] =
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

/// Elements that end an open paragraph.
const BLOCKS: [&str; 33] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "details",
    "dd",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "ul",
];

/// What nothing within closes from inside.
const SCOPES: [&str; 6] = ["table", "td", "th", "caption", "object", "template"];

#[derive(Clone)]
struct Element {
    name: String,
    own: Style,
    /// With everything around it.
    all: Seen,
}

/// What holds at a place.
#[derive(Clone, Copy, Default)]
struct Seen {
    gone: bool,
    unseen: bool,
    tiny: bool,
    pale: bool,
    inkless: bool,
    ground: bool,
}

impl Seen {
    fn within(self, own: Style) -> Self {
        let ink = own.ink;
        Self {
            gone: self.gone || own.gone,
            unseen: own.unseen.unwrap_or(self.unseen),
            tiny: own.tiny.unwrap_or(self.tiny),
            pale: ink.map_or(self.pale, |ink| ink == Ink::Pale),
            inkless: ink.map_or(self.inkless, |ink| ink == Ink::None),
            ground: own.ground.unwrap_or(self.ground),
        }
    }

    fn hides(self) -> bool {
        self.gone || self.unseen || self.tiny || self.inkless || (self.pale && !self.ground)
    }
}

/// The open elements.
#[derive(Default)]
pub(super) struct Open {
    stack: Vec<Element>,
    /// How many of them are paragraphs.
    paragraphs: usize,
    /// How many are open beyond those on the stack.
    over: usize,
    /// Whether something hides there.
    lost: bool,
}

impl Open {
    /// Whether text here is not seen.
    pub(super) fn hides(&self) -> bool {
        self.lost || self.stack.last().is_some_and(|element| element.all.hides())
    }

    /// A start tag or an end tag; says whether what it puts there is seen.
    pub(super) fn tag(&mut self, tag: &Tag, sheet: &Sheet) -> bool {
        let name = tag.name.as_str();
        if tag.closes {
            match self.over.checked_sub(1) {
                Some(over) => self.over = over,
                None => self.end(name),
            }
            return !self.hides();
        }
        self.imply(name);
        let style = sheet.style(tag);
        if VOID.contains(&name) || name.is_empty() {
            return !self.lost && !self.around().within(style).hides();
        }
        if self.stack.len() >= DEPTH {
            self.over += 1;
            self.lost |= Seen::default().within(style).hides();
        } else {
            self.push(name.to_owned(), style);
        }
        !self.hides()
    }

    fn around(&self) -> Seen {
        self.stack.last().map(|element| element.all).unwrap_or_default()
    }

    fn push(&mut self, name: String, own: Style) {
        let all = self.around().within(own);
        self.paragraphs += usize::from(name == "p");
        self.stack.push(Element { name, own, all });
    }

    /// Ends what `name` cannot stand in.
    fn imply(&mut self, name: &str) {
        match name {
            "li" => self.end_one(&["li"], &["ul", "ol", "menu"]),
            "dt" | "dd" => self.end_one(&["dt", "dd"], &["dl"]),
            "td" | "th" => self.end_one(&["td", "th"], &["table", "tr"]),
            "tr" => self.end_one(&["tr"], &["table"]),
            "thead" | "tbody" | "tfoot" => self.end_one(&["thead", "tbody", "tfoot"], &["table"]),
            "option" | "optgroup" => self.end_one(&["option"], &["select"]),
            "a" => self.end_one(&["a"], &SCOPES),
            _ => {}
        }
        if self.paragraphs > 0 && BLOCKS.contains(&name) {
            self.end_one(&["p"], &[]);
        }
    }

    /// Ends the innermost of `names`, unless one of `fences` stands before it.
    fn end_one(&mut self, names: &[&str], fences: &[&str]) {
        let scoped = !matches!(names.first(), Some(&("td" | "tr" | "thead")));
        for at in (0..self.stack.len()).rev() {
            let name = self.stack[at].name.as_str();
            if names.contains(&name) {
                return self.truncate(at);
            }
            if fences.contains(&name) || (scoped && SCOPES.contains(&name)) {
                return;
            }
        }
    }

    fn end(&mut self, name: &str) {
        if matches!(name, "body" | "html") {
            return;
        }
        let cells = matches!(name, "table" | "tr" | "td" | "th" | "thead" | "tbody" | "tfoot" | "caption");
        let formats = FORMATTING.contains(&name);
        let special =
            |name: &str| BLOCKS.contains(&name) || SCOPES.contains(&name) || matches!(name, "tr" | "body");
        for at in (0..self.stack.len()).rev() {
            let open = self.stack[at].name.as_str();
            if open == name {
                if formats {
                    self.stack.remove(at);
                    self.reckon(at);
                } else {
                    self.truncate(at);
                }
                return;
            }
            let fence = match open {
                "table" | "template" => true,
                open if cells => open == "table",
                open if formats || special(name) => SCOPES.contains(&open),
                open => special(open),
            };
            if fence {
                return;
            }
        }
    }

    /// Ends everything from `at` on; formatting that was not ended goes on behind it, except
    /// behind a cell.
    fn truncate(&mut self, at: usize) {
        let ended = self.stack.split_off(at);
        self.paragraphs -= ended.iter().filter(|element| element.name == "p").count();
        let cell =
            |element: &Element| matches!(element.name.as_str(), "td" | "th" | "caption" | "table" | "tr");
        if ended.iter().any(cell) {
            return;
        }
        let again = ended.into_iter().skip(1).filter(|element| FORMATTING.contains(&element.name.as_str()));
        for element in again.collect::<Vec<_>>() {
            self.push(element.name, element.own);
        }
    }

    fn reckon(&mut self, from: usize) {
        let mut around =
            from.checked_sub(1).and_then(|at| self.stack.get(at)).map(|e| e.all).unwrap_or_default();
        for element in self.stack.iter_mut().skip(from) {
            element.all = around.within(element.own);
            around = element.all;
        }
    }
}
