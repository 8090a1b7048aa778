//! The closed set of things an agent may propose: one variant of [`Call`] for each DRAFT or
//! DANGEROUS tool, with typed arguments. What does not decode into it can be neither shown, nor
//! signed, nor run.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Amount, Currency, Digest, Platform, canonical};

/// The MCP servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Server {
    /// `mcp-email`
    Email,
    /// `mcp-odoo`
    Odoo,
    /// `mcp-social`
    Social,
    /// `mcp-whatsapp`
    Whatsapp,
    /// `mcp-payment`
    Payment,
}

impl Server {
    /// Every server.
    pub const ALL: [Server; 5] =
        [Server::Email, Server::Odoo, Server::Social, Server::Whatsapp, Server::Payment];

    /// The name in actions and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Server::Email => "email",
            Server::Odoo => "odoo",
            Server::Social => "social",
            Server::Whatsapp => "whatsapp",
            Server::Payment => "payment",
        }
    }

    /// The name of its binary.
    pub fn binary(self) -> &'static str {
        match self {
            Server::Email => "mcp-email",
            Server::Odoo => "mcp-odoo",
            Server::Social => "mcp-social",
            Server::Whatsapp => "mcp-whatsapp",
            Server::Payment => "mcp-payment",
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Server {
    type Err = ActionError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|server| server.name() == text)
            .ok_or_else(|| ActionError::Server(text.to_owned()))
    }
}

/// A file that goes with a message. Its bytes are looked up by digest; the vault holds none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// File name as the recipient sees it.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// Digest of the bytes, `sha256:…`.
    #[schemars(with = "String")]
    pub sha256: Digest,
}

/// Arguments of `send_email` and `draft_email`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailMessage {
    /// Recipients, bare addresses (`alice@example.com`); at least one.
    pub to: Vec<String>,
    /// Copies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cc: Vec<String>,
    /// Blind copies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bcc: Vec<String>,
    /// Subject line.
    pub subject: String,
    /// `Message-ID` this answers, with its angle brackets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// The thread's message ids, oldest first, with their angle brackets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// Plain text.
    pub body: String,
    /// Files to go with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// One line of an invoice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvoiceLine {
    /// What was delivered.
    pub description: String,
    /// How many.
    pub quantity: Amount,
    /// Price of one, without tax.
    pub unit_price: Amount,
}

/// Arguments of `create_invoice_draft`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invoice {
    /// The customer's name as the books know it.
    pub partner: String,
    /// What is charged; at least one line.
    pub lines: Vec<InvoiceLine>,
    /// Currency of all prices.
    pub currency: Currency,
    /// When payment is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<NaiveDate>,
    /// The customer's reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// Arguments of `post_invoice`. Partner and total are repeated so that the owner signs what is
/// posted; the server refuses when the books say otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvoicePosting {
    /// The draft's id in the books.
    pub invoice_id: u64,
    /// The customer's name.
    pub partner: String,
    /// Total with tax.
    pub total: Amount,
    /// Currency of the total.
    pub currency: Currency,
}

/// Arguments of `post_linkedin`, `post_facebook`, `post_instagram` and `post_twitter`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SocialPost {
    /// What is posted.
    pub text: String,
    /// The post or comment that this answers, by the platform's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Pictures or films.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Attachment>,
}

/// Arguments of `draft_social_post`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SocialDraft {
    /// Where it would go.
    pub platform: Platform,
    /// What would be posted.
    pub text: String,
    /// The post or comment that this answers, by the platform's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

/// Arguments of `send_whatsapp`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhatsappMessage {
    /// Number in E.164 form, `+491701234567`.
    pub to: String,
    /// What is sent.
    pub text: String,
}

/// Arguments of `initiate_payment`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// The payee's name.
    pub payee: String,
    /// The payee's account, an IBAN without spaces (ISO 13616, checksum verified).
    pub iban: String,
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// What the payee sees as the purpose.
    pub reference: String,
}

/// Why something is no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// No such server.
    #[error("unknown server {0:?}; one of email, odoo, social, whatsapp, payment")]
    Server(String),
    /// No such tool, or one that needs no proposal.
    #[error("unknown tool {0:?}; an action proposes one of {known}", known = Call::NAMES.join(", "))]
    Tool(String),
    /// The tool belongs to another server.
    #[error("tool {tool} belongs to server {belongs}, not {given}")]
    Mismatch {
        /// The tool.
        tool: &'static str,
        /// Its server.
        belongs: Server,
        /// The server that the action names.
        given: Server,
    },
    /// The arguments do not fit the tool.
    #[error("arguments of {tool}: {reason}")]
    Arguments {
        /// The tool.
        tool: String,
        /// What does not fit.
        reason: String,
    },
}

