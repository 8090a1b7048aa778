//! Strangers' text, made fit to be looked at and quoted.

pub(crate) use policy::has_word as has;

/// Characters that reorder or hide text; they have no business in a line that we write.
fn hidden(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// One line without control characters, at most `max` characters, cut at a word with `…`.
pub(crate) fn line(text: &str, max: usize) -> String {
    let plain: String =
        text.chars().filter(|c| !hidden(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    clip(&plain.split_whitespace().collect::<Vec<_>>().join(" "), max)
}

/// At most `max` characters, cut at a word with `…` where it is longer.
pub(crate) fn clip(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let head: String = text.chars().take(max.saturating_sub(1)).collect();
    let cut = match head.rfind(char::is_whitespace) {
        Some(at) if at > head.len() / 2 => &head[..at],
        _ => &head,
    };
    format!("{}…", cut.trim_end())
}

/// At most `max` bytes, cut between characters; whether something was cut.
pub(crate) fn head(text: &str, max: usize) -> (&str, bool) {
    if text.len() <= max {
        return (text, false);
    }
    let end = (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    (&text[..end], true)
}

/// A mail's own words: without what it quotes and without the signature.
pub(crate) fn own_words(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for line in text.lines() {
        let bare = line.trim();
        if line.trim_end() == "--" || introduces_quote(bare) {
            break;
        }
        if !bare.starts_with('>') {
            kept.push(line);
        }
    }
    let own = kept.join("\n").trim().to_owned();
    // A mail that only forwards has nothing else to look at.
    if own.is_empty() { text.trim().to_owned() } else { own }
}

fn introduces_quote(line: &str) -> bool {
    line.starts_with("-----Original Message-----")
        || line.starts_with("-----Ursprüngliche Nachricht-----")
        || line.starts_with("On ") && line.ends_with("wrote:")
        || line.starts_with("Am ") && line.ends_with("schrieb:")
        || line.starts_with("Am ") && line.contains(" schrieb ") && line.ends_with(':')
}

/// The sentences of a text, in order, each one line.
pub(crate) fn sentences(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for paragraph in text.split("\n\n") {
        let mut rest = paragraph;
        while !rest.is_empty() {
            let end = rest
                .char_indices()
                .find(|(at, c)| {
                    let next = rest[at + c.len_utf8()..].chars().next();
                    // `3.5` and `26. Februar` are no ends; a greeting's line is one.
                    let numbered = *c == '.' && rest[..*at].ends_with(|c: char| c.is_ascii_digit());
                    (matches!(c, '.' | '!' | '?') && !numbered && next.is_none_or(char::is_whitespace))
                        || (*c == '\n' && rest[..*at].ends_with(','))
                })
                .map_or(rest.len(), |(at, c)| at + c.len_utf8());
            let sentence = line(&rest[..end], usize::MAX);
            if !sentence.is_empty() {
                all.push(sentence);
            }
            rest = &rest[end..];
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mails_own_words_are_without_quotes_and_signature() {
        let check = |text: &str, expected: &str| assert_eq!(own_words(text), expected);
        check("Yes, please.\n\nOn Mon, Bob wrote:\n> shall I?\n", "Yes, please.");
        check("Ja.\n> soll ich?\n-- \nAlice", "Ja.");
        check("Ja.\n\nAm 3. März 2026 um 10:00 schrieb Bob <b@c>:\n> soll ich?", "Ja.");
        check("> only a quote", "> only a quote");
    }

    #[test]
    fn words_are_found_whole() {
        let check = |text: &str, phrase: &str, found: bool| assert_eq!(has(text, phrase), found, "{phrase}");
        check("can we meet?", "meet", true);
        check("meeting at ten", "meet", false);
        check("meeting at ten", "meet*", true);
        check("die zahlungsrechnung", "rechnung", false);
        check("rechnungen", "rechnung*", true);
    }

    #[test]
    fn sentences_end_at_marks_and_greetings() {
        assert_eq!(
            sentences("Hi Bob,\ncould you send\nit at 3.5 percent? Thanks.\n\nAlice"),
            ["Hi Bob,", "could you send it at 3.5 percent?", "Thanks.", "Alice"]
        );
    }

    #[test]
    fn text_is_cut_at_words() {
        assert_eq!(clip("one two three", 13), "one two three");
        assert_eq!(clip("one two three", 10), "one two…");
        assert_eq!(line("a\u{202e}b\r\nc", 10), "ab c");
        assert_eq!(head("aü", 2), ("a", true));
    }
}
