//! A provider that says what a token may do, as Google's `tokeninfo` does.

use serde_json::json;

use super::{Answer, Book, Request};

/// One token and its scopes.
pub struct Tokens {
    token: String,
    /// What it may do.
    pub scopes: String,
    asked: usize,
}

impl Tokens {
    /// A provider that has given this token, with these scopes.
    pub fn new(token: &str, scopes: &str) -> Self {
        Self { token: token.to_owned(), scopes: scopes.to_owned(), asked: 0 }
    }
}

impl Book for Tokens {
    fn acts(&self, _: &Request) -> bool {
        false
    }

    fn serve(&mut self, request: &Request) -> Answer {
        self.asked += 1;
        match request.body == format!("access_token={}", self.token) && request.query.is_empty() {
            true => Answer::new(
                200,
                json!({"scope": self.scopes, "expires_in": "3599", "access_type": "offline"}),
            ),
            false => {
                Answer::new(400, json!({"error": "invalid_token", "error_description": "Invalid Value"}))
            }
        }
    }

    fn refusal(&self) -> Answer {
        Answer::new(400, json!({"error": "invalid_token"}))
    }

    /// How often it was asked.
    fn effects(&self) -> usize {
        self.asked
    }
}
