//! The owner's real pages.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use signature::Permit;
use task::{Call, Platform, SocialPost};

use super::linkedin::Linkedin;
use super::meta::{Facebook, Instagram};
use super::x::X;
use super::{GetSocialSummary, name};
use crate::backend::{Backend, Done, Unset, arguments, limit, not_here, proposal};
use crate::http::{Http, Service};
use crate::outcome::{Answer, Failure};
use crate::setup::Setup;

/// One page on one platform.
#[async_trait]
pub(super) trait Page: Send + Sync {
    /// Publishes, once; gives the platform's id. Whoever calls has the owner's order.
    async fn publish(&self, post: &SocialPost) -> Result<String, Failure>;

    /// The newest posts, newest first, at most so many.
    async fn latest(&self, limit: usize) -> Result<Vec<Posted>, Failure>;

    /// How many follow the page, where the platform says so.
    async fn followers(&self) -> Result<Option<u64>, Failure>;
}

/// A post as a platform lists it.
pub(super) struct Posted {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) at: Option<DateTime<Utc>>,
}

/// `mcp-social` with real pages.
pub(crate) struct Live {
    pages: Vec<(Platform, Box<dyn Page>)>,
}

/// What every page needs.
pub(super) struct Account {
    pub(super) http: Http,
    pub(super) page: config::Page,
}

impl Account {
    fn new(
        setup: &Setup,
        social: &config::Social,
        platform: Platform,
        page: &config::Page,
        url: &str,
    ) -> Self {
        let (section, url) = (section(platform), page.url.clone().unwrap_or_else(|| url.to_owned()));
        Self { http: service(setup, social, name(platform), section, url, page), page: page.clone() }
    }

    /// The interface's version.
    pub(super) fn version<'a>(&'a self, known: &'a str) -> &'a str {
        self.page.version.as_deref().unwrap_or(known)
    }
}

fn service(
    setup: &Setup,
    social: &config::Social,
    name: &'static str,
    section: &'static str,
    url: String,
    page: &config::Page,
) -> Http {
    Http::new(Service {
        name,
        section,
        url,
        secret: page.secret.clone(),
        ca_file: social.ca_file.clone(),
        timeout_seconds: social.timeout_seconds,
        secrets: Arc::clone(&setup.secrets),
    })
}

fn unset(section: &'static str) -> Failure {
    Unset(section, "MOCK_DATA=true (modes.mock_data)").failure()
}

fn section(platform: Platform) -> &'static str {
    match platform {
        Platform::Linkedin => "social.linkedin",
        Platform::Facebook => "social.facebook",
        Platform::Instagram => "social.instagram",
        Platform::Twitter => "social.x",
    }
}

impl Live {
    pub(crate) fn new(setup: &Setup) -> Self {
        let mut pages: Vec<(Platform, Box<dyn Page>)> = Vec::new();
        let Some(social) = &setup.config.social else { return Self { pages } };
        let account =
            |platform, page: &config::Page, url: &str| Account::new(setup, social, platform, page, url);
        if let Some(page) = &social.linkedin {
            let account = account(Platform::Linkedin, page, "https://api.linkedin.com");
            pages.push((Platform::Linkedin, Box::new(Linkedin(account))));
        }
        if let Some(page) = &social.facebook {
            let account = account(Platform::Facebook, page, "https://graph.facebook.com");
            pages.push((Platform::Facebook, Box::new(Facebook(account))));
        }
        if let Some(page) = &social.instagram {
            let account = account(Platform::Instagram, page, "https://graph.facebook.com");
            let pictures = page.media_url.clone().map(|url| {
                service(setup, social, "the place of your pictures", "social.instagram", url, page)
            });
            pages.push((Platform::Instagram, Box::new(Instagram { account, pictures })));
        }
        if let Some(page) = &social.x {
            let account = account(Platform::Twitter, page, "https://api.x.com");
            pages.push((Platform::Twitter, Box::new(X(account))));
        }
        Self { pages }
    }

    fn page(&self, platform: Platform) -> Result<&dyn Page, Failure> {
        let found = self.pages.iter().find(|(known, _)| *known == platform);
        found.map(|(_, page)| page.as_ref()).ok_or_else(|| unset(section(platform)))
    }

    async fn summary(&self, asked: &GetSocialSummary) -> Result<Answer, Failure> {
        if self.pages.is_empty() {
            return Err(unset("social"));
        }
        let wanted: Vec<Platform> = match asked.platform {
            Some(platform) => vec![platform],
            None => self.pages.iter().map(|(platform, _)| *platform).collect(),
        };
        let (mut platforms, mut posts) = (Vec::new(), Vec::new());
        for platform in wanted {
            let page = self.page(platform)?;
            let latest = page.latest(limit(asked.limit)).await?;
            let listed: Vec<_> =
                latest.iter().map(|post| json!({"id": post.id, "text": post.text, "at": post.at})).collect();
            // Whoever asks for a post does not care for followers.
            let followers = if asked.text.is_some() { None } else { page.followers().await? };
            platforms.push(json!({"platform": platform, "followers": followers, "posts": listed}));
            posts.extend(latest);
        }
        let found = posts.iter().map(|post| (post.id.as_str(), post.text.as_str(), post.at));
        Ok(asked.answer(format!("{} platforms", platforms.len()), json!({"platforms": platforms}), found))
    }
}

#[async_trait]
impl Backend for Live {
    async fn answer(&self, tool: &str, given: Value, _: Option<&str>) -> Result<Answer, Failure> {
        if tool == "get_social_summary" {
            return self.summary(&arguments(tool, given)?).await;
        }
        match proposal(tool, given)? {
            Call::DraftSocialPost(_) => {
                Ok(Answer::new("the draft is kept in the task; no page was touched", json!({"kept": false})))
            }
            _ => Err(not_here(tool)),
        }
    }

    async fn act(&self, permit: Permit) -> Result<Done, Failure> {
        let (platform, post) = match &permit.order().action.call {
            Call::PostFacebook(post) => (Platform::Facebook, post),
            Call::PostInstagram(post) => (Platform::Instagram, post),
            Call::PostTwitter(post) => (Platform::Twitter, post),
            Call::PostLinkedin(post) => (Platform::Linkedin, post),
            other => return Err(not_here(other.tool())),
        };
        let id = self.page(platform)?.publish(post).await?;
        Ok(Done::from(Answer::new(format!("posted {id} on {}", name(platform)), json!({"post_id": id}))))
    }
}

/// Says that a platform's posts cannot have media here yet.
pub(super) fn text_alone(post: &SocialPost, platform: Platform) -> Result<(), Failure> {
    match post.media.is_empty() {
        true => Ok(()),
        false => Err(Failure::none(format!(
            "posts on {} cannot have pictures yet; take them out, or post it by hand",
            name(platform)
        ))),
    }
}

/// Where the owner can look when nobody knows.
pub(super) fn look(platform: Platform) -> String {
    format!("look at your page on {}", name(platform))
}
