//! Text on its way to a terminal or into a log.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, Write as _};

use crate::wrap::wrapped;
use crate::{Failure, OrFailure as _};

/// `text` with everything written out that a terminal would act upon instead of showing it, but
/// for line ends and tabs. Most of what is printed has been made harmless where it was put
/// together; this is the last place where it can be.
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\n' | '\t') || !acts(c) {
            out.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "\u{2039}U+{:04X}\u{203a}", u32::from(c));
        }
    }
    out
}

/// [`shown`], for JSON: the same text for whoever reads it.
pub fn shown_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\n' | '\t') || !acts(c) {
            out.push(c);
        } else {
            // All of them are in the basic plane, where one escape is enough.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
    }
    out
}

/// Prints to stdout, for people: in a terminal, long lines are broken at blanks.
pub fn print(text: &str) -> Result<(), Failure> {
    let text = shown(text);
    match columns() {
        Some(columns) => print_raw(&wrapped(&text, columns)),
        None => print_raw(&text),
    }
}

/// Prints a JSON value to stdout.
pub fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    print_raw(&shown_json(&format!("{value:#}\n")))
}

/// How wide the terminal is, if stdout is one.
fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// A reader that went away (`| head`) is no failure.
fn print_raw(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed("cannot print").because(error))
        }
        _ => Ok(()),
    }
}

/// Asks a question and reads one line; `None` at the end of the input.
pub fn ask(question: &str) -> Result<Option<String>, Failure> {
    print(question)?;
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line).or_failed("cannot read your answer")?;
    Ok((read > 0).then(|| line.trim().to_owned()))
}

/// Controls, and what changes the direction of writing.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes each event as one line, so that no text in it can pretend to be the next event.
pub(crate) struct OneLine<W>(pub(crate) W);

impl<W: io::Write> io::Write for OneLine<W> {
    /// The log's formatter hands over one whole event at a time.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let body = event.strip_suffix(b"\n").unwrap_or(event);
        if body.contains(&b'\n') || body.contains(&b'\r') {
            let mut line = Vec::with_capacity(event.len() + 8);
            for byte in body {
                match byte {
                    b'\n' => line.extend(b"\\n"),
                    b'\r' => line.extend(b"\\r"),
                    byte => line.push(*byte),
                }
            }
            line.extend(&event[body.len()..]);
            self.0.write_all(&line)?;
        } else {
            self.0.write_all(event)?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_terminal_sees_text_and_nothing_else() {
        assert_eq!(shown("a\tb\n\u{1b}[2J\u{202e}\u{9b}ü"), "a\tb\n‹U+001B›[2J‹U+202E›‹U+009B›ü");
        let json = serde_json::json!({ "x": "\u{1b}\u{7f}\u{9b}\u{202e}ü\n" });
        let text = shown_json(&format!("{json:#}"));
        assert!(!text.contains(['\u{1b}', '\u{7f}', '\u{9b}', '\u{202e}']), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), json);
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let mut log = OneLine(Vec::new());
        log.write_all(b"WARN a file\nINFO all is well\r\n").expect("write");
        log.write_all(b"INFO next\n").expect("write");
        assert_eq!(log.0, b"WARN a file\\nINFO all is well\\r\nINFO next\n");
    }
}