macro_rules! calls {
    ($($(#[$doc:meta])* $variant:ident($arguments:ty) = $server:ident / $name:literal),+ $(,)?) => {
        /// A tool with its arguments: the only calls that can be proposed.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Call {
            $($(#[$doc])* $variant($arguments)),+
        }

        impl Call {
            /// The names of all tools that can be proposed.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The tool's name.
            pub fn tool(&self) -> &'static str {
                match self { $(Call::$variant(_) => $name),+ }
            }

            /// The server that has the tool.
            pub fn server(&self) -> Server {
                match self { $(Call::$variant(_) => Server::$server),+ }
            }

            /// The arguments as a JSON object.
            pub fn arguments(&self) -> Result<Value, serde_json::Error> {
                match self { $(Call::$variant(arguments) => serde_json::to_value(arguments)),+ }
            }

            /// Decodes and validates `arguments` for `tool`.
            pub fn decode(tool: &str, arguments: Value) -> Result<Self, ActionError> {
                let refuse = |reason: String| ActionError::Arguments { tool: tool.to_owned(), reason };
                canonical::check(&arguments, "arguments", 0)
                    .map_err(|e| refuse(crate::excerpt(&e.to_string())))?;
                let call = match tool {
                    $($name => Call::$variant(
                        serde_json::from_value(arguments).map_err(|e| refuse(crate::excerpt(&e.to_string())))?,
                    ),)+
                    _ => return Err(ActionError::Tool(tool.chars().take(80).collect())),
                };
                call.validate().map_err(refuse)?;
                Ok(call)
            }

            /// The JSON Schema of a tool's arguments; `None` for a tool that is not proposed.
            pub fn schema(tool: &str) -> Option<Value> {
                match tool {
                    $($name => Some(schemars::schema_for!($arguments).to_value()),)+
                    _ => None,
                }
            }
        }
    };
}

calls! {
    /// DANGEROUS: sends a mail.
    SendEmail(EmailMessage) = Email / "send_email",
    /// DRAFT: keeps a mail as a draft.
    DraftEmail(EmailMessage) = Email / "draft_email",
    /// DRAFT: creates an invoice that is not posted.
    CreateInvoiceDraft(Invoice) = Odoo / "create_invoice_draft",
    /// DANGEROUS: posts an invoice.
    PostInvoice(InvoicePosting) = Odoo / "post_invoice",
    /// DRAFT: keeps a post as a draft.
    DraftSocialPost(SocialDraft) = Social / "draft_social_post",
    /// DANGEROUS: posts.
    PostFacebook(SocialPost) = Social / "post_facebook",
    /// DANGEROUS: posts.
    PostInstagram(SocialPost) = Social / "post_instagram",
    /// DANGEROUS: posts.
    PostTwitter(SocialPost) = Social / "post_twitter",
    /// DANGEROUS: posts.
    PostLinkedin(SocialPost) = Social / "post_linkedin",
    /// DANGEROUS: sends a WhatsApp message.
    SendWhatsapp(WhatsappMessage) = Whatsapp / "send_whatsapp",
    /// DANGEROUS: pays.
    InitiatePayment(Payment) = Payment / "initiate_payment",
}

/// A post that its platform takes.
fn post(text: &str, platform: Platform) -> Result<(), String> {
    filled("text", text)?;
    platform.takes(text)
}

/// The longest text of a WhatsApp message, in Unicode scalar values (WhatsApp Business Messaging API).
const WHATSAPP_LIMIT: usize = 4_096;

impl Call {
    /// What the types alone cannot say; the error is a fragment.
    fn validate(&self) -> Result<(), String> {
        match self {
            Call::SendEmail(mail) | Call::DraftEmail(mail) => validate_mail(mail),
            Call::CreateInvoiceDraft(invoice) => {
                line("partner", &invoice.partner)?;
                if invoice.lines.is_empty() {
                    return Err("lines is empty; an invoice charges for something".into());
                }
                invoice.lines.iter().try_for_each(|l| line("description", &l.description))
            }
            Call::PostInvoice(posting) => line("partner", &posting.partner),
            Call::DraftSocialPost(draft) => post(&draft.text, draft.platform),
            Call::PostFacebook(p) => post(&p.text, Platform::Facebook),
            Call::PostInstagram(p) => post(&p.text, Platform::Instagram),
            Call::PostTwitter(p) => post(&p.text, Platform::Twitter),
            Call::PostLinkedin(p) => post(&p.text, Platform::Linkedin),
            Call::SendWhatsapp(message) => {
                let digits = message.to.strip_prefix('+').unwrap_or_default();
                if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(format!("to {:?} is no E.164 number such as +491701234567", message.to));
                }
                let length = message.text.chars().count();
                if length > WHATSAPP_LIMIT {
                    return Err(format!(
                        "text has {length} characters; WhatsApp takes at most {WHATSAPP_LIMIT}"
                    ));
                }
                filled("text", &message.text)
            }
            Call::InitiatePayment(payment) => {
                line("payee", &payment.payee)?;
                line("reference", &payment.reference)?;
                if payment.amount.is_zero() {
                    return Err("amount is zero".into());
                }
                match crate::iban(&payment.iban)? {
                    iban if iban == payment.iban => Ok(()),
                    _ => Err(format!("iban {:?} must be written without spaces, in capitals", payment.iban)),
                }
            }
        }
    }

    /// The words of the call that a person may edit: a mail's body, a post's text. `None` where
    /// every value is a figure or a name that is changed on its own.
    pub fn text(&self) -> Option<&str> {
        match self {
            Call::SendEmail(mail) | Call::DraftEmail(mail) => Some(&mail.body),
            Call::DraftSocialPost(draft) => Some(&draft.text),
            Call::PostFacebook(p) | Call::PostInstagram(p) | Call::PostTwitter(p) | Call::PostLinkedin(p) => {
                Some(&p.text)
            }
            Call::SendWhatsapp(message) => Some(&message.text),
            Call::CreateInvoiceDraft(_) | Call::PostInvoice(_) | Call::InitiatePayment(_) => None,
        }
    }

    /// The same call with other words, validated; `None` where it has none ([`Call::text`]).
    pub fn with_text(&self, text: &str) -> Option<Result<Self, ActionError>> {
        let mut call = self.clone();
        let slot = match &mut call {
            Call::SendEmail(mail) | Call::DraftEmail(mail) => &mut mail.body,
            Call::DraftSocialPost(draft) => &mut draft.text,
            Call::PostFacebook(p) | Call::PostInstagram(p) | Call::PostTwitter(p) | Call::PostLinkedin(p) => {
                &mut p.text
            }
            Call::SendWhatsapp(message) => &mut message.text,
            Call::CreateInvoiceDraft(_) | Call::PostInvoice(_) | Call::InitiatePayment(_) => return None,
        };
        text.clone_into(slot);
        let tool = call.tool().to_owned();
        Some(call.validate().map_err(|reason| ActionError::Arguments { tool, reason }).map(|()| call))
    }
}

fn validate_mail(mail: &EmailMessage) -> Result<(), String> {
    if mail.to.is_empty() {
        return Err("to is empty; a mail needs a recipient".into());
    }
    mail.to.iter().chain(&mail.cc).chain(&mail.bcc).try_for_each(|a| address(a))?;
    if mail.subject.chars().any(char::is_control) {
        return Err("subject has a control character".into());
    }
    mail.in_reply_to.iter().chain(&mail.references).try_for_each(|id| message_id(id))?;
    mail.attachments.iter().try_for_each(|a| line("attachment name", &a.name))?;
    filled("body", &mail.body)
}

/// A bare mailbox. Header injection and display names are kept out; the mail library checks the
/// rest of the syntax when it builds the message.
fn address(text: &str) -> Result<(), String> {
    let fits = text.len() <= 254
        && text
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'))
        && !text.chars().any(|c| c.is_control() || c.is_whitespace() || "<>,;:\"()[]\\".contains(c));
    if fits { Ok(()) } else { Err(format!("{text:?} is no mail address such as alice@example.com")) }
}

fn message_id(text: &str) -> Result<(), String> {
    let fits = text.len() <= 998
        && text.starts_with('<')
        && text.ends_with('>')
        && text.len() > 2
        && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if fits { Ok(()) } else { Err(format!("{text:?} is no message id such as <id@example.com>")) }
}

fn filled(what: &str, text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err(format!("{what} is empty")) } else { Ok(()) }
}

