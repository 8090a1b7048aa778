//! What the pages say, read from the answer of `get_social_summary`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One page.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SocialLine {
    /// Which platform, as the server names it.
    pub platform: String,
    /// How many follow, if the platform says so.
    pub followers: Option<u64>,
    /// How many of them are new.
    pub gained: Option<u64>,
    /// Reactions and comments on the posts that were listed.
    pub reactions: u64,
    /// See `reactions`.
    pub comments: u64,
    /// How many posts were listed.
    pub posts: usize,
}

/// All pages.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Social {
    /// In the server's order.
    pub lines: Vec<SocialLine>,
    /// Entries that made no sense.
    pub unreadable: usize,
}

impl Social {
    /// Reads the answer.
    pub fn read(answer: &Value) -> Result<Self, String> {
        let Some(platforms) = answer.get("platforms").and_then(Value::as_array) else {
            return Err("the social server's answer has no list of platforms".to_owned());
        };
        let mut social = Self::default();
        for entry in platforms {
            match line(entry) {
                Some(line) => social.lines.push(line),
                None => social.unreadable += 1,
            }
        }
        if social.lines.is_empty() && social.unreadable > 0 {
            return Err("no entry of the social server's answer makes sense".to_owned());
        }
        Ok(social)
    }
}

fn line(entry: &Value) -> Option<SocialLine> {
    let number = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_u64);
    let none = Vec::new();
    let posts = entry.get("posts").and_then(Value::as_array).unwrap_or(&none);
    let sum = |key: &str| posts.iter().filter_map(|post| number(post, key)).fold(0, u64::saturating_add);
    Some(SocialLine {
        platform: entry.get("platform")?.as_str()?.to_owned(),
        followers: number(entry, "followers"),
        gained: number(entry, "gained_this_week"),
        reactions: sum("reactions"),
        comments: sum("comments"),
        posts: posts.len(),
    })
}
