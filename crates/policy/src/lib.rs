//! What each role may do, and how much. Two tables decide, one of tools and one of credentials, and
//! the [`govern`]or over what may leave in an hour and in a day; nothing here reads a file, and
//! nothing in a vault can change them.
//!
//! A tool that is not in the table is [`Class::Dangerous`].

mod credential;
mod governor;
mod house;
mod house_rules;

pub use credential::{Credential, Finding, Holds, cloud_refusals, cloud_warnings};
pub use governor::{DAY, Effect, HOUR, History, Ruling, Window, govern, recipients};
pub use house::{House, Payee, Sender, WorkingHours, has_word};
pub use house_rules::{HouseRules, HouseRulesError, Tightened};

use chrono::TimeDelta;
use task::{Role, Server};

/// How much harm a tool can do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Reads.
    Safe,
    /// Writes something that only the owner sees.
    Draft,
    /// Has an effect on the world: needs the owner's signature.
    Dangerous,
}

impl std::str::FromStr for Class {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "safe" => Ok(Class::Safe),
            "draft" => Ok(Class::Draft),
            "dangerous" => Ok(Class::Dangerous),
            other => Err(format!("unknown class {other:?}; one of safe, draft, dangerous")),
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Class::Safe => "safe",
            Class::Draft => "draft",
            Class::Dangerous => "dangerous",
        })
    }
}

/// What can be done when nobody knows whether a call had its effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Recovery {
    /// No effect, or an effect that does not matter twice.
    Harmless,
    /// The same call with the same key has its effect once, for as long as [`KEYS_LAST`].
    Repeat,
    /// The other side can be asked: found means done, not found proves nothing.
    Ask,
    /// Only the owner can settle it.
    Owner,
}

/// How long after the first call the same key may be used again. Some providers promise a day (Stripe's
/// documentation of idempotent requests does), many promise nothing; later, the other side is only asked.
pub const KEYS_LAST: TimeDelta = TimeDelta::hours(24);

/// A tool of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tool {
    /// Which server has it.
    pub server: Server,
    /// Its name.
    pub name: &'static str,
    /// How much harm it can do.
    pub class: Class,
    /// What to do after a crash in the middle of a call.
    pub recovery: Recovery,
}

const fn safe(server: Server, name: &'static str) -> Tool {
    Tool { server, name, class: Class::Safe, recovery: Recovery::Harmless }
}

const fn draft(server: Server, name: &'static str) -> Tool {
    Tool { server, name, class: Class::Draft, recovery: Recovery::Harmless }
}

const fn dangerous(server: Server, name: &'static str, recovery: Recovery) -> Tool {
    Tool { server, name, class: Class::Dangerous, recovery }
}

/// Every tool there is.
pub const TOOLS: &[Tool] = &[
    safe(Server::Email, "list_drafts"),
    safe(Server::Email, "search_email"),
    safe(Server::Email, "read_email"),
    draft(Server::Email, "draft_email"),
    dangerous(Server::Email, "send_email", Recovery::Ask),
    safe(Server::Odoo, "list_invoices"),
    safe(Server::Odoo, "read_invoice"),
    safe(Server::Odoo, "list_partners"),
    safe(Server::Odoo, "read_transactions"),
    draft(Server::Odoo, "create_invoice_draft"),
    dangerous(Server::Odoo, "post_invoice", Recovery::Repeat),
    safe(Server::Social, "get_social_summary"),
    draft(Server::Social, "draft_social_post"),
    dangerous(Server::Social, "post_facebook", Recovery::Ask),
    dangerous(Server::Social, "post_instagram", Recovery::Ask),
    dangerous(Server::Social, "post_twitter", Recovery::Ask),
    dangerous(Server::Social, "post_linkedin", Recovery::Ask),
    safe(Server::Whatsapp, "list_whatsapp_chats"),
    safe(Server::Whatsapp, "read_whatsapp_chat"),
    dangerous(Server::Whatsapp, "send_whatsapp", Recovery::Owner),
    safe(Server::Payment, "list_accounts"),
    safe(Server::Payment, "get_balance"),
    safe(Server::Payment, "list_transactions"),
    safe(Server::Payment, "payment_status"),
    dangerous(Server::Payment, "initiate_payment", Recovery::Repeat),
];

/// The table's row for a tool, if it has one.
pub fn tool(server: Server, name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.server == server && tool.name == name)
}

