//! Where social posts go, and what each platform takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where social posts go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// LinkedIn
    Linkedin,
    /// Facebook
    Facebook,
    /// Instagram
    Instagram,
    /// X
    Twitter,
}

/// The most hashtags of a post on Instagram.
const HASHTAGS: usize = 30;
/// What X counts for a link, however long it is.
const LINK: usize = 23;

impl Platform {
    /// The longest text of a post, as the platform counts it, from the platforms' own help pages: X 280,
    /// Instagram 2,200, LinkedIn 3,000, Facebook 63,206.
    pub fn limit(self) -> usize {
        match self {
            Platform::Twitter => 280,
            Platform::Instagram => 2_200,
            Platform::Linkedin => 3_000,
            Platform::Facebook => 63_206,
        }
    }

    /// How long the platform says that `text` is. X counts a link as 23, and characters of East Asian scripts
    /// and emoji as two (its documentation, "Counting characters"); the others count Unicode scalar values.
    pub fn length(self, text: &str) -> usize {
        let Platform::Twitter = self else { return text.chars().count() };
        let weight = |text: &str| text.chars().map(weight).sum::<usize>();
        let link = |word: &str| word.starts_with("https://") || word.starts_with("http://");
        text.split_inclusive(char::is_whitespace)
            .map(|word| match word.trim_end() {
                bare if link(bare) => LINK + weight(&word[bare.len()..]),
                _ => weight(word),
            })
            .sum()
    }

    /// Whether the platform takes it; the error is a fragment.
    pub fn takes(self, text: &str) -> Result<(), String> {
        let (length, limit) = (self.length(text), self.limit());
        if length > limit {
            return Err(format!("text has {length} characters; {self:?} takes at most {limit}"));
        }
        let hashtags = text
            .split_whitespace()
            .filter(|word| word.strip_prefix('#').is_some_and(|tag| tag.starts_with(char::is_alphanumeric)))
            .count();
        if self == Platform::Instagram && hashtags > HASHTAGS {
            return Err(format!("text has {hashtags} hashtags; {self:?} takes at most {HASHTAGS}"));
        }
        Ok(())
    }
}

/// What X counts for a character.
fn weight(c: char) -> usize {
    match c {
        '\u{0}'..='\u{10ff}'
        | '\u{2000}'..='\u{200d}'
        | '\u{2010}'..='\u{201f}'
        | '\u{2032}'..='\u{2037}' => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_platform_counts_in_its_own_way() {
        let check =
            |platform: Platform, text: &str, length| assert_eq!(platform.length(text), length, "{text}");
        check(Platform::Twitter, "Grüße – 1", 9);
        check(Platform::Twitter, "日本 😀", 7);
        check(Platform::Linkedin, "日本 😀", 4);
        check(
            Platform::Twitter,
            "see https://example.com/a/very/long/path?that=goes&on=and-on-and-on now",
            4 + 23 + 4,
        );
        let takes = |platform: Platform, text: String| platform.takes(&text).is_ok();
        assert!(takes(Platform::Twitter, "x".repeat(280)) && !takes(Platform::Twitter, "x".repeat(281)));
        assert!(takes(Platform::Twitter, "日".repeat(140)) && !takes(Platform::Twitter, "日".repeat(141)));
        assert!(
            takes(Platform::Linkedin, "x".repeat(3_000)) && !takes(Platform::Linkedin, "x".repeat(3_001))
        );
        assert!(
            takes(Platform::Instagram, "#a ".repeat(30)) && !takes(Platform::Instagram, "#a ".repeat(31))
        );
        assert!(
            !takes(Platform::Instagram, "x".repeat(2_201)) && !takes(Platform::Facebook, "x".repeat(63_207))
        );
    }
}
