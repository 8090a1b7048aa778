//! What the other side is asked when nobody knows what came of a call, and what its answer proves.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use mcp_client::{Call, Reply};
use serde_json::json;
use task::{Call as Action, Platform};

use crate::Row;

/// How far the other side's clock may be behind ours when a post is looked for.
const LEEWAY: TimeDelta = TimeDelta::minutes(2);

/// A SAFE call whose answer may say that an order was carried out.
pub(crate) struct Question {
    pub(crate) call: Call,
    /// Where it looks, as in `not in the Sent folder`.
    pub(crate) place: &'static str,
}

impl Question {
    /// What can be asked about an order that was called at `since`; `None` when nobody but the owner can tell.
    pub(crate) fn about(row: &Row, since: DateTime<Utc>) -> Option<Self> {
        let action = &row.order.action;
        let post = |platform: Platform, text: &str| {
            let since = (since - LEEWAY).to_rfc3339_opts(SecondsFormat::Secs, true);
            let wanted = json!({"platform": platform, "text": text, "since": since, "limit": 100});
            ("get_social_summary", wanted, "among the account's latest posts")
        };
        let (tool, arguments, place) = match &action.call {
            Action::SendEmail(_) => {
                let wanted = json!({"account": action.account, "message_id": row.order.message_id()});
                ("search_email", wanted, "in the Sent folder")
            }
            Action::InitiatePayment(_) => {
                ("payment_status", json!({"idempotency_key": row.order.approval}), "at the bank")
            }
            Action::PostInvoice(posting) => {
                ("read_invoice", json!({"invoice_id": posting.invoice_id}), "among the posted invoices")
            }
            Action::PostFacebook(p) => post(Platform::Facebook, &p.text),
            Action::PostInstagram(p) => post(Platform::Instagram, &p.text),
            Action::PostTwitter(p) => post(Platform::Twitter, &p.text),
            Action::PostLinkedin(p) => post(Platform::Linkedin, &p.text),
            Action::DraftEmail(_)
            | Action::CreateInvoiceDraft(_)
            | Action::DraftSocialPost(_)
            | Action::SendWhatsapp(_) => return None,
        };
        Some(Self { call: Call::new(action.call.server(), tool, arguments), place })
    }

    /// The other side's handle of the effect, if the answer says that it happened. Whatever it says
    /// else proves nothing.
    pub(crate) fn proof(row: &Row, reply: &Reply) -> Option<String> {
        let content = &reply.content;
        match &row.order.action.call {
            Action::SendEmail(_) => (content["found"] == true).then(|| row.order.message_id()),
            Action::PostInvoice(posting) => {
                let invoice = &content["invoice"];
                let posted = invoice["state"] == "posted" || invoice["state"] == "paid";
                let same = invoice["partner"] == posting.partner.as_str()
                    && invoice["currency"] == posting.currency.to_string().as_str();
                (posted && same).then(|| posting.invoice_id.to_string())
            }
            _ if content["found"] == true => {
                let handle = ["payment_id", "post_id"].iter().find_map(|key| content[*key].as_str());
                handle.map(str::to_owned)
            }
            _ => None,
        }
    }
}
