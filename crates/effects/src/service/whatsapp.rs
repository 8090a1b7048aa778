//! The WhatsApp Cloud API of one number.

use serde_json::{Value, json};

use super::{Answer, Book, Request};

/// A number that sends.
pub struct Whatsapp {
    key: String,
    sent: Vec<(String, String)>,
}

impl Whatsapp {
    /// The number's id.
    pub const ID: &str = "2002";

    /// A number that takes this key.
    pub fn new(key: &str) -> Self {
        Self { key: key.to_owned(), sent: Vec::new() }
    }

    /// What was sent, and to whom.
    pub fn sent(&self) -> &[(String, String)] {
        &self.sent
    }
}

fn refuse(status: u16, code: i64, message: &str) -> Answer {
    Answer::new(status, json!({"error": {"message": message, "type": "OAuthException", "code": code}}))
}

impl Book for Whatsapp {
    fn acts(&self, request: &Request) -> bool {
        request.method == "POST"
    }

    fn serve(&mut self, request: &Request) -> Answer {
        if request.header("authorization") != Some(&format!("Bearer {}", self.key)) {
            return refuse(401, 190, "Invalid OAuth access token");
        }
        let path: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        let ("POST", [_, Self::ID, "messages"]) = (request.method.as_str(), path.as_slice()) else {
            return refuse(404, 100, "Unsupported request");
        };
        let body = request.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (to, words) = (text(&body["to"]), text(&body["text"]["body"]));
        if body["messaging_product"] != "whatsapp"
            || body["type"] != "text"
            || to.is_empty()
            || words.is_empty()
        {
            return refuse(400, 100, "Invalid parameter");
        }
        self.sent.push((to.clone(), words));
        let id = format!("wamid.{}", self.sent.len());
        Answer::new(
            200,
            json!({
                "messaging_product": "whatsapp", "contacts": [{"input": to, "wa_id": to.trim_start_matches('+')}],
                "messages": [{"id": id}],
            }),
        )
    }

    fn refusal(&self) -> Answer {
        refuse(400, 131_030, "Recipient phone number not in allowed list")
    }

    fn effects(&self) -> usize {
        self.sent.len()
    }
}
