//! Who writes the drafts. Before it writes, it asks the model whether the work is its agent's.

use std::sync::Arc;

use async_trait::async_trait;
use drafter::{Draft, DraftError, Drafter, Request};
use serde_json::json;
use task::{Action, AgentId, TaskKind};

use crate::world::Shared;

pub(crate) struct Pen {
    pub(crate) agent: AgentId,
    pub(crate) shared: Arc<Shared>,
}

#[async_trait]
impl Drafter for Pen {
    async fn draft(&self, request: &Request<'_>) -> Result<Draft, DraftError> {
        let id = &request.task.front.id;
        if !router::one_claimant(TaskKind::of(id)) {
            self.shared.model().begins(&self.agent, id);
        }
        self.shared.model().note(format!("{} drafts {id}", self.agent));
        match self.shared.chance(100) {
            0..10 => Err(DraftError::Model { reason: "no answer".into() }),
            10..25 => Ok(Draft::NoAction { reason: "nothing to answer".into() }),
            25..35 => Ok(Draft::NeedsPerson { question: "what now?".into(), plan: Vec::new() }),
            _ => Ok(propose(id.as_str(), &self.agent)),
        }
    }
}

fn propose(id: &str, agent: &AgentId) -> Draft {
    // Half of them can be asked about afterwards, half cannot.
    let (server, tool, arguments) = match id.len().is_multiple_of(2) {
        true => (
            "email",
            "send_email",
            json!({"to": [format!("{}@example.com", id.to_lowercase())], "subject": id, "body": format!("Dear {id}, says {agent}")}),
        ),
        false => (
            "whatsapp",
            "send_whatsapp",
            json!({"to": "+4915112345678", "text": format!("Hello {id}, says {agent}")}),
        ),
    };
    let action =
        json!({"server": server, "tool": tool, "account": "owner@example.com", "arguments": arguments});
    match serde_json::from_value::<Action>(action) {
        Ok(action) => Draft::Proposal { plan: vec!["answer".into()], action, drafter: "pen".into() },
        Err(error) => Draft::NeedsPerson { question: error.to_string(), plan: Vec::new() },
    }
}
