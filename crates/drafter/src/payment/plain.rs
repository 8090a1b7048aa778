//! A stranger's text, made ready for reading figures and accounts out of it.

/// A text without what is not seen, and what was odd about it.
pub(super) struct Plain {
    pub(super) chars: Vec<char>,
    /// Digits that are not 0 to 9.
    pub(super) unusual_digits: bool,
    /// Characters that turn the direction of reading round: what is seen is not what stands there.
    pub(super) turned: bool,
}

impl Plain {
    pub(super) fn of(text: &str) -> Self {
        let mut plain = Self { chars: Vec::with_capacity(text.len()), unusual_digits: false, turned: false };
        for c in text.chars() {
            match c {
                '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    plain.turned = true;
                }
                '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{feff}' | '\u{ad}' => {}
                // Spaces that hold a number together.
                '\u{a0}' | '\u{202f}' | '\u{2007}' | '\u{2009}' => plain.chars.push('\u{a0}'),
                '\r' => {}
                c => {
                    plain.unusual_digits |= !c.is_ascii() && c.is_numeric() && !"²³¹½¼¾".contains(c);
                    plain.chars.push(c);
                }
            }
        }
        plain
    }

    pub(super) fn text(&self) -> String {
        self.chars.iter().collect()
    }

    /// The same text with `ranges` struck out, so that digits in them are not read again.
    pub(super) fn without(&self, ranges: &[std::ops::Range<usize>]) -> Self {
        let mut chars = self.chars.clone();
        for range in ranges {
            chars[range.clone()].iter_mut().for_each(|c| *c = if *c == '\n' { '\n' } else { '\u{fffd}' });
        }
        Self { chars, ..*self }
    }
}

/// A name as it is compared: `**Amount due**` and `amount_due` are the same.
pub(super) fn label(key: &str) -> String {
    let bare = key
        .trim()
        .trim_start_matches(['-', '*', '#', '>', '|', '•', ' '])
        .trim_matches(['*', '|', ' ', '_', '.']);
    bare.to_lowercase().replace(['-', ' ', '\u{a0}'], "_").replace('.', "")
}
