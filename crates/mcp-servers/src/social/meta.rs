//! Facebook pages and Instagram business accounts, over Meta's Graph API.
//!
//! A picture on Instagram takes two steps: a container that Instagram fills from an address, and its
//! publication. Only the second has an effect, and the container says later whether it was published.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use task::{Attachment, Digest, Platform, SocialPost};

use super::live::{Account, Page, Posted, look, text_alone};
use crate::graph::{Made, read, time};
use crate::http::{Http, Trouble, segment};
use crate::outcome::Failure;

/// The version that is asked for unless config.yaml says another one.
const VERSION: &str = "v23.0";

/// How long a container is waited for: so often, and so long in between.
const WAITS: u32 = 15;
const WAIT: Duration = Duration::from_secs(2);

/// One Facebook page.
pub(super) struct Facebook(pub(super) Account);

/// One Instagram business account.
pub(super) struct Instagram {
    pub(super) account: Account,
    /// Where Instagram, and this program, fetch the owner's pictures.
    pub(super) pictures: Option<Http>,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    #[serde(default, alias = "caption")]
    message: String,
    #[serde(default, alias = "timestamp")]
    created_time: Option<String>,
}

#[derive(Deserialize)]
struct Followers {
    #[serde(default)]
    followers_count: Option<u64>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    status_code: String,
}

impl Account {
    fn graph(&self, of: &str, rest: &str) -> Result<String, Failure> {
        let of = segment(of).ok_or_else(|| Failure::none("that is no id at Meta; correct it"))?;
        Ok(format!("/{}/{of}{rest}", self.version(VERSION)))
    }

    /// Makes something; how far it matters is for the caller.
    async fn make(&self, path: String, body: &Value) -> Result<String, Trouble> {
        let reply = self.http.post(path, body).send().await?;
        read::<Made>(&reply).map(|made| made.id)
    }

    async fn list(&self, edge: &str, fields: &str, limit: usize) -> Result<Vec<Posted>, Failure> {
        let path = self.graph(&self.page.id, edge)?;
        let request = self.http.get(path).query("fields", fields).query("limit", limit);
        let list: List = read(&request.send().await.map_err(Trouble::reading)?).map_err(Trouble::reading)?;
        let at = |text: Option<String>| text.as_deref().and_then(time);
        let posts = list.data.into_iter().take(limit);
        Ok(posts.map(|i| Posted { id: i.id, text: i.message, at: at(i.created_time) }).collect())
    }

    async fn count(&self) -> Result<Option<u64>, Failure> {
        let request = self.http.get(self.graph(&self.page.id, "")?).query("fields", "followers_count");
        let page: Followers =
            read(&request.send().await.map_err(Trouble::reading)?).map_err(Trouble::reading)?;
        Ok(page.followers_count)
    }
}

#[async_trait]
impl Page for Facebook {
    async fn publish(&self, post: &SocialPost) -> Result<String, Failure> {
        text_alone(post, Platform::Facebook)?;
        let path = match &post.reply_to {
            Some(answered) => self.0.graph(answered, "/comments")?,
            None => self.0.graph(&self.0.page.id, "/feed")?,
        };
        let made = self.0.make(path, &json!({"message": post.text})).await;
        made.map_err(|t| t.acting(&look(Platform::Facebook)))
    }

    async fn latest(&self, limit: usize) -> Result<Vec<Posted>, Failure> {
        self.0.list("/feed", "id,message,created_time", limit).await
    }

    async fn followers(&self) -> Result<Option<u64>, Failure> {
        self.0.count().await
    }
}

impl Instagram {
    /// The address of a picture, after a look at what is there: what Instagram will fetch is what was
    /// signed, or nothing is published.
    async fn address(&self, picture: &Attachment) -> Result<String, Failure> {
        let (Some(pictures), Some(base)) = (&self.pictures, &self.account.page.media_url) else {
            return Err(Failure::none(
                "Instagram fetches pictures from an address; set social.instagram.media_url in config.yaml",
            ));
        };
        let hex = picture.sha256.hex();
        let place = format!("{}/{hex}", base.trim_end_matches('/'));
        let there = pictures.get(format!("/{hex}")).anonymous().send().await.map_err(Trouble::reading)?;
        if !there.is_ok() || Digest::of(&there.body) != picture.sha256 {
            return Err(Failure::none(format!(
                "what is at {place} is not the picture {:?} that was signed; put it there and approve again",
                picture.name
            )));
        }
        Ok(place)
    }

    async fn state(&self, container: &str) -> Result<String, Failure> {
        let request =
            self.account.http.get(self.account.graph(container, "")?).query("fields", "status_code");
        let reply = request.send().await.map_err(Trouble::reading)?;
        read::<Container>(&reply).map(|container| container.status_code).map_err(Trouble::reading)
    }

    /// Waits until Instagram has fetched the picture.
    async fn until_ready(&self, container: &str) -> Result<(), Failure> {
        for _ in 0..WAITS {
            match self.state(container).await?.as_str() {
                "FINISHED" => return Ok(()),
                "IN_PROGRESS" => tokio::time::sleep(WAIT).await,
                other => {
                    return Err(Failure::none(format!("Instagram does not take the picture ({other})")));
                }
            }
        }
        Err(Failure::none(
            "Instagram did not fetch the picture in time; nothing was published; try again later",
        ))
    }

    async fn picture(&self, post: &SocialPost, picture: &Attachment) -> Result<String, Failure> {
        let account = &self.account;
        let address = self.address(picture).await?;
        let path = account.graph(&account.page.id, "/media")?;
        // Whatever becomes of a container, nobody sees it before it is published.
        let made = account.make(path, &json!({"image_url": address, "caption": post.text})).await;
        let container = made.map_err(Trouble::reading)?;
        self.until_ready(&container).await?;
        let path = account.graph(&account.page.id, "/media_publish")?;
        let trouble = match account.make(path, &json!({"creation_id": container})).await {
            Ok(id) => return Ok(id),
            Err(trouble) => trouble,
        };
        // The container knows whether it was published.
        if trouble.may && self.state(&container).await.is_ok_and(|state| state == "PUBLISHED") {
            return Ok(format!("of container {container}"));
        }
        Err(trouble.acting(&look(Platform::Instagram)))
    }
}

#[async_trait]
impl Page for Instagram {
    async fn publish(&self, post: &SocialPost) -> Result<String, Failure> {
        match (&post.reply_to, post.media.as_slice()) {
            (Some(answered), []) => {
                let path = self.account.graph(answered, "/replies")?;
                let made = self.account.make(path, &json!({"message": post.text})).await;
                made.map_err(|t| t.acting(&look(Platform::Instagram)))
            }
            (None, [picture]) => self.picture(post, picture).await,
            (None, []) => Err(Failure::none("Instagram takes no post without a picture; add one to media")),
            _ => Err(Failure::none("a post on Instagram has one picture here, and an answer has none")),
        }
    }

    async fn latest(&self, limit: usize) -> Result<Vec<Posted>, Failure> {
        self.account.list("/media", "id,caption,timestamp", limit).await
    }

    async fn followers(&self) -> Result<Option<u64>, Failure> {
        self.account.count().await
    }
}
