//! Words of strangers, and spans of time, as the reports write them.

use std::fmt;

use chrono::TimeDelta;
use task::inert;

/// Text of strangers in a line: short, inert, without marks that turn the writing around or hide
/// characters.
pub(crate) fn shown(text: &str, most: usize) -> String {
    // Obsidian makes a link of a bare address; it does not where a character of it is escaped.
    inert(&plain(text, most)).replace("://", ":\\//").replace("www.", "www\\.")
}

/// The same without Markdown's escapes, for places that are no Markdown.
pub(crate) fn plain(text: &str, most: usize) -> String {
    let visible: String =
        text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| is_visible(*c)).collect();
    let mut short: String = visible.trim().chars().take(most).collect();
    if visible.trim().chars().count() > most {
        short.push('…');
    }
    short
}

pub(crate) fn is_visible(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{061c}' | '\u{e0000}'..='\u{e007f}')
}

/// A span of time as people say it: `12 min`, `3.5 h`, `4 days`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Age(pub(crate) TimeDelta);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.num_seconds().max(0);
        match seconds {
            0..120 => write!(f, "{seconds} s"),
            120..7_200 => write!(f, "{} min", seconds / 60),
            7_200..172_800 => write!(f, "{}.{} h", seconds / 3_600, seconds % 3_600 / 360),
            _ => write!(f, "{} days", seconds / 86_400),
        }
    }
}
