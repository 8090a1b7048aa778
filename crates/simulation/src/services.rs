//! The world behind the tools. It checks an order as a tool server does, and tells the model of
//! every effect.

use std::sync::Arc;

use async_trait::async_trait;
use mcp_client::{Call, CallError, Reply, ToolCaller};
use serde_json::{Map, Value, json};
use signature::{Approvers, verify};
use task::{Clock, Order, Server, action_digest};

use crate::world::Shared;

pub(crate) struct Services {
    pub(crate) shared: Arc<Shared>,
    pub(crate) approvers: Approvers,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Services {
    fn act(&self, meta: &Map<String, Value>) -> Reply {
        let text = |key: &str| meta.get(key).and_then(Value::as_str).unwrap_or_default();
        let (order, signature) = (text(Order::META_TEXT), text(Order::META_SIGNATURE));
        let mut model = self.shared.model();
        let verified = match verify(order, signature, &self.approvers, self.clock.now()) {
            Ok(verified) => verified,
            Err(refusal) => {
                model.violated(format!("a call without a valid order: {refusal}"));
                return Reply { text: String::new(), content: Value::Null };
            }
        };
        let order = verified.order();
        match action_digest(&order.vault, &order.id, &order.action) {
            Ok(digest) => model.effect(&order.id, &order.approval, digest),
            Err(error) => model.violated(format!("an order without a digest: {error}")),
        }
        model.sent.insert(order.message_id());
        model.note(format!("EFFECT of {}", order.id));
        let content = json!({"effect": "done", "message": "accepted", "message_id": order.message_id()});
        Reply { text: "accepted".into(), content }
    }
}

#[async_trait]
impl ToolCaller for Services {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        let (server, tool) = (call.server, call.tool.clone());
        let roll = self.shared.chance(100);
        if !call.meta.contains_key(Order::META_TEXT) {
            if roll < 20 {
                return Err(CallError::Refused { server, tool, message: "try later".into() });
            }
            let wanted = call.arguments["message_id"].as_str().unwrap_or_default();
            let found = server == Server::Email && self.shared.model().sent.contains(wanted);
            return Ok(Reply { text: String::new(), content: json!({"found": found, "messages": []}) });
        }
        let unknown = || CallError::Unknown { server, tool: tool.clone(), message: "no answer".into() };
        match roll {
            0..12 => {
                self.act(&call.meta);
                Err(unknown())
            }
            12..22 => Err(unknown()),
            22..28 => Err(CallError::Refused { server, tool, message: "550 no such user".into() }),
            28..34 => Err(CallError::NotStarted { server, reason: "not there".into() }),
            _ => Ok(self.act(&call.meta)),
        }
    }
}
