//! The WhatsApp Cloud API. It sends; what others write reaches a webhook only, so that there is nothing
//! to list or read here.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use signature::Permit;
use task::Call;

use crate::backend::{Backend, Done, Unset, not_here};
use crate::graph::read;
use crate::http::{Http, Service, segment};
use crate::outcome::{Answer, Failure};
use crate::setup::Setup;

/// `mcp-whatsapp` with a real number.
pub(crate) struct Live {
    number: Option<Number>,
}

struct Number {
    http: Http,
    id: String,
    version: String,
}

#[derive(Deserialize)]
struct Sent {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    id: String,
}

impl Live {
    pub(crate) fn new(setup: &Setup) -> Self {
        let number = setup.config.whatsapp.as_ref().map(|given| Number {
            http: Http::new(Service {
                name: "WhatsApp",
                section: "whatsapp",
                url: given.url.clone(),
                secret: given.secret.clone(),
                ca_file: given.ca_file.clone(),
                timeout_seconds: given.timeout_seconds,
                secrets: setup.secrets.clone(),
            }),
            id: given.phone_number_id.clone(),
            version: given.version.clone(),
        });
        Self { number }
    }

    fn number(&self) -> Result<&Number, Failure> {
        let unset = || Unset("whatsapp", "WHATSAPP_MOCK=true (modes.whatsapp_mock)").failure();
        self.number.as_ref().ok_or_else(unset)
    }
}

#[async_trait]
impl Backend for Live {
    async fn answer(&self, tool: &str, _: Value, _: Option<&str>) -> Result<Answer, Failure> {
        match tool {
            "list_whatsapp_chats" | "read_whatsapp_chat" => {
                self.number()?;
                Err(Failure::none(
                    "the WhatsApp Cloud API shows no chats: what others write reaches a webhook only; look at the phone",
                ))
            }
            _ => Err(not_here(tool)),
        }
    }

    async fn act(&self, permit: Permit) -> Result<Done, Failure> {
        let order = permit.order();
        let Call::SendWhatsapp(message) = &order.action.call else {
            return Err(not_here(order.action.call.tool()));
        };
        let number = self.number()?;
        let id = segment(&number.id)
            .ok_or_else(|| Failure::none("whatsapp.phone_number_id is no id; correct it in config.yaml"))?;
        let body = json!({
            "messaging_product": "whatsapp", "recipient_type": "individual", "to": message.to, "type": "text",
            "text": {"body": message.text, "preview_url": false},
            // Comes back with every word on what became of the message.
            "biz_opaque_callback_data": order.approval,
        });
        let look = "look at the chat on the phone";
        let sent = number.http.post(format!("/{}/{id}/messages", number.version), &body).send().await;
        let reply = sent.map_err(|trouble| trouble.acting(look))?;
        let sent: Sent = read(&reply).map_err(|trouble| trouble.acting(look))?;
        let Some(first) = sent.messages.into_iter().next() else {
            return Err(Failure::unknown(format!("WhatsApp answered without a message's id; {look}")));
        };
        Ok(Done::from(Answer::new(format!("sent to {}", message.to), json!({"message_id": first.id}))))
    }
}
