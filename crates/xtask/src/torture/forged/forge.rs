//! The ways in which an order can be wrong.

use std::path::Path;

use approval::{KeyFiles, NewKey, Signer};
use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use serde_json::{Value, json};
use task::{Mode, Order};

use super::owner::{Good, Machine};

/// Where a file must be afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// Set aside.
    Errors,
    /// Before the owner again.
    Pending,
    /// Left alone: not for here, or not for now.
    Waits,
    /// Carried out.
    Done,
}

/// One way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Unsigned,
    HalfSigned,
    OtherKey,
    OtherNamespace,
    Expired,
    OtherTask,
    SwappedSignature,
    OtherVault,
    OtherExecutor,
    Dry,
    FromTheFuture,
    NeverIssued,
    ReusedApproval,
    ActionInFile,
    ActionInOrder,
    OrderByte,
    SignatureByte,
    TwiceInYaml,
    TwiceInOrder,
    OtherForm,
}

impl Kind {
    pub(super) const ALL: [Self; 20] = [
        Self::Unsigned,
        Self::HalfSigned,
        Self::OtherKey,
        Self::OtherNamespace,
        Self::Expired,
        Self::OtherTask,
        Self::SwappedSignature,
        Self::OtherVault,
        Self::OtherExecutor,
        Self::Dry,
        Self::FromTheFuture,
        Self::NeverIssued,
        Self::ReusedApproval,
        Self::ActionInFile,
        Self::ActionInOrder,
        Self::OrderByte,
        Self::SignatureByte,
        Self::TwiceInYaml,
        Self::TwiceInOrder,
        Self::OtherForm,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::HalfSigned => "without a signature",
            Self::OtherKey => "another key",
            Self::OtherNamespace => "another namespace",
            Self::Expired => "expired",
            Self::OtherTask => "another task's order",
            Self::SwappedSignature => "another order's signature",
            Self::OtherVault => "another vault",
            Self::OtherExecutor => "another executor",
            Self::Dry => "dry",
            Self::FromTheFuture => "from the future",
            Self::NeverIssued => "an approval that was never given here",
            Self::ReusedApproval => "an approval that was used",
            Self::ActionInFile => "the action changed in the file",
            Self::ActionInOrder => "the action changed in the order",
            Self::OrderByte => "one byte of the order",
            Self::SignatureByte => "one byte of the signature",
            Self::TwiceInYaml => "a key twice in the file",
            Self::TwiceInOrder => "a key twice in the order",
            Self::OtherForm => "not in canonical form",
        }
    }

    fn fate(self) -> Fate {
        match self {
            Self::Expired | Self::NeverIssued => Fate::Pending,
            Self::OtherExecutor | Self::Dry | Self::FromTheFuture => Fate::Waits,
            _ => Fate::Errors,
        }
    }
}

/// An order that must not be carried out, and the file that holds it.
#[derive(Clone)]
pub(super) struct Forged {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) fate: Fate,
    pub(super) file: String,
    /// What the tool server is asked directly; none where only the agent can tell.
    call: Option<Value>,
}

impl Forged {
    pub(super) fn replayed(good: &Good) -> Self {
        let (id, file) = (good.id.clone(), good.file.clone());
        let call = call(&good.action, Some(&good.order), Some(&good.signature));
        Self { id, kind: "replayed", fate: Fate::Errors, file, call: Some(call) }
    }

    pub(super) fn taken_back(good: &Good) -> Self {
        let (id, file) = (good.id.clone(), good.file.clone());
        // A tool server does not know what the owner took back before it ever heard of it.
        Self { id, kind: "taken back", fate: Fate::Pending, file, call: None }
    }

    /// The call of a client that goes straight to the tool server.
    pub(super) fn call(&self) -> Option<Value> {
        self.call.clone()
    }
}

/// Parameters of `tools/call`.
fn call(action: &Value, order: Option<&str>, signature: Option<&str>) -> Value {
    let mut meta = json!({});
    if let Some(order) = order {
        meta[Order::META_TEXT] = order.into();
    }
    if let Some(signature) = signature {
        meta[Order::META_SIGNATURE] = signature.into();
    }
    json!({"name": action["tool"], "arguments": action["arguments"], "_meta": meta})
}

/// A key that nobody lists.
pub(super) struct Stranger(Signer);

impl Stranger {
    pub(super) fn make(folder: &Path) -> Result<Self, String> {
        let files = KeyFiles::in_data(folder);
        approval::init(&files, "nobody", || Ok(NewKey::Unprotected)).map_err(|e| e.to_string())?;
        Ok(Self(Signer::key_file(files.key, None)))
    }
}

/// Makes them, after a good order's likeness.
pub(super) struct Forge<'a> {
    machine: &'a Machine,
    good: &'a Good,
}

impl<'a> Forge<'a> {
    pub(super) fn new(machine: &'a Machine, good: &'a Good) -> Self {
        Self { machine, good }
    }

    fn sign(&self, text: &str) -> Result<String, String> {
        self.machine.signer.sign(text).map_err(|e| e.to_string())
    }

