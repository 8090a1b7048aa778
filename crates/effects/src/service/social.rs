//! Four platforms behind one address, each with its own way of speaking: X's version 2, LinkedIn's
//! versioned interface, and Meta's Graph API for a Facebook page and an Instagram account.

use serde_json::{Value, json};

use super::{Answer, Book, Request};

/// A post that somebody can see.
#[derive(Clone, Debug)]
pub struct Post {
    /// Its id.
    pub id: String,
    /// Where it is: `x`, `linkedin`, `facebook` or `instagram`.
    pub platform: &'static str,
    /// What readers see.
    pub text: String,
    /// Whether it answers another one; answers are not among a page's posts.
    pub answer: bool,
}

/// The pages of one owner.
pub struct Social {
    key: String,
    posts: Vec<Post>,
    /// Picture's address, caption, and whether it was published.
    containers: Vec<(String, String, bool)>,
    /// Whether lists are behind: they do not show what was posted.
    pub behind: bool,
    /// What can be fetched as a picture: its name in hexadecimal digits, and the bytes.
    pub picture: Option<(String, String)>,
}

impl Social {
    /// The owner's number on each platform.
    pub const ID: &str = "1001";

    /// LinkedIn's way of numbering.
    pub const AUTHOR: &str = "urn:li:organization:1001";

    /// Pages that take this key.
    pub fn new(key: &str) -> Self {
        Self { key: key.to_owned(), posts: Vec::new(), containers: Vec::new(), behind: false, picture: None }
    }

    /// Everything that can be seen, oldest first.
    pub fn posts(&self) -> &[Post] {
        &self.posts
    }

    fn publish(&mut self, platform: &'static str, text: &str, answer: bool) -> String {
        let id = format!("{platform}-{}", self.posts.len());
        self.posts.push(Post { id: id.clone(), platform, text: text.to_owned(), answer });
        id
    }

    fn listed(&self, platform: &str) -> impl Iterator<Item = &Post> {
        let behind = self.behind;
        self.posts.iter().rev().filter(move |post| post.platform == platform && !post.answer && !behind)
    }

    fn x(&mut self, request: &Request, path: &[&str]) -> Answer {
        match (request.method.as_str(), path) {
            ("POST", ["tweets"]) => {
                let body = request.json();
                let Some(text) = body["text"].as_str().filter(|text| !text.is_empty()) else {
                    return Answer::new(
                        400,
                        json!({"title": "Invalid Request", "detail": "text is missing"}),
                    );
                };
                let text = text.to_owned();
                let id = self.publish("x", &text, body["reply"].is_object());
                Answer::new(201, json!({"data": {"id": id, "text": text}}))
            }
            ("GET", ["users", Self::ID, "tweets"]) => {
                let html = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                let data: Vec<Value> = self
                    .listed("x")
                    .map(|post| json!({"id": post.id, "text": html(&post.text), "created_at": NOW}))
                    .collect();
                // An empty list has no data.
                let all =
                    if data.is_empty() { json!({"meta": {}}) } else { json!({"data": data, "meta": {}}) };
                Answer::new(200, all)
            }
            ("GET", ["users", Self::ID]) => Answer::new(
                200,
                json!({"data": {"id": Self::ID, "name": "Jane", "public_metrics": {"followers_count": 7}}}),
            ),
            _ => Answer::new(404, json!({"title": "Not Found", "detail": "no such place"})),
        }
    }

    fn linkedin(&mut self, request: &Request, path: &[&str]) -> Answer {
        let versioned = request.header("linkedin-version").is_some_and(|version| version.len() == 6);
        if !versioned || request.header("x-restli-protocol-version") != Some("2.0.0") {
            return Answer::new(400, json!({"message": "a version is needed", "status": 400}));
        }
        let body = request.json();
        match (request.method.as_str(), path) {
            ("POST", ["posts"]) if body["author"] == Self::AUTHOR => {
                let Some(text) = shown(body["commentary"].as_str().unwrap_or_default()) else {
                    return Answer::new(422, json!({"message": "commentary has reserved characters"}));
                };
                let id = self.publish("linkedin", &text, false);
                Answer::new(201, Value::Null).with("x-restli-id", &id)
            }
            ("POST", ["socialActions", _, "comments"]) if body["actor"] == Self::AUTHOR => {
                let text = body["message"]["text"].as_str().unwrap_or_default().to_owned();
                let id = self.publish("linkedin", &text, true);
                Answer::new(201, json!({"id": id})).with("x-restli-id", &id)
            }
            ("GET", ["posts"]) if request.header("x-restli-method") == Some("FINDER") => {
                let all: Vec<Value> = self
                    .listed("linkedin")
                    .map(|post| {
                        let commentary: String = post
                            .text
                            .chars()
                            .flat_map(|c| RESERVED.contains(c).then_some('\\').into_iter().chain([c]))
                            .collect();
                        json!({"id": post.id, "commentary": commentary, "publishedAt": 4_070_908_800_000_i64})
                    })
                    .collect();
                Answer::new(200, json!({"elements": all}))
            }
            ("GET", ["networkSizes", _]) => Answer::new(200, json!({"firstDegreeSize": 7})),
            _ => Answer::new(404, json!({"message": "no such place", "status": 404})),
        }
    }

