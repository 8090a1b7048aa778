//! The order: what the owner signs, and all that the executor and the tool server read.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Action, AgentId, Digest, TaskId, canonical};

/// Whether an order has effects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The real thing.
    Live,
    /// A rehearsal.
    Dry,
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Mode::Live => "live",
            Mode::Dry => "dry",
        })
    }
}

/// An owner's order. Its text is its canonical JSON and nothing else; the signature is over
/// those bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What is to be done.
    pub action: Action,
    /// The approval's own id, random and never used twice; also the idempotency key.
    pub approval: String,
    /// The only agent that may carry it out.
    pub executor: AgentId,
    /// When it stops being valid.
    pub expires: DateTime<Utc>,
    /// The task.
    pub id: TaskId,
    /// When it was signed.
    pub issued: DateTime<Utc>,
    /// Live or rehearsal.
    pub mode: Mode,
    /// The vault's id, so that an order is worth nothing in another.
    pub vault: String,
}

/// Why a text is no order.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Not canonical JSON.
    #[error("order is not canonical JSON")]
    Canonical(#[from] canonical::CanonicalError),
    /// Canonical JSON of something else.
    #[error("order does not decode: {0}")]
    Decode(String),
}

impl Order {
    /// The namespace of the signature (SSHSIG), so that a signature made for something else is
    /// never taken for an order's.
    pub const NAMESPACE: &'static str = "ai-employee-order";

    /// The key under which an MCP call's `_meta` carries the order's text.
    pub const META_TEXT: &'static str = "ai-employee/order";

    /// The key under which it carries the armored SSHSIG.
    pub const META_SIGNATURE: &'static str = "ai-employee/signature";

    /// The key under which it carries the idempotency key: [`Order::approval`].
    pub const META_KEY: &'static str = "ai-employee/idempotency-key";

    /// Reads the canonical text; any other text of the same value is refused.
    pub fn parse(text: &str) -> Result<Self, OrderError> {
        let value = canonical::from_str(text)?;
        let order: Self =
            serde_json::from_value(value).map_err(|e| OrderError::Decode(crate::excerpt(&e.to_string())))?;
        // Types may normalise (a time's zone, say); what was signed must be what is read.
        if order.to_text()? != text {
            return Err(OrderError::Decode("it says the same in another form".into()));
        }
        Ok(order)
    }

    /// The canonical text.
    pub fn to_text(&self) -> Result<String, OrderError> {
        Ok(canonical::to_string(self)?)
    }

    /// The `Message-ID` (RFC 5322, with angle brackets) of the mail that this order sends. The
    /// sender sets it and recovery looks for it, so both must make it the same way.
    pub fn message_id(&self) -> String {
        let host = self.action.account.rsplit_once('@').map_or("ai-employee.invalid", |(_, host)| host);
        format!("<{}@{host}>", self.approval)
    }

    /// What the owner saw: the digest over vault, id and action ([`action_digest`]).
    pub fn digest(&self) -> Result<Digest, OrderError> {
        action_digest(&self.vault, &self.id, &self.action)
    }
}

/// The digest that names exactly one proposal: over the canonical JSON of `{vault, id, action}`.
pub fn action_digest(vault: &str, id: &TaskId, action: &Action) -> Result<Digest, OrderError> {
    #[derive(Serialize)]
    struct Named<'a> {
        vault: &'a str,
        id: &'a TaskId,
        action: &'a Action,
    }
    Ok(Digest::of(canonical::to_string(&Named { vault, id, action })?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Call, WhatsappMessage};

    fn order() -> Order {
        let at = |text: &str| text.parse().expect("time");
        Order {
            action: Action {
                account: "owner".into(),
                call: Call::SendWhatsapp(WhatsappMessage {
                    to: "+491701234567".into(),
                    text: "Hallo".into(),
                }),
            },
            approval: "a1".into(),
            executor: "local-001".parse().expect("agent"),
            expires: at("2026-02-24T03:15:00Z"),
            id: "WHATSAPP_1".parse().expect("id"),
            issued: at("2026-02-23T03:15:00Z"),
            mode: Mode::Live,
            vault: "v1".into(),
        }
    }

    #[test]
    fn an_order_is_read_from_its_own_text_only() {
        let text = order().to_text().expect("text");
        assert_eq!(Order::parse(&text).expect("order"), order());
        for (from, to) in [
            ("\"mode\":\"live\"", "\"mode\":\"live\",\"mode\":\"dry\""),
            ("T03:15:00Z\",\"id\"", "T04:15:00+01:00\",\"id\""),
            ("\"vault\"", "\"also\":1,\"vault\""),
            ("{\"action\"", "{ \"action\""),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(Order::parse(&changed).is_err(), "{changed}");
        }
    }

    #[test]
    fn a_mail_has_the_same_message_id_whenever_it_is_asked_for() {
        let mut order = order();
        assert_eq!(order.message_id(), "<a1@ai-employee.invalid>");
        order.action.account = "owner@example.com".into();
        assert_eq!(order.message_id(), "<a1@example.com>");
    }

    #[test]
    fn the_digest_names_vault_id_and_action() {
        let base = order().digest().expect("digest");
        let mut other = order();
        other.mode = Mode::Dry;
        assert_eq!(other.digest().expect("digest"), base, "mode is chosen at approval");
        other.vault = "v2".into();
        assert_ne!(other.digest().expect("digest"), base);
    }
}
