//! The mailbox against a scripted server, and TLS against real handshakes on loopback.

mod protocol;
mod server;
mod tls;

use std::sync::Arc;

use config::{Channel, ImapAuth};
use secrecy::SecretString;

use super::{ImapOptions, ImapSource};
use server::Server;

fn source(server: &Server, options: ImapOptions) -> ImapSource {
    ImapSource {
        name: format!("{}:work", Channel::Gmail.name()),
        address: "owner@example.com".into(),
        user: "owner".into(),
        auth: ImapAuth::Password,
        folder: "INBOX".into(),
        authserv_id: None,
        connector: Box::new(server.clone()),
        secret: Arc::new(|| Ok(SecretString::from("secret"))),
        place: "$WORK_IMAP_PASSWORD".into(),
        options,
        session: None,
        stumbles: Default::default(),
    }
}
