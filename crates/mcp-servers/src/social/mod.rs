//! `mcp-social`: Facebook, Instagram, X and LinkedIn.

mod mock;

pub(crate) use mock::Mock;

use schemars::JsonSchema;
use serde::Deserialize;
use task::Platform;

use crate::catalog::{Entry, proposable, schema};

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

/// Arguments of `get_social_summary`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GetSocialSummary {
    /// Only this platform.
    platform: Option<Platform>,
    /// At most so many posts per platform; 20 unless told, 100 at most.
    limit: Option<u32>,
}
