//! Makes text from strangers fit for a task: bounded, without control characters, and without
//! invisible characters that show one thing and say another.

/// The character that stands where one was taken out, so that the reader sees a gap.
const GAP: char = '\u{fffd}';

/// Cut short by the limits below.
const CUT: char = '…';

/// One line of at most `max` characters: runs of blanks and line ends are one space, everything
/// invisible is a visible gap.
pub(crate) fn line(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut count = 0;
    for c in text.chars() {
        let c = match c {
            c if c.is_whitespace() || is_line_end(c) => ' ',
            c if c.is_control() || is_invisible(c) || is_direction(c) => GAP,
            c => c,
        };
        if c == ' ' && (out.is_empty() || out.ends_with(' ')) {
            continue;
        }
        // A header of a million NULs is one gap, not the whole line.
        if c == GAP && out.ends_with(GAP) {
            continue;
        }
        if count == max {
            out.push(CUT);
            break;
        }
        out.push(c);
        count += 1;
    }
    out.truncate(out.trim_end_matches(' ').len());
    out
}

/// Text of several lines: `\n` as the only line end, at most two empty lines in a row, no control
/// characters. Marks of writing direction stay: languages need them, and the text is shown with
/// marks made visible where the owner decides. Cut at `max` bytes; the second value says whether.
pub(crate) fn block(text: &str, max: usize) -> (String, bool) {
    let mut out = String::with_capacity(text.len().min(max));
    let mut empty_lines = 0;
    let unified = text.replace("\r\n", "\n");
    for raw in unified.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']) {
        let raw = raw.trim_end_matches([' ', '\t', '\u{a0}']);
        if raw.is_empty() {
            empty_lines += 1;
            if empty_lines > 2 || out.is_empty() {
                continue;
            }
        } else {
            empty_lines = 0;
        }
        for c in raw.chars() {
            if out.len() + c.len_utf8() + 1 > max {
                return (out, true);
            }
            let hidden = (c.is_control() && c != '\t') || is_invisible(c);
            if !hidden {
                out.push(c);
            } else if !out.ends_with(GAP) && out.len() + GAP.len_utf8() < max {
                out.push(GAP);
            }
        }
        if out.len() + 1 > max {
            return (out, true);
        }
        out.push('\n');
    }
    out.truncate(out.trim_end_matches('\n').len());
    (out, false)
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Marks that change the direction of writing (UAX 9).
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that nobody sees and that carry nothing a reader needs. Joiners (U+200C, U+200D)
/// are not among them: Persian and emoji need them. Tags (U+E0000…) are: they can spell whole
/// sentences that only a machine reads.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        | '\u{fdd0}'..='\u{fdef}')
        || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_and_hides_nothing() {
        let check = |input: &str, expected: &str| assert_eq!(line(input, 10), expected, "{input:?}");
        check("  plain  ", "plain");
        check("a\r\n b\tc", "a b c");
        check("a\0b", "a\u{fffd}b");
        check("pay\u{202e}fdp.exe", "pay\u{fffd}fdp.ex…");
        check("\u{e0041}\u{e0042}x", "\u{fffd}x");
        check("0123456789", "0123456789");
        check("0123456789a", "0123456789…");
        check("\u{feff}\u{ffff}", "\u{fffd}");
    }

    #[test]
    fn a_block_is_bounded_and_keeps_its_lines() {
        let check = |input: &str, max, expected: &str, cut| {
            assert_eq!(block(input, max), (expected.to_owned(), cut), "{input:?}");
        };
        check("a\r\nb\rc\n", 99, "a\nb\nc", false);
        check("\n\n\na\n\n\n\n\n\nb", 99, "a\n\n\nb", false);
        check("a\0\0b", 99, "a\u{fffd}b", false);
        check("ééééé", 7, "ééé", true);
        check("a\n\n\n", 99, "a", false);
        check(&"\n".repeat(100_000), 10, "", false);
    }
}
