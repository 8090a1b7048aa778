//! What a task is about, told by the prefix of its id.

use serde::{Deserialize, Serialize};

use crate::TaskId;

/// The kind of a task. The prefix of the id decides, not the front matter: a name cannot be
/// changed by editing a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum TaskKind {
    /// `EMAIL_`
    Email,
    /// `LINKEDIN_`
    Linkedin,
    /// `FACEBOOK_`
    Facebook,
    /// `INSTAGRAM_`
    Instagram,
    /// `TWITTER_`
    Twitter,
    /// `SOCIAL_`
    Social,
    /// `SALESPOST_`
    Salespost,
    /// `ODOO_`
    Odoo,
    /// `WHATSAPP_`
    Whatsapp,
    /// `PAYMENT_`
    Payment,
    /// `SCHEDULE_`
    Schedule,
    /// `AUDIT_`
    Audit,
    /// `ERROR_`
    Error,
    /// Any other name.
    Unknown,
}

impl TaskKind {
    /// Every kind that has a prefix.
    pub const PREFIXED: [TaskKind; 13] = [
        TaskKind::Email,
        TaskKind::Linkedin,
        TaskKind::Facebook,
        TaskKind::Instagram,
        TaskKind::Twitter,
        TaskKind::Social,
        TaskKind::Salespost,
        TaskKind::Odoo,
        TaskKind::Whatsapp,
        TaskKind::Payment,
        TaskKind::Schedule,
        TaskKind::Audit,
        TaskKind::Error,
    ];

    /// The prefix of an id of this kind, with its underscore; empty for [`TaskKind::Unknown`].
    pub fn prefix(self) -> &'static str {
        match self {
            TaskKind::Email => "EMAIL_",
            TaskKind::Linkedin => "LINKEDIN_",
            TaskKind::Facebook => "FACEBOOK_",
            TaskKind::Instagram => "INSTAGRAM_",
            TaskKind::Twitter => "TWITTER_",
            TaskKind::Social => "SOCIAL_",
            TaskKind::Salespost => "SALESPOST_",
            TaskKind::Odoo => "ODOO_",
            TaskKind::Whatsapp => "WHATSAPP_",
            TaskKind::Payment => "PAYMENT_",
            TaskKind::Schedule => "SCHEDULE_",
            TaskKind::Audit => "AUDIT_",
            TaskKind::Error => "ERROR_",
            TaskKind::Unknown => "",
        }
    }

    /// The value of the front matter's `type`.
    pub fn name(self) -> &'static str {
        match self {
            TaskKind::Email => "email",
            TaskKind::Linkedin => "linkedin",
            TaskKind::Facebook => "facebook",
            TaskKind::Instagram => "instagram",
            TaskKind::Twitter => "twitter",
            TaskKind::Social => "social",
            TaskKind::Salespost => "salespost",
            TaskKind::Odoo => "odoo",
            TaskKind::Whatsapp => "whatsapp",
            TaskKind::Payment => "payment",
            TaskKind::Schedule => "schedule",
            TaskKind::Audit => "audit",
            TaskKind::Error => "error",
            TaskKind::Unknown => "note",
        }
    }

    /// The kind that `id` says.
    pub fn of(id: &TaskId) -> Self {
        Self::PREFIXED
            .into_iter()
            .find(|kind| id.as_str().starts_with(kind.prefix()))
            .unwrap_or(TaskKind::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_decides() {
        let check = |id: &str, kind| assert_eq!(TaskKind::of(&id.parse().expect("id")), kind);
        for kind in TaskKind::PREFIXED {
            check(&format!("{}1", kind.prefix()), kind);
        }
        check("email_1", TaskKind::Unknown);
        check("EMAILS", TaskKind::Unknown);
        check("PAYMENTX_1", TaskKind::Unknown);
    }
}
