//! The world behind the tool servers: it counts effects.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use async_trait::async_trait;
use mcp_client::{Call, CallError, Reply, ToolCaller};
use policy::Class;
use serde_json::{Value, json};
use task::{Order, Server};
use tokio::sync::Notify;

/// How the next call goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// It works.
    Works,
    /// The server says no.
    Refuses,
    /// The server cannot be started.
    NotStarted,
    /// The account only sends.
    NoMailbox,
    /// The effect happens, the answer is lost.
    LosesAnswer,
    /// The request is lost.
    LosesRequest,
    /// The effect happens, and the answer never comes.
    Hangs,
}

/// Counts effects by idempotency key. Payments with a known key are not made again.
#[derive(Default)]
pub(super) struct World {
    pub(super) next: Mutex<VecDeque<Next>>,
    effects: Mutex<BTreeMap<String, u32>>,
    calls: Mutex<Vec<Call>>,
    sent: Mutex<Vec<String>>,
    /// What follows the mail that is answered, by folder.
    pub(super) thread: Mutex<BTreeMap<String, Value>>,
    /// The invoice as the books have it.
    pub(super) invoice: Mutex<Value>,
    pub(super) hanging: Notify,
}

impl World {
    pub(super) fn will(&self, next: impl IntoIterator<Item = Next>) {
        self.next.lock().expect("next").extend(next);
    }

    /// How often the order had its effect.
    pub(super) fn effects(&self, order: &Order) -> u32 {
        self.effects.lock().expect("effects").get(&order.approval).copied().unwrap_or_default()
    }

    pub(super) fn calls(&self, tool: &str) -> Vec<Call> {
        self.calls.lock().expect("calls").iter().filter(|call| call.tool == tool).cloned().collect()
    }

    fn act(&self, call: &Call) -> Reply {
        let text = call.meta[Order::META_TEXT].as_str().expect("order");
        let order = Order::parse(text).expect("order");
        let mut effects = self.effects.lock().expect("effects");
        let count = effects.entry(order.approval.clone()).or_default();
        let keyed = call.server == Server::Payment;
        *count = if keyed { 1 } else { *count + 1 };
        if call.server == Server::Email {
            self.sent.lock().expect("sent").push(order.message_id());
        }
        let content = json!({"effect": "done", "message": "accepted", "message_id": order.message_id()});
        Reply { text: "accepted".into(), content }
    }
}

#[async_trait]
impl ToolCaller for World {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        self.calls.lock().expect("calls").push(call.clone());
        let next = self.next.lock().expect("next").pop_front().unwrap_or(Next::Works);
        let (server, tool) = (call.server, call.tool.clone());
        let unknown = || CallError::Unknown { server, tool: tool.clone(), message: "no answer".into() };
        match next {
            Next::Refuses => Err(CallError::Refused { server, tool, message: "550 no such user".into() }),
            Next::NoMailbox => {
                let message = "mail account work has no imap: section".into();
                Err(CallError::Refused { server, tool, message })
            }
            Next::NotStarted => Err(CallError::NotStarted { server, reason: "mcp-email is missing".into() }),
            Next::LosesRequest => Err(unknown()),
            Next::Works if policy::class(server, &tool) == Class::Safe => {
                let wanted = call.arguments["message_id"].as_str().unwrap_or_default();
                let sent = self.sent.lock().expect("sent").iter().any(|id| id == wanted);
                let key = call.arguments["idempotency_key"].as_str().unwrap_or_default();
                if let (Some(_), Some(folder)) =
                    (call.arguments["follows"].as_str(), call.arguments["folder"].as_str())
                {
                    let thread = self.thread.lock().expect("thread").get(folder).cloned();
                    let content = json!({"messages": thread.unwrap_or_else(|| json!([]))});
                    return Ok(Reply { text: String::new(), content });
                }
                if tool == "read_invoice" {
                    let content = json!({"invoice": *self.invoice.lock().expect("invoice")});
                    return Ok(Reply { text: String::new(), content });
                }
                let paid = self.effects.lock().expect("effects").contains_key(key);
                Ok(Reply {
                    text: String::new(),
                    content: json!({"found": sent || paid, "payment_id": key, "messages": Value::Array(vec![])}),
                })
            }
            Next::Works => Ok(self.act(&call)),
            Next::LosesAnswer => {
                self.act(&call);
                Err(unknown())
            }
            Next::Hangs => {
                self.act(&call);
                self.hanging.notify_one();
                std::future::pending().await
            }
        }
    }
}
