//! `mcp-social`: Facebook, Instagram, X and LinkedIn.

mod linkedin;
mod live;
mod meta;
mod mock;
mod x;

pub(crate) use live::Live;
pub(crate) use mock::Mock;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use task::Platform;

use crate::catalog::{Entry, proposable, schema};
use crate::outcome::Answer;

pub(crate) const TOOLS: &[Entry] = &[
    Entry {
        name: "get_social_summary",
        description: "Followers, reach and the latest posts with their reactions, per platform.",
        schema: schema::<GetSocialSummary>,
    },
    proposable!("draft_social_post", "Keeps a post as a draft; nothing is published."),
    proposable!("post_facebook", "Posts on Facebook."),
    proposable!("post_instagram", "Posts on Instagram; a picture or film is needed."),
    proposable!("post_twitter", "Posts on X."),
    proposable!("post_linkedin", "Posts on LinkedIn."),
];

/// What people call a platform.
fn name(platform: Platform) -> &'static str {
    match platform {
        Platform::Linkedin => "LinkedIn",
        Platform::Facebook => "Facebook",
        Platform::Instagram => "Instagram",
        Platform::Twitter => "X",
    }
}

/// Arguments of `get_social_summary`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GetSocialSummary {
    /// Only this platform.
    platform: Option<Platform>,
    /// At most so many posts per platform; 20 unless told, 100 at most.
    limit: Option<u32>,
    /// Also says whether one of these posts has exactly this text.
    text: Option<String>,
    /// Only posts from then on; with `text`.
    since: Option<DateTime<Utc>>,
}

impl GetSocialSummary {
    /// Adds what was asked for beside the summary: whether one of `posts`, given as id, text and
    /// time, is the wanted one; a post without a time is not.
    fn answer<'a>(
        &self,
        text: String,
        mut content: Value,
        posts: impl Iterator<Item = (&'a str, &'a str, Option<DateTime<Utc>>)>,
    ) -> Answer {
        if let Some(wanted) = &self.text {
            // Platforms cut white space off.
            let fits = |text: &str, at: Option<DateTime<Utc>>| {
                text.trim() == wanted.trim()
                    && self.since.is_none_or(|since| at.is_some_and(|at| at >= since))
            };
            let found = { posts }.find(|(_, text, at)| fits(text, *at)).map(|(id, ..)| id);
            content["found"] = found.is_some().into();
            content["post_id"] = found.into();
        }
        Answer::new(text, content)
    }
}