/// A tool's class; [`Class::Dangerous`] for one that the table does not have.
pub fn class(server: Server, name: &str) -> Class {
    tool(server, name).map_or(Class::Dangerous, |tool| tool.class)
}

/// What to do about a call whose outcome nobody knows; the owner decides about unknown tools.
pub fn recovery(server: Server, name: &str) -> Recovery {
    tool(server, name).map_or(Recovery::Owner, |tool| tool.recovery)
}

/// Whether a server exists on the owner's machine only.
pub fn local_only(server: Server) -> bool {
    match server {
        Server::Whatsapp | Server::Payment => true,
        Server::Email | Server::Odoo | Server::Social => false,
    }
}

/// What a role may do with a tool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Call it.
    Allow,
    /// Call it with the owner's signed order.
    WithOrder,
    /// Propose it in a draft; never call it.
    DraftOnly,
    /// Neither.
    Refuse,
}

/// Decides for a role and a tool.
pub fn decide(role: Role, server: Server, name: &str) -> Decision {
    let known = tool(server, name).is_some();
    match (role, class(server, name)) {
        (Role::Cloud, _) if local_only(server) || !known => Decision::Refuse,
        (Role::Cloud, Class::Dangerous) => Decision::DraftOnly,
        (Role::Local | Role::Gold, Class::Dangerous) if known => Decision::WithOrder,
        (Role::Local | Role::Gold, Class::Dangerous) => Decision::Refuse,
        (_, Class::Safe | Class::Draft) => Decision::Allow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_written_as_it_is_read() {
        for (text, class) in [("safe", Class::Safe), ("draft", Class::Draft), ("dangerous", Class::Dangerous)]
        {
            assert_eq!((text.parse(), class.to_string()), (Ok(class), text.to_owned()));
        }
        assert!("Safe".parse::<Class>().is_err_and(|error| error.contains("\"Safe\"")));
    }

    #[test]
    fn the_cloud_may_call_nothing_that_acts() {
        for tool in TOOLS {
            let decision = decide(Role::Cloud, tool.server, tool.name);
            let expected = match (tool.server, tool.class) {
                (Server::Whatsapp | Server::Payment, _) => Decision::Refuse,
                (_, Class::Dangerous) => Decision::DraftOnly,
                (_, _) => Decision::Allow,
            };
            assert_eq!(decision, expected, "{}", tool.name);
        }
    }

    #[test]
    fn what_reads_chats_and_accounts_is_on_the_owners_machine_only() {
        for server in [Server::Whatsapp, Server::Payment] {
            assert!(local_only(server), "{server}");
        }
        for server in [Server::Email, Server::Odoo, Server::Social] {
            assert!(!local_only(server), "{server}");
        }
    }

    #[test]
    fn the_owners_machine_acts_on_an_order_only() {
        for role in [Role::Local, Role::Gold] {
            for tool in TOOLS {
                let expected =
                    if tool.class == Class::Dangerous { Decision::WithOrder } else { Decision::Allow };
                assert_eq!(decide(role, tool.server, tool.name), expected, "{}", tool.name);
            }
        }
    }

    #[test]
    fn an_unknown_tool_is_dangerous_and_nobody_calls_it() {
        assert_eq!(class(Server::Email, "send_email_fast"), Class::Dangerous);
        assert_eq!(class(Server::Social, "send_email"), Class::Dangerous, "a tool of another server");
        assert_eq!(recovery(Server::Email, "send_email_fast"), Recovery::Owner);
        for role in [Role::Cloud, Role::Local, Role::Gold] {
            assert_eq!(decide(role, Server::Email, "send_email_fast"), Decision::Refuse);
        }
    }

    #[test]
    fn every_call_that_can_be_proposed_is_in_the_table_and_no_safe_tool_is() {
        let proposable: Vec<_> = TOOLS.iter().filter(|t| t.class > Class::Safe).map(|t| t.name).collect();
        let mut known = task::Call::NAMES.to_vec();
        let mut sorted = proposable.clone();
        sorted.sort_unstable();
        known.sort_unstable();
        assert_eq!(sorted, known);
    }

    #[test]
    fn what_has_no_effect_is_harmless_and_nothing_else() {
        for tool in TOOLS {
            assert_eq!(tool.class == Class::Dangerous, tool.recovery != Recovery::Harmless, "{}", tool.name);
        }
    }
}
