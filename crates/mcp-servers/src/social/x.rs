//! X, API version 2: `POST /2/tweets`, and the user's own posts.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use task::{Platform, SocialPost};

use super::live::{Account, Page, Posted, look, text_alone};
use crate::http::{Reply, Trouble, segment};
use crate::outcome::Failure;

/// One user's account.
pub(super) struct X(pub(super) Account);

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

/// A list that is empty has no `data` at all.
#[derive(Deserialize)]
struct List {
    #[serde(default)]
    data: Vec<Tweet>,
}

#[derive(Deserialize)]
struct Tweet {
    id: String,
    text: String,
    #[serde(default)]
    created_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    public_metrics: Option<Metrics>,
}

#[derive(Deserialize)]
struct Metrics {
    followers_count: u64,
}

/// How a refusal is worded.
#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
}

fn read<T: DeserializeOwned>(reply: &Reply) -> Result<T, Trouble> {
    if reply.is_ok() {
        return reply.json();
    }
    let words = serde_json::from_slice::<Refusal>(&reply.body);
    let words = words.map(|said| format!("{} {}", said.title, said.detail)).unwrap_or_default();
    Err(reply.refusal(&words, ""))
}

impl X {
    fn user(&self) -> Result<String, Failure> {
        segment(&self.0.page.id)
            .ok_or_else(|| Failure::none("social.x.id is no user id; correct it in config.yaml"))
    }
}

#[async_trait]
impl Page for X {
    async fn publish(&self, post: &SocialPost) -> Result<String, Failure> {
        text_alone(post, Platform::Twitter)?;
        let mut body = json!({"text": post.text});
        if let Some(answered) = &post.reply_to {
            body["reply"] = json!({"in_reply_to_tweet_id": answered});
        }
        let look = look(Platform::Twitter);
        let reply = self.0.http.post("/2/tweets", &body).send().await.map_err(|t| t.acting(&look))?;
        let made: Data<Tweet> = read(&reply).map_err(|t| t.acting(&look))?;
        Ok(made.data.id)
    }

    async fn latest(&self, limit: usize) -> Result<Vec<Posted>, Failure> {
        let request = self
            .0
            .http
            .get(format!("/2/users/{}/tweets", self.user()?))
            // The interface takes no less than 5.
            .query("max_results", limit.max(5))
            .query("tweet.fields", "created_at");
        let list: List = read(&request.send().await.map_err(Trouble::reading)?).map_err(Trouble::reading)?;
        let posts = list.data.into_iter().take(limit);
        Ok(posts.map(|t| Posted { id: t.id, text: plain(&t.text), at: t.created_at }).collect())
    }

    async fn followers(&self) -> Result<Option<u64>, Failure> {
        let request =
            self.0.http.get(format!("/2/users/{}", self.user()?)).query("user.fields", "public_metrics");
        let user: Data<User> =
            read(&request.send().await.map_err(Trouble::reading)?).map_err(Trouble::reading)?;
        Ok(user.data.public_metrics.map(|metrics| metrics.followers_count))
    }
}

/// X lists three characters as HTML writes them.
fn plain(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
