//! LinkedIn's versioned interface: posts of a person or an organisation, and comments.

use async_trait::async_trait;
use chrono::DateTime;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use task::{Platform, SocialPost};

use super::live::{Account, Page, Posted, look, text_alone};
use crate::http::{Reply, Request, Trouble, segment};
use crate::outcome::Failure;

/// The version that is asked for unless config.yaml says another one.
const VERSION: &str = "202511";

/// Characters that mean something in a post's text; each stands for itself behind a backslash.
const RESERVED: &str = "|{}@[]()<>#\\*_~";

/// One author.
pub(super) struct Linkedin(pub(super) Account);

#[derive(Deserialize)]
struct Elements {
    #[serde(default)]
    elements: Vec<Post>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Post {
    id: String,
    #[serde(default)]
    commentary: String,
    /// Milliseconds since 1970.
    #[serde(default)]
    published_at: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Size {
    first_degree_size: u64,
}

/// How a refusal is worded.
#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    message: String,
}

fn check(reply: &Reply) -> Result<(), Trouble> {
    if reply.is_ok() {
        return Ok(());
    }
    let words = serde_json::from_slice::<Refusal>(&reply.body).map(|said| said.message);
    Err(reply.refusal(&words.unwrap_or_default(), ""))
}

fn read<T: DeserializeOwned>(reply: &Reply) -> Result<T, Trouble> {
    check(reply)?;
    reply.json()
}

/// A text that LinkedIn shows letter for letter.
fn escaped(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        if RESERVED.contains(c) {
            written.push('\\');
        }
        written.push(c);
    }
    written
}

/// The text behind it.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    plain
}

impl Linkedin {
    fn versioned<'a>(&self, request: Request<'a>) -> Request<'a> {
        request
            .header("linkedin-version", self.0.version(VERSION))
            .header("x-restli-protocol-version", "2.0.0")
    }
}

#[async_trait]
impl Page for Linkedin {
    async fn publish(&self, post: &SocialPost) -> Result<String, Failure> {
        text_alone(post, Platform::Linkedin)?;
        let author = &self.0.page.id;
        let (path, body) = match &post.reply_to {
            Some(answered) => {
                let place = segment(answered).ok_or_else(|| {
                    Failure::none("reply_to is no id of a post on LinkedIn; correct the draft")
                })?;
                // A comment's text is plain.
                let comment = json!({"actor": author, "object": answered, "message": {"text": post.text}});
                (format!("/rest/socialActions/{place}/comments"), comment)
            }
            None => (
                "/rest/posts".to_owned(),
                json!({
                    "author": author, "commentary": escaped(&post.text), "visibility": "PUBLIC",
                    "distribution": {"feedDistribution": "MAIN_FEED", "targetEntities": [],
                                     "thirdPartyDistributionChannels": []},
                    "lifecycleState": "PUBLISHED", "isReshareDisabledByAuthor": false,
                }),
            ),
        };
        let look = look(Platform::Linkedin);
        let request = self.versioned(self.0.http.post(path, &body));
        let reply = request.send().await.map_err(|t| t.acting(&look))?;
        check(&reply).map_err(|t| t.acting(&look))?;
        // It was made; how it is called is in a header, and missing at worst.
        Ok(reply.header("x-restli-id").unwrap_or("without an id").to_owned())
    }

    async fn latest(&self, limit: usize) -> Result<Vec<Posted>, Failure> {
        let request = self
            .versioned(self.0.http.get("/rest/posts"))
            .header("x-restli-method", "FINDER")
            .query("q", "author")
            .query("author", &self.0.page.id)
            .query("count", limit)
            .query("sortBy", "CREATED");
        let list: Elements =
            read(&request.send().await.map_err(Trouble::reading)?).map_err(Trouble::reading)?;
        let at = |ms: Option<i64>| ms.and_then(DateTime::from_timestamp_millis);
        let posts = list.elements.into_iter().take(limit);
        Ok(posts
            .map(|p| Posted { id: p.id, text: unescaped(&p.commentary), at: at(p.published_at) })
            .collect())
    }

    async fn followers(&self) -> Result<Option<u64>, Failure> {
        let author = &self.0.page.id;
        let (true, Some(place)) = (author.starts_with("urn:li:organization:"), segment(author)) else {
            return Ok(None);
        };
        let request = self
            .versioned(self.0.http.get(format!("/rest/networkSizes/{place}")))
            .query("edgeType", "COMPANY_FOLLOWED_BY_MEMBER");
        let size: Size = read(&request.send().await.map_err(Trouble::reading)?).map_err(Trouble::reading)?;
        Ok(Some(size.first_degree_size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_signed_is_what_is_shown() {
        let text = "50 % off (only @home) #sale *now* a_b ~c~ {x} [y] <z> | \\o/";
        let written = escaped(text);
        assert!(written.contains("\\@home") && written.contains("\\#sale") && written.contains("\\\\o/"));
        assert_eq!(unescaped(&written), text);
        assert_eq!(escaped("Grüße, plain."), "Grüße, plain.");
    }
}
