//! WhatsApp with sample data.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use signature::Permit;
use std::sync::Arc;
use task::{Call, Clock, Server};

use super::{ListChats, ReadChat};
use crate::backend::{Backend, Done, arguments, limit, not_here};
use crate::outcome::{Answer, Failure};
use crate::setup::Setup;
use crate::store::Store;

/// The mock of `mcp-whatsapp`.
pub(crate) struct Mock {
    store: Store<Chats>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Chats {
    chats: Vec<Chat>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Chat {
    number: String,
    name: String,
    messages: Vec<Message>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Message {
    id: String,
    at: DateTime<Utc>,
    /// Sent by the owner.
    own: bool,
    text: String,
    /// The approval that sent it.
    #[serde(default)]
    approval: Option<String>,
}

impl Mock {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self { store: Store::new(&setup.data, Server::Whatsapp, sample), clock: setup.clock.clone() }
    }
}

#[async_trait]
impl Backend for Mock {
    async fn answer(&self, tool: &str, given: Value, _: Option<&str>) -> Result<Answer, Failure> {
        match tool {
            "list_whatsapp_chats" => {
                let asked: ListChats = arguments(tool, given)?;
                self.store.read(move |chats| Ok(list(chats, &asked))).await
            }
            "read_whatsapp_chat" => {
                let asked: ReadChat = arguments(tool, given)?;
                self.store.read(move |chats| read(chats, &asked)).await
            }
            _ => Err(not_here(tool)),
        }
    }

    async fn act(&self, permit: Permit) -> Result<Done, Failure> {
        let order = permit.order().clone();
        let Call::SendWhatsapp(message) = order.action.call else {
            return Err(not_here(order.action.call.tool()));
        };
        let (approval, at) = (order.approval, self.clock.now());
        self.store
            .change(move |chats| {
                let chat = chats.with(&message.to);
                let id = format!("wamid.{approval}");
                let answer = Answer::new(format!("sent to {}", chat.number), json!({"message_id": id}));
                let approval = Some(approval);
                chat.messages.push(Message { id, at, own: true, text: message.text, approval });
                Ok(answer)
            })
            .await
            .map(Done::from)
    }
}

impl Chats {
    /// The chat with `number`, begun if there is none.
    fn with(&mut self, number: &str) -> &mut Chat {
        let at = self.chats.iter().position(|chat| chat.number == number).unwrap_or_else(|| {
            let name = "unknown".to_owned();
            self.chats.push(Chat { number: number.to_owned(), name, messages: Vec::new() });
            self.chats.len() - 1
        });
        &mut self.chats[at]
    }
}

fn list(chats: &Chats, asked: &ListChats) -> Answer {
    let mut sorted: Vec<_> = chats.chats.iter().collect();
    sorted.sort_by_key(|chat| std::cmp::Reverse(chat.messages.last().map(|m| m.at)));
    let found: Vec<_> = sorted
        .into_iter()
        .take(limit(asked.limit))
        .map(|chat| json!({"number": chat.number, "name": chat.name, "last": chat.messages.last()}))
        .collect();
    Answer::new(format!("{} chats", found.len()), json!({"chats": found}))
}

fn read(chats: &Chats, asked: &ReadChat) -> Result<Answer, Failure> {
    let Some(chat) = chats.chats.iter().find(|chat| chat.number == asked.number) else {
        let number: String = asked.number.chars().take(30).collect();
        return Err(Failure::none(format!(
            "there is no chat with {number:?}; list_whatsapp_chats shows them"
        )));
    };
    let skipped = chat.messages.len().saturating_sub(limit(asked.limit));
    let messages = &chat.messages[skipped..];
    Ok(Answer::new(
        format!("{} messages with {}", messages.len(), chat.name),
        json!({"number": chat.number, "name": chat.name, "messages": messages, "left_out": skipped}),
    ))
}

/// Three chats of a February.
fn sample() -> Chats {
    let message = |id: &str, at: &str, own, text: &str| Message {
        id: format!("wamid.{id}"),
        at: at.parse().unwrap_or_default(),
        own,
        text: text.into(),
        approval: None,
    };
    let chat =
        |number: &str, name: &str, messages| Chat { number: number.into(), name: name.into(), messages };
    Chats {
        chats: vec![
            chat(
                "+491701234567",
                "Bob Krüger",
                vec![
                    message("s1", "2026-02-22T17:02:00Z", false, "Hi! Could you send the quote again?"),
                    message("s2", "2026-02-22T17:09:00Z", true, "Sure, tomorrow morning."),
                    message("s3", "2026-02-23T06:41:00Z", false, "Thanks 🙏 we decide at noon"),
                ],
            ),
            chat(
                "+436641112223",
                "Café Central",
                vec![message("s4", "2026-02-21T09:15:00Z", false, "Is the new menu ready to print?")],
            ),
            chat(
                "+353851234567",
                "Contoso AP",
                vec![message(
                    "s5",
                    "2026-02-20T14:30:00Z",
                    false,
                    "Please confirm your bank details by mail.",
                )],
            ),
        ],
    }
}