fn line(what: &str, text: &str) -> Result<(), String> {
    filled(what, text)?;
    if text.chars().any(char::is_control) {
        return Err(format!("{what} has a control character or a line break"));
    }
    Ok(())
}

/// A proposed call on behalf of an account. It is written as
/// `{server, tool, account, arguments}`, and nothing else is accepted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "RawAction", into = "RawAction")]
pub struct Action {
    /// Whose mailbox, page or bank account acts.
    pub account: String,
    /// What is done.
    pub call: Call,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAction {
    server: String,
    tool: String,
    /// As JSON, like the arguments: asked for a string, YAML's decoder takes `null` for one.
    account: Value,
    arguments: Value,
}

impl TryFrom<RawAction> for Action {
    type Error = ActionError;
    fn try_from(raw: RawAction) -> Result<Self, Self::Error> {
        let given: Server = raw.server.parse()?;
        let call = Call::decode(&raw.tool, raw.arguments)?;
        if call.server() != given {
            return Err(ActionError::Mismatch { tool: call.tool(), belongs: call.server(), given });
        }
        let wrong = |reason| ActionError::Arguments { tool: raw.tool.clone(), reason };
        let Value::String(account) = raw.account else {
            return Err(wrong("account is no text; put it in quotes".into()));
        };
        line("account", &account).map_err(wrong)?;
        Ok(Self { account, call })
    }
}

impl From<Action> for RawAction {
    fn from(action: Action) -> Self {
        Self {
            server: action.call.server().name().to_owned(),
            tool: action.call.tool().to_owned(),
            // The argument types hold strings, integers and lists of them: always JSON.
            arguments: action.call.arguments().unwrap_or_else(|e| Value::String(e.to_string())),
            account: Value::String(action.account),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mail() -> Value {
        json!({"to": ["alice@example.com"], "subject": "Re: Q1", "body": "Dear Alice"})
    }

    #[test]
    fn actions_round_trip_through_json() {
        let json = json!({"server": "email", "tool": "send_email", "account": "owner@example.com", "arguments": mail()});
        let action: Action = serde_json::from_value(json.clone()).expect("an action");
        assert_eq!(serde_json::to_value(&action).expect("json"), json);
    }

    #[test]
    fn what_is_not_in_the_closed_set_is_refused() {
        let check = |tool: &str, arguments: Value, message: &str| {
            let error = Call::decode(tool, arguments).expect_err(message).to_string();
            assert!(error.contains(message), "{error}");
        };
        check("delete_everything", json!({}), "unknown tool");
        check("list_drafts", json!({}), "unknown tool");
        check("send_email", json!({"to": [], "subject": "x", "body": "y"}), "to is empty");
        check(
            "send_email",
            json!({"to": ["a@b\r\nBcc: c@d"], "subject": "x", "body": "y"}),
            "no mail address",
        );
        check(
            "send_email",
            json!({"to": ["a@b"], "subject": "x\r\nBcc: c@d", "body": "y"}),
            "control character",
        );
        check(
            "send_email",
            json!({"to": ["a@b"], "subject": "x", "body": "y", "replyto": "z"}),
            "unknown field",
        );
        check("send_email", json!({"to": ["a@b"], "subject": "x", "body": null}), "null at arguments.body");
        check("post_twitter", json!({"text": "x".repeat(281)}), "at most 280");
        check("send_whatsapp", json!({"to": "12", "text": "x"}), "E.164");
        let pay = |iban: &str, amount: Value| json!({"payee": "Bob", "iban": iban, "amount": amount, "currency": "EUR", "reference": "x"});
        check("initiate_payment", pay("DE89370400440532013001", json!("1.00")), "iban");
        check("initiate_payment", pay("DE89370400440532013000", json!(1.5)), "decimal string");
        check("initiate_payment", pay("DE89 3704 0044 0532 0130 00", json!("1.00")), "without spaces");
        check("initiate_payment", pay("DE89370400440532013000", json!("0.00")), "zero");
        assert!(Call::decode("initiate_payment", pay("DE89370400440532013000", json!("1.00"))).is_ok());
    }

    #[test]
    fn a_tool_of_another_server_is_refused() {
        let json = json!({"server": "social", "tool": "send_email", "account": "o", "arguments": mail()});
        let error = serde_json::from_value::<Action>(json).expect_err("mismatch").to_string();
        assert!(error.contains("belongs to server email"), "{error}");
    }

    #[test]
    fn every_proposable_tool_has_a_schema() {
        for tool in Call::NAMES {
            let schema = Call::schema(tool).expect("schema");
            assert_eq!(schema["type"], "object", "{tool}");
        }
    }
}