    /// An order that would be good if it had been approved here.
    fn order(&self, id: &str, action: &Value, chance: &mut Rng) -> Result<Order, String> {
        let now = whole_second(Utc::now());
        Ok(Order {
            action: serde_json::from_value(action.clone()).map_err(|e| e.to_string())?,
            approval: (0..32).map(|_| chance.digit(16)).collect(),
            executor: "local-001".parse().map_err(|_| "no agent")?,
            expires: now + TimeDelta::hours(1),
            id: id.parse().map_err(|_| format!("{id} is no id"))?,
            issued: now,
            mode: Mode::Live,
            vault: self.machine.vault_id.clone(),
        })
    }

    pub(super) fn make(&self, kind: Kind, case: u64, chance: &mut Rng) -> Result<Forged, String> {
        let id = format!("EMAIL_f{case:06}");
        let action = mail("victim@example.com", &format!("forged {case}"));
        let mut order = self.order(&id, &action, chance)?;
        let long_ago = order.issued - TimeDelta::days(1 + i64::from(chance.u16(0..300)));
        match kind {
            Kind::Expired => (order.issued, order.expires) = (long_ago, long_ago + TimeDelta::hours(1)),
            Kind::FromTheFuture => {
                order.issued += TimeDelta::hours(20);
                order.expires += TimeDelta::hours(20);
            }
            Kind::OtherTask => order.id = format!("EMAIL_x{case:06}").parse().map_err(|_| "no id")?,
            Kind::OtherVault => order.vault = format!("{:032x}", chance.u128(..)),
            Kind::OtherExecutor => order.executor = "local-002".parse().map_err(|_| "no agent")?,
            Kind::Dry => order.mode = Mode::Dry,
            Kind::ReusedApproval => order.approval.clone_from(&self.good.approval()?),
            _ => {}
        }
        let mut text = order.to_text().map_err(|e| e.to_string())?;
        let mut signature = match kind {
            Kind::OtherKey => self.machine.stranger.0.sign(&text).map_err(|e| e.to_string())?,
            Kind::OtherNamespace => {
                self.machine.signer.sign_introduction(&text).map_err(|e| e.to_string())?
            }
            Kind::SwappedSignature => self.good.signature.clone(),
            Kind::TwiceInOrder => {
                text = text.replacen('{', &format!("{{\"id\":\"{id}\","), 1);
                self.sign(&text)?
            }
            Kind::OtherForm => {
                text = text.replacen(':', ": ", 1 + chance.usize(0..5));
                self.sign(&text)?
            }
            _ => self.sign(&text)?,
        };
        let mut shown = action.clone();
        match kind {
            Kind::ActionInFile => shown["arguments"]["to"] = json!(["mallory@example.com"]),
            Kind::ActionInOrder => {
                text = text.replace("victim@", "mallory@");
                shown["arguments"]["to"] = json!(["mallory@example.com"]);
            }
            Kind::OrderByte => text = other_byte(&text, 0..text.len(), chance),
            Kind::SignatureByte => {
                // Within the armor's first lines of base64.
                let from = signature.find('\n').unwrap_or_default() + 1;
                signature = other_byte(&signature, from..from + 140, chance);
            }
            _ => {}
        }
        let (text, signature) = match kind {
            Kind::Unsigned => (None, None),
            Kind::HalfSigned => (Some(text), None),
            _ => (Some(text), Some(signature)),
        };
        let mut file = file(&id, &shown, text.as_deref(), signature.as_deref());
        if kind == Kind::TwiceInYaml {
            file = file.replacen("type: email\n", &format!("type: email\naction: {action}\n"), 1);
        }
        // With the owner's own signature, a tool server that was never told of reviews has to act; and
        // a file's form is no business of it.
        let asked = !matches!(kind, Kind::NeverIssued | Kind::TwiceInYaml | Kind::OtherTask);
        let call = asked.then(|| call(&shown, text.as_deref(), signature.as_deref()));
        Ok(Forged { id, kind: kind.title(), fate: kind.fate(), file, call })
    }
}

fn whole_second(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at)
}

/// A mail that is proposed.
pub(super) fn mail(to: &str, subject: &str) -> Value {
    json!({
        "server": "email", "tool": "send_email", "account": "owner@example.com",
        "arguments": {"to": [to], "subject": subject, "body": "Pay at once."},
    })
}

/// The text with one byte of a range changed to another letter or digit.
fn other_byte(text: &str, range: std::ops::Range<usize>, chance: &mut Rng) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let end = range.end.min(bytes.len());
    loop {
        let at = chance.usize(range.start..end);
        let new = u8::try_from(chance.alphanumeric()).unwrap_or(b'x');
        // A line's end stays, so that the case is about a letter.
        if bytes[at].is_ascii_graphic() && bytes[at] != new {
            bytes[at] = new;
            return String::from_utf8_lossy(&bytes).into_owned();
        }
    }
}

/// A task's file as `approve` leaves it.
fn file(id: &str, action: &Value, order: Option<&str>, signature: Option<&str>) -> String {
    let mut text = format!(
        "---\nid: {id}\ntype: email\ncreated: 2026-02-23T03:15:00Z\nstatus: approved\nrequires_approval: true\n\
         action: {action}\n"
    );
    if let Some(order) = order {
        text.push_str(&format!("order: '{}'\n", order.replace('\'', "''")));
    }
    if let Some(signature) = signature {
        text.push_str("signature: |\n");
        signature.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    text + "---\n"
}
