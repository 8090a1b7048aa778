//! Long lines, broken at blanks for the terminal that shows them.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// A narrower terminal breaks lines by itself; nothing would be gained.
const NARROWEST: usize = 40;
/// Quoted text starts with this, and goes on with [`GOES_ON`]: a line end that stands in the text is not one of ours.
const FRAME: &str = "  │ ";
const GOES_ON: &str = "  ┊ ";
/// A label ends before this column, and two blanks or more lie between it and its text.
const LABEL: usize = 24;

/// `text` with each line that is longer than `columns` broken after a blank, and what goes on set below its beginning:
/// below a label's text, or in the frame. No character is left out, but for blanks that stand in the margin. A command line with a word that fits in no line
/// stays whole, so that it can be copied.
pub(crate) fn wrapped(text: &str, columns: usize) -> String {
    if columns < NARROWEST {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 64);
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if line.width() <= columns {
            out.push_str(line);
        } else {
            one(&mut out, line, columns);
        }
        out.push_str(end);
    }
    out
}

/// One line that is too long.
fn one(out: &mut String, line: &str, columns: usize) {
    let first = line.find(|c| c != ' ').unwrap_or_default();
    let (prefix, begins) = if line.starts_with(FRAME) {
        (GOES_ON.to_owned(), FRAME.len())
    } else if let Some((at, width)) = after_label(line, first) {
        (" ".repeat(width), at)
    } else {
        let prefix = " ".repeat(first + 2);
        if line.split(' ').any(|word| word.width() > columns - prefix.len()) {
            out.push_str(line);
            return;
        }
        (prefix, first)
    };
    let (head, rest) = line.split_at(begins);
    out.push_str(head);
    let mut column = head.width();
    let start = prefix.width();
    for word in rest.split_inclusive(' ') {
        let (ink, width) = (word.trim_end_matches(' ').width(), word.width());
        if column > start && column + ink > columns {
            // Only a blank can have overstepped the margin; the terminal would make a line of it.
            while column > columns {
                out.pop();
                column -= 1;
            }
            out.push('\n');
            out.push_str(&prefix);
            column = start;
        }
        if column + ink <= columns {
            out.push_str(word);
            column += width;
            continue;
        }
        // Longer than a line: broken where the line ends.
        for c in word.chars() {
            let width = c.width().unwrap_or_default();
            if column + width > columns {
                out.push('\n');
                out.push_str(&prefix);
                column = start;
            }
            out.push(c);
            column += width;
        }
    }
}

/// Where the text after a label begins: in bytes, and in columns.
fn after_label(line: &str, first: usize) -> Option<(usize, usize)> {
    let gap = first + line[first..].find("  ")?;
    let at = gap + line[gap..].find(|c| c != ' ')?;
    let width = line[..at].width();
    (width <= LABEL).then_some((at, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(wrapped(text, 40), expected);
    }

    #[test]
    fn a_long_line_goes_on_below_its_own_text() {
        check("short\n", "short\n");
        check(
            "  subject      Terminanfrage: Gespräch über die Webseite\n",
            "  subject      Terminanfrage: Gespräch \n               über die Webseite\n",
        );
        check(
            "Proposed: send a mail from a@b.example to c@d.example",
            "Proposed: send a mail from a@b.example \n  to c@d.example",
        );
        check(
            "ok    1\nok    one two three four five six seven eight",
            "ok    1\nok    one two three four five six seven \n      eight",
        );
    }

    #[test]
    fn a_quoted_line_that_was_broken_here_differs_from_two_lines() {
        check(
            "  │ If you have paid meanwhile, please tell us.\n  │ Thanks\n",
            "  │ If you have paid meanwhile, please \n  ┊ tell us.\n  │ Thanks\n",
        );
    }

    #[test]
    fn a_command_with_a_long_code_can_be_copied_whole() {
        let line = format!("cloud-agent init --join AIE1.{}\n", "x".repeat(60));
        check(&line, &line);
    }

    #[test]
    fn nothing_with_ink_is_left_out_and_no_line_is_too_long() {
        let words = "日本語 a  bb   ccc dddd ‹U+202E› 😀 é ".repeat(9);
        let long = "x".repeat(100);
        for prefix in ["  │ ", "  label        ", "tasks     "] {
            let line = format!("{prefix}{words}{long} end");
            let shown = wrapped(&line, 40);
            let pieces: Vec<&str> = shown.split('\n').collect();
            let rest: String = pieces[1..]
                .iter()
                .map(|piece| piece.chars().skip(prefix.chars().count()).collect::<String>())
                .collect();
            let ink = |text: &str| text.replace(' ', "");
            assert_eq!(ink(&format!("{}{rest}", pieces[0])), ink(&line));
            // A blank in the margin would make a terminal break the line once more.
            assert!(pieces.iter().all(|piece| piece.width() <= 40), "{shown}");
        }
    }
}
