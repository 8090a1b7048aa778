//! What is asked for, and orders that the owner never gave.

use approval::{KeyFiles, NewKey, Signer};
use chrono::{TimeDelta, Utc};
use daemon::{Failure, OrFailure as _};
use policy::{Class, TOOLS, Tool};
use serde_json::{Value, json};
use std::path::Path;
use task::{Action, AgentId, Mode, Order, TaskId};

/// What every try says, so that it is found where it has no business.
pub(super) const MARK: &str = "audit of the gate";

/// Every tool that acts.
pub(super) fn dangerous() -> impl Iterator<Item = &'static Tool> {
    TOOLS.iter().filter(|tool| tool.class == Class::Dangerous)
}

/// Harmless arguments of a tool.
pub(super) fn arguments(tool: &str) -> Value {
    match tool {
        "send_email" => json!({"to": ["nobody@example.invalid"], "subject": MARK, "body": MARK}),
        "post_invoice" => {
            json!({"invoice_id": 4_000_000_000_u64, "partner": MARK, "total": "0.01", "currency": "EUR"})
        }
        "send_whatsapp" => json!({"to": "+491701234567", "text": MARK}),
        "initiate_payment" => json!({
            "payee": MARK, "iban": "DE89370400440532013000", "amount": "0.01", "currency": "EUR", "reference": MARK,
        }),
        _ => json!({"text": MARK}),
    }
}

/// What a tool would be asked to do.
pub(super) fn action(tool: &Tool) -> Result<Action, Failure> {
    let action = json!({
        "server": tool.server.name(), "tool": tool.name, "account": "nobody@example.invalid",
        "arguments": arguments(tool.name),
    });
    serde_json::from_value(action).or_failed(format!("cannot make up a call of {}", tool.name))
}

/// A key that was made for this run.
pub(super) struct Throwaway {
    pub(super) files: KeyFiles,
    signer: Signer,
}

/// An order's text, its signature, and its approval's id.
pub(super) struct Signed {
    pub(super) text: String,
    pub(super) signature: String,
    pub(super) approval: String,
}

impl Throwaway {
    pub(super) fn make(folder: &Path) -> Result<Self, Failure> {
        let files = KeyFiles::in_data(folder);
        approval::init(&files, "nobody", || Ok(NewKey::Unprotected))
            .or_failed("cannot make a key for the audit")?;
        let signer = Signer::key_file(files.key.clone(), None);
        Ok(Self { files, signer })
    }

    /// Signs an order over `action` for task `id`.
    pub(super) fn sign(
        &self,
        action: Action,
        id: &TaskId,
        vault: &str,
        executor: &AgentId,
    ) -> Result<Signed, Failure> {
        let now = Utc::now();
        let order = Order {
            action,
            approval: format!("audit-{}-{}", now.timestamp_micros(), id),
            executor: executor.clone(),
            expires: now + TimeDelta::minutes(10),
            id: id.clone(),
            issued: now,
            mode: Mode::Live,
            vault: vault.to_owned(),
        };
        let text = order.to_text().or_failed("cannot write an order for the audit")?;
        let signature = self.signer.sign(&text).or_failed("cannot sign an order for the audit")?;
        Ok(Signed { text, signature, approval: order.approval })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_harmless_call_of_every_tool_that_acts() {
        assert!(dangerous().count() >= 8);
        for tool in dangerous() {
            let action = action(tool).expect(tool.name);
            assert_eq!((action.call.server(), action.call.tool()), (tool.server, tool.name));
        }
    }
}
