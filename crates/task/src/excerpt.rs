//! Text from strangers inside of messages.

use std::fmt::Write as _;

/// Longer than any sentence that explains something.
const MOST: usize = 300;

/// The beginning of `text` in one line, to stand in a message, a log or a terminal: control
/// characters and those that change the direction of writing are written out, and what is longer
/// than a sentence is cut. Errors of the YAML and JSON readers quote what they read, whatever it is
/// and however long.
pub fn excerpt(text: &str) -> String {
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == MOST {
            out.push('…');
            break;
        }
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c if c.is_control() || is_direction(c) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "{}", c.escape_unicode());
            }
            c => out.push(c),
        }
    }
    out
}

fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_upon_is_written_out_and_the_rest_is_cut() {
        let check = |text: &str, expected: &str| assert_eq!(excerpt(text), expected);
        check("unknown variant `urgent`", "unknown variant `urgent`");
        check("a\u{1b}[2J\u{202e}b\nc", "a\\u{1b}[2J\\u{202e}b c");
        check("Grüße", "Grüße");
        assert_eq!(excerpt(&"x".repeat(1_000_000)).chars().count(), MOST + 1);
    }
}