    fn graph(&mut self, request: &Request, path: &[&str]) -> Answer {
        let body = request.json();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        match (request.method.as_str(), path) {
            ("POST", [Self::ID, "feed"]) => {
                let id = self.publish("facebook", &text("message"), false);
                Answer::new(200, json!({"id": id}))
            }
            ("POST", [_, "comments" | "replies"]) => {
                let id = self.publish("facebook", &text("message"), true);
                Answer::new(200, json!({"id": id}))
            }
            ("POST", [Self::ID, "media"]) => {
                self.containers.push((text("image_url"), text("caption"), false));
                Answer::new(200, json!({"id": format!("container-{}", self.containers.len() - 1)}))
            }
            ("POST", [Self::ID, "media_publish"]) => {
                let wanted = text("creation_id");
                let Some((_, caption, published)) = self.container(&wanted) else {
                    return graph_refusal(100, "no such container");
                };
                if *published {
                    return graph_refusal(9007, "the container is published already");
                }
                *published = true;
                let caption = caption.clone();
                let id = self.publish("instagram", &caption, false);
                Answer::new(200, json!({"id": id}))
            }
            ("GET", [Self::ID, edge @ ("feed" | "media")]) => {
                let (platform, text, at) = match *edge {
                    "feed" => ("facebook", "message", "created_time"),
                    _ => ("instagram", "caption", "timestamp"),
                };
                let all: Vec<Value> = self
                    .listed(platform)
                    .map(|post| json!({"id": post.id, text: post.text, at: "2099-01-01T00:00:00+0000"}))
                    .collect();
                Answer::new(200, json!({"data": all}))
            }
            ("GET", [Self::ID]) => Answer::new(200, json!({"id": Self::ID, "followers_count": 7})),
            ("GET", [container]) => match self.container(container) {
                Some((.., true)) => Answer::new(200, json!({"status_code": "PUBLISHED"})),
                Some(_) => Answer::new(200, json!({"status_code": "FINISHED"})),
                None => graph_refusal(100, "no such object"),
            },
            _ => graph_refusal(100, "no such place"),
        }
    }

    fn container(&mut self, id: &str) -> Option<&mut (String, String, bool)> {
        let at: usize = id.strip_prefix("container-")?.parse().ok()?;
        self.containers.get_mut(at)
    }
}

/// Any moment after every test's beginning serves.
const NOW: &str = "2099-01-01T00:00:00Z";

/// What LinkedIn takes for itself unless a backslash stands before it.
const RESERVED: &str = "|{}@[]()<>#\\*_~";

/// What readers see of a text on LinkedIn; none where a reserved character stands bare.
fn shown(text: &str) -> Option<String> {
    let mut chars = text.chars();
    let mut shown = String::new();
    while let Some(c) = chars.next() {
        match c {
            '\\' => shown.push(chars.next()?),
            c if RESERVED.contains(c) => return None,
            c => shown.push(c),
        }
    }
    Some(shown)
}

fn graph_refusal(code: i64, message: &str) -> Answer {
    Answer::new(400, json!({"error": {"message": message, "type": "OAuthException", "code": code}}))
}

impl Book for Social {
    fn acts(&self, request: &Request) -> bool {
        request.method == "POST" && !request.path.ends_with("/media")
    }

    fn serve(&mut self, request: &Request) -> Answer {
        let path: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        if let ["pictures", name] = path.as_slice() {
            return match &self.picture {
                Some((known, bytes)) if known == name => Answer::raw(200, bytes),
                _ => Answer::new(404, Value::Null),
            };
        }
        if request.header("authorization") != Some(&format!("Bearer {}", self.key)) {
            return graph_refusal(190, "Invalid OAuth access token");
        }
        match path.as_slice() {
            ["2", rest @ ..] => self.x(request, rest),
            ["rest", rest @ ..] => self.linkedin(request, rest),
            [version, rest @ ..] if version.starts_with('v') => self.graph(request, rest),
            _ => Answer::new(404, Value::Null),
        }
    }

    fn refusal(&self) -> Answer {
        graph_refusal(368, "The action attempted has been deemed abusive or is otherwise disallowed")
    }

    fn effects(&self) -> usize {
        self.posts.len()
    }
}
