//! `approval:`: what the owner's approval needs, how long it lasts, and how long it can be undone.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use task::Call;

/// `approval:`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Approval {
    /// How long an order to pay is good for.
    pub payment_minutes: u64,
    /// How long any other order is good for.
    pub other_minutes: u64,
    /// How long after its first signature a payee that was never paid can be paid.
    pub payee_hold_hours: u64,
    /// Whether an order counts only when it was signed in this data directory's reviews. An order
    /// that was signed elsewhere with the owner's key then goes back to the owner.
    pub signed_here_only: bool,
    /// How long an order waits before it is carried out, by tool.
    pub undo_seconds: UndoSeconds,
}

impl Default for Approval {
    fn default() -> Self {
        Self {
            payment_minutes: 15,
            other_minutes: 24 * 60,
            payee_hold_hours: 24,
            signed_here_only: true,
            undo_seconds: UndoSeconds::default(),
        }
    }
}

impl Approval {
    /// How long after its first signature a new payee can be paid.
    pub fn payee_hold(&self) -> TimeDelta {
        span(self.payee_hold_hours, TimeDelta::try_hours)
    }
}

/// A time that the calendar can hold; a longer one is ten years, far beyond any sensible one.
fn span(count: u64, unit: fn(i64) -> Option<TimeDelta>) -> TimeDelta {
    let most = TimeDelta::days(3650);
    i64::try_from(count).ok().and_then(unit).unwrap_or(most).min(most)
}

/// `approval.undo_seconds:`; 0 is none. An order is carried out no earlier than so long after it
/// was signed, and until then `local-agent undo` takes it back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each field is the tool of its name")]
pub struct UndoSeconds {
    pub send_email: u64,
    pub post_invoice: u64,
    pub post_facebook: u64,
    pub post_instagram: u64,
    pub post_twitter: u64,
    pub post_linkedin: u64,
    pub send_whatsapp: u64,
    pub initiate_payment: u64,
    pub draft_email: u64,
    pub create_invoice_draft: u64,
    pub draft_social_post: u64,
}

impl Default for UndoSeconds {
    fn default() -> Self {
        Self {
            send_email: 10,
            post_invoice: 10,
            post_facebook: 10,
            post_instagram: 10,
            post_twitter: 10,
            post_linkedin: 10,
            send_whatsapp: 10,
            initiate_payment: 30,
            ..Self::none()
        }
    }
}

impl UndoSeconds {
    /// Everything at once.
    pub const fn none() -> Self {
        Self {
            send_email: 0,
            post_invoice: 0,
            post_facebook: 0,
            post_instagram: 0,
            post_twitter: 0,
            post_linkedin: 0,
            send_whatsapp: 0,
            initiate_payment: 0,
            draft_email: 0,
            create_invoice_draft: 0,
            draft_social_post: 0,
        }
    }

    /// How long an order for `call` waits.
    pub fn of(&self, call: &Call) -> TimeDelta {
        let seconds = match call {
            Call::SendEmail(_) => self.send_email,
            Call::PostInvoice(_) => self.post_invoice,
            Call::PostFacebook(_) => self.post_facebook,
            Call::PostInstagram(_) => self.post_instagram,
            Call::PostTwitter(_) => self.post_twitter,
            Call::PostLinkedin(_) => self.post_linkedin,
            Call::SendWhatsapp(_) => self.send_whatsapp,
            Call::InitiatePayment(_) => self.initiate_payment,
            Call::DraftEmail(_) => self.draft_email,
            Call::CreateInvoiceDraft(_) => self.create_invoice_draft,
            Call::DraftSocialPost(_) => self.draft_social_post,
        };
        span(seconds, TimeDelta::try_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_window_is_set_tool_by_tool_and_the_others_keep_theirs() {
        let config = crate::parse("approval:\n  undo_seconds: { send_email: 0 }\n").expect("config");
        let undo = config.approval.undo_seconds;
        assert_eq!((undo.send_email, undo.post_twitter, undo.initiate_payment), (0, 10, 30));
        let post = Call::decode("post_twitter", json!({"text": "Hello"})).expect("call");
        assert_eq!(undo.of(&post), TimeDelta::seconds(10));
        assert_eq!(UndoSeconds { post_twitter: u64::MAX, ..undo }.of(&post), TimeDelta::days(3650));
        let error = crate::parse("approval:\n  undo_seconds: { send_mail: 0 }\n").expect_err("unknown");
        assert!(error.to_string().contains("did you mean \"send_email\""), "{error}");
    }

    #[test]
    fn a_hold_beyond_the_calendar_is_no_hold_of_nothing() {
        let hold = |hours| Approval { payee_hold_hours: hours, ..Approval::default() }.payee_hold();
        assert_eq!((hold(24), hold(u64::MAX)), (TimeDelta::days(1), TimeDelta::days(3650)));
    }
}
