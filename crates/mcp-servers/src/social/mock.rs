//! Social platforms with sample data.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use signature::Permit;
use task::{Attachment, Call, Clock, Platform, Server, SocialDraft, SocialPost};

use super::{GetSocialSummary, name};
use crate::backend::{Backend, Done, arguments, limit, not_here, proposal};
use crate::outcome::{Answer, Failure};
use crate::setup::Setup;
use crate::store::Store;

/// The mock of `mcp-social`.
pub(crate) struct Mock {
    store: Store<Pages>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Pages {
    followers: Vec<Followers>,
    posts: Vec<Post>,
    drafts: Vec<Draft>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Followers {
    platform: Platform,
    count: u64,
    gained_this_week: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Post {
    id: String,
    platform: Platform,
    account: String,
    text: String,
    #[serde(default)]
    reply_to: Option<String>,
    #[serde(default)]
    media: Vec<Attachment>,
    reactions: u64,
    comments: u64,
    /// The approval that posted it.
    #[serde(default)]
    approval: Option<String>,
    /// When, if it was posted by this program.
    #[serde(default)]
    at: Option<DateTime<Utc>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Draft {
    id: u64,
    #[serde(flatten)]
    draft: SocialDraft,
}

impl Mock {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self { store: Store::new(&setup.data, Server::Social, sample), clock: setup.clock.clone() }
    }
}

#[async_trait]
impl Backend for Mock {
    async fn answer(&self, tool: &str, given: Value, _: Option<&str>) -> Result<Answer, Failure> {
        if tool == "get_social_summary" {
            let asked: GetSocialSummary = arguments(tool, given)?;
            return self.store.read(move |pages| Ok(summary(pages, &asked))).await;
        }
        match proposal(tool, given)? {
            Call::DraftSocialPost(draft) => {
                self.store
                    .change(move |pages| {
                        let id = pages.drafts.iter().map(|d| d.id).max().unwrap_or_default() + 1;
                        let text = format!("kept draft {id} for {}", name(draft.platform));
                        pages.drafts.push(Draft { id, draft });
                        Ok(Answer::new(text, json!({"draft_id": id})))
                    })
                    .await
            }
            _ => Err(not_here(tool)),
        }
    }

    async fn act(&self, permit: Permit) -> Result<Done, Failure> {
        let order = permit.order().clone();
        let (platform, post) = match order.action.call {
            Call::PostFacebook(post) => (Platform::Facebook, post),
            Call::PostInstagram(post) => (Platform::Instagram, post),
            Call::PostTwitter(post) => (Platform::Twitter, post),
            Call::PostLinkedin(post) => (Platform::Linkedin, post),
            other => return Err(not_here(other.tool())),
        };
        let (account, approval, at) = (order.action.account, order.approval, self.clock.now());
        self.store
            .change(move |pages| publish(pages, platform, account, post, approval, at))
            .await
            .map(Done::from)
    }
}

fn summary(pages: &Pages, asked: &GetSocialSummary) -> Answer {
    let platforms: Vec<_> = pages
        .followers
        .iter()
        .filter(|f| asked.platform.is_none_or(|platform| f.platform == platform))
        .map(|followers| {
            let posts: Vec<_> = pages
                .posts
                .iter()
                .rev()
                .filter(|post| post.platform == followers.platform)
                .take(limit(asked.limit))
                .collect();
            json!({
                "platform": followers.platform, "followers": followers.count,
                "gained_this_week": followers.gained_this_week, "posts": posts,
            })
        })
        .collect();
    let here = |post: &&Post| asked.platform.is_none_or(|platform| post.platform == platform);
    let posts = pages.posts.iter().filter(here).map(|post| (post.id.as_str(), post.text.as_str(), post.at));
    asked.answer(format!("{} platforms", platforms.len()), json!({"platforms": platforms}), posts)
}

fn publish(
    pages: &mut Pages,
    platform: Platform,
    account: String,
    post: SocialPost,
    approval: String,
    at: DateTime<Utc>,
) -> Result<Answer, Failure> {
    // An answer to a comment is text alone; a post of one's own is not.
    if platform == Platform::Instagram && post.media.is_empty() && post.reply_to.is_none() {
        return Err(Failure::none("Instagram takes no post without a picture or film; add one to media"));
    }
    let id = format!("{}-{}", name(platform).to_lowercase(), 1_000 + pages.posts.len());
    let answer = Answer::new(format!("posted {id} on {}", name(platform)), json!({"post_id": id}));
    let SocialPost { text, reply_to, media } = post;
    pages.posts.push(Post {
        id,
        platform,
        account,
        text,
        reply_to,
        media,
        reactions: 0,
        comments: 0,
        approval: Some(approval),
        at: Some(at),
    });
    Ok(answer)
}

/// The pages of a small firm.
fn sample() -> Pages {
    let post = |id: &str, platform, text: &str, reactions, comments| Post {
        id: id.into(),
        platform,
        account: "owner".into(),
        text: text.into(),
        reply_to: None,
        media: Vec::new(),
        reactions,
        comments,
        approval: None,
        at: None,
    };
    let followers = |platform, count, gained_this_week| Followers { platform, count, gained_this_week };
    Pages {
        followers: vec![
            followers(Platform::Linkedin, 1_840, 23),
            followers(Platform::Facebook, 412, 2),
            followers(Platform::Instagram, 2_305, 41),
            followers(Platform::Twitter, 967, 0),
        ],
        posts: vec![
            post(
                "linkedin-1000",
                Platform::Linkedin,
                "Three things we learned from integrating a 20-year-old warehouse system.",
                87,
                14,
            ),
            post("facebook-1001", Platform::Facebook, "We are closed on Rosenmontag. Helau!", 19, 3),
            post("instagram-1002", Platform::Instagram, "New office plant. Name suggestions?", 143, 38),
            post("x-1003", Platform::Twitter, "Shipping day.", 12, 1),
        ],
        drafts: Vec::new(),
    }
}
