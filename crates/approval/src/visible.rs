//! Text as it is: what a terminal would hide, move or act upon is written out as `‹U+202E›`.

/// Marks that start and end a written-out character; they are written out themselves, so that no
/// text can pretend to have one.
const MARKS: [char; 2] = ['\u{2039}', '\u{203a}'];

/// More combining marks than this on one letter are written out: no language needs them, and they
/// can be stacked until they cover other lines.
const MAX_STACKED: usize = 2;

/// One line of text in which every character can be seen. A line end is written out too.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut stacked = 0;
    let kept = text.trim_end_matches(' ').len();
    for (at, c) in text.char_indices() {
        let combining = is_combining(c);
        stacked = if combining { stacked + 1 } else { 0 };
        // A mark at the start would sit on the frame around the text.
        let loose = combining && (at == 0 || stacked > MAX_STACKED);
        if at >= kept || loose || is_hidden(c) || MARKS.contains(&c) {
            out.push_str(&format!("{}U+{:04X}{}", MARKS[0], u32::from(c), MARKS[1]));
        } else {
            out.push(c);
        }
    }
    out
}

/// Takes no room of its own but is no letter's accent, takes room without ink other than the plain
/// space, changes the direction, or is not assigned to anything.
fn is_hidden(c: char) -> bool {
    is_treacherous(c)
        || matches!(c,
            '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
            | '\u{2800}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
}

/// What has no business in a message at all, and is warned about: controls, bidi controls,
/// zero-width characters, fillers, tags.
pub(crate) fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(c, '\u{fdd0}'..='\u{fdef}')
}

fn is_combining(c: char) -> bool {
    !c.is_control() && !is_hidden(c) && unicode_width::UnicodeWidthChar::width(c) == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides() {
        let check = |text: &str, expected: &str| assert_eq!(visible(text), expected);
        check("Grüße, 日本語 😀", "Grüße, 日本語 😀");
        check("a\u{202e}b", "a‹U+202E›b");
        check("a\u{200b}b\u{feff}", "a‹U+200B›b‹U+FEFF›");
        check("\x1b[2Jgone", "‹U+001B›[2Jgone");
        check("a\r\nb\tc", "a‹U+000D›‹U+000A›b‹U+0009›c");
        check("a\u{a0}b  ", "a‹U+00A0›b‹U+0020›‹U+0020›");
        check("‹U+202E›", "‹U+2039›U+202E‹U+203A›");
        check("e\u{301}", "e\u{301}");
        check("\u{301}e\u{301}\u{301}\u{301}", "‹U+0301›e\u{301}\u{301}‹U+0301›");
        check("\u{e0041}\u{e0100}\u{fe0f}", "‹U+E0041›‹U+E0100›‹U+FE0F›");
        // What is written out carries no accents, and takes none of the room for them.
        check("e\u{200b}\u{301}\u{301}", "e‹U+200B›\u{301}\u{301}");
        check("e\t\u{301}\u{301}", "e‹U+0009›\u{301}\u{301}");
    }

    #[test]
    fn what_no_message_has_is_warned_of() {
        for c in ['\0', '\u{202e}', '\u{fdd0}', '\u{fdef}', '\u{fffe}', '\u{ffff}', '\u{1fffe}', '\u{10ffff}']
        {
            assert!(is_treacherous(c), "U+{:04X}", u32::from(c));
        }
        for c in ['a', ' ', '\u{301}', '\u{fdcf}', '\u{fdf0}', '\u{fffd}', '\u{a0}'] {
            assert!(!is_treacherous(c), "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn every_character_of_unicode_is_shown_or_written_out() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let shown = visible(&format!("x{c}x"));
            let width = unicode_width::UnicodeWidthChar::width(c);
            let plain = shown == format!("x{c}x");
            assert!(!plain || width.is_some(), "U+{:04X} has no width and is not written out", u32::from(c));
            assert!(!plain || !is_treacherous(c), "U+{:04X}", u32::from(c));
        }
    }
}
