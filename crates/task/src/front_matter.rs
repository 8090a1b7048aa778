//! A task's file: front matter with typed keys, and a Markdown body.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_yaml::Value;

use crate::{Action, AgentId, Digest, Stage, StageName, Step, TaskId, TaskKind, strict_yaml};

/// How urgent a task is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// First.
    High,
    /// The default.
    #[default]
    Medium,
    /// Last.
    Low,
}

/// What the front matter says of the stage, for people and for Obsidian's queries. The folder is
/// the truth; this is its shadow and may lag behind while a task is claimed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for an agent.
    #[default]
    NeedsAction,
    /// Being worked on.
    InProgress,
    /// Waits for the owner.
    PendingApproval,
    /// Signed.
    Approved,
    /// Being carried out.
    Executing,
    /// The owner said no.
    Rejected,
    /// Finished.
    Done,
    /// Set aside.
    Error,
}

impl From<StageName> for Status {
    fn from(stage: StageName) -> Self {
        match stage {
            StageName::NeedsAction => Status::NeedsAction,
            StageName::InProgress => Status::InProgress,
            StageName::PendingApproval => Status::PendingApproval,
            StageName::Approved => Status::Approved,
            StageName::Executing => Status::Executing,
            StageName::Rejected => Status::Rejected,
            StageName::Done => Status::Done,
            StageName::Errors => Status::Error,
        }
    }
}

/// Why a message is taken to come from a machine, so that nobody drafts an answer to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Automated {
    /// A newsletter or mailing list (RFC 2369, RFC 2919).
    List,
    /// An autoresponder (RFC 3834).
    AutoReply,
    /// A sender that says it reads no answers.
    NoReply,
    /// A delivery report (RFC 3464).
    Bounce,
}

/// What the receiving mail server found (RFC 8601): `pass`, `fail`, `none`, ….
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Authentication {
    /// RFC 7208.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spf: Option<String>,
    /// RFC 6376.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dkim: Option<String>,
    /// RFC 7489.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dmarc: Option<String>,
}

/// An attachment that came with a message. Its bytes stay at the source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AttachmentNote {
    /// Name as the sender gave it.
    pub name: String,
    /// Media type as the sender gave it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// Size in bytes.
    pub size: u64,
    /// Digest of the bytes.
    pub sha256: Digest,
}

/// How an execution ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EffectState {
    /// The other side confirmed it.
    Done,
    /// It is certain that nothing happened.
    Failed,
    /// Nobody knows; only the owner can settle it.
    Unknown,
    /// A rehearsal; nothing was sent.
    Dry,
}

/// What came of an order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Effect {
    /// How it ended.
    pub state: EffectState,
    /// When.
    pub at: DateTime<Utc>,
    /// The other side's handle: a message id, a post id, a payment id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What the other side said, in a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The YAML block at the head of a task's file. Unknown keys are kept.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FrontMatter {
    /// The task's id; must be the stem of its file.
    pub id: TaskId,
    /// The kind's name, for people; the id's prefix decides.
    #[serde(rename = "type")]
    pub kind: String,
    /// The channel it came from, such as `gmail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The channel's own id of the event, for de-duplication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// The owner's account on that channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// When the task was made.
    pub created: DateTime<Utc>,
    /// When the event happened, as the channel says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<DateTime<Utc>>,
    /// How urgent.
    #[serde(default, deserialize_with = "absent_is_default")]
    pub priority: Priority,
    /// A shadow of the folder.
    #[serde(default, deserialize_with = "absent_is_default")]
    pub status: Status,
    /// Whether the owner must see it before it ends; can only ever become true.
    #[serde(default, deserialize_with = "absent_is_default")]
    pub requires_approval: bool,
    /// Who wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Where answers are wanted, if not at `from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// To whom.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "absent_is_default")]
    pub to: Vec<String>,
    /// About what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The message's own id, with angle brackets (RFC 5322).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The thread's ids, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "absent_is_default")]
    pub references: Vec<String>,
    /// Set when no person wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automated: Option<Automated>,
    /// What the receiving server found of the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
    /// What came with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "absent_is_default")]
    pub attachments: Vec<AttachmentNote>,
    /// Which agent drafted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drafted_by: Option<AgentId>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drafted_at: Option<DateTime<Utc>>,
    /// With what: `template`, `llm <model>`, or the template as a fallback, with the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drafter: Option<String>,
    /// What the owner is asked when there is no action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// What is proposed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// The signed order's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// The owner's signature over it, armored SSHSIG.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// When the owner decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<DateTime<Utc>>,
    /// Why it ended where it is: no answer needed, rejected, returned, failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often it was tried in a row, without success.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "absent_is_default")]
    pub attempts: u32,
    /// When it is tried again by itself; in `Errors` without it, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<DateTime<Utc>>,
    /// In `Errors`: when the owner wants to be asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask_after: Option<DateTime<Utc>>,
    /// How often it has come back from `Errors` by itself.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "absent_is_default")]
    pub returns: u32,
    /// What came of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// A long task's steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "absent_is_default")]
    pub steps: Vec<Step>,
    /// Keys that this program does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Reads an empty value (`key:`), as Obsidian leaves behind, as the default.
fn absent_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

impl FrontMatter {
    /// A new task's front matter: kind from the id, everything optional absent.
    pub fn new(id: TaskId, created: DateTime<Utc>) -> Self {
        Self {
            kind: TaskKind::of(&id).name().to_owned(),
            id,
            source: None,
            source_id: None,
            account: None,
            created: created.trunc_subsecs(0),
            received: None,
            priority: Priority::default(),
            status: Status::default(),
            requires_approval: false,
            from: None,
            reply_to: None,
            to: Vec::new(),
            subject: None,
            message_id: None,
            references: Vec::new(),
            automated: None,
            authentication: None,
            attachments: Vec::new(),
            drafted_by: None,
            drafted_at: None,
            drafter: None,
            question: None,
            action: None,
            order: None,
            signature: None,
            decided_at: None,
            reason: None,
            attempts: 0,
            retry_after: None,
            ask_after: None,
            returns: 0,
            effect: None,
            steps: Vec::new(),
            extra: BTreeMap::new(),
        }
    }
}

/// A task's file, decoded.
#[derive(Clone, PartialEq, Debug)]
pub struct Task {
    /// The YAML block.
    pub front: FrontMatter,
    /// Everything after it, byte for byte.
    pub body: String,
}

/// Why a file is no task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// Not UTF-8.
    #[error("file is not UTF-8 (byte {0})")]
    Utf8(usize),
    /// A NUL or another control character that no editor writes.
    #[error("file has the control character {0:?}")]
    Control(char),
    /// It does not start with `---`.
    #[error("front matter is missing: the first line must be ---")]
    Missing,
    /// There is no second `---`.
    #[error("front matter has no end: a second line --- is missing")]
    Unclosed,
    /// YAML that is more than data.
    #[error("front matter has {0}")]
    Refused(#[from] strict_yaml::Refusal),
    /// Values that do not fit their keys.
    #[error("front matter does not fit: {0}")]
    Decode(String),
    /// The id is another file's.
    #[error("front matter says id {said}, but the file is named for {named}")]
    Id {
        /// In the front matter.
        said: TaskId,
        /// In the file's name.
        named: TaskId,
    },
    /// It could not be written as YAML.
    #[error("front matter cannot be written: {0}")]
    Encode(String),
}

/// Characters that end a line in YAML 1.1 and nowhere else.
const EXOTIC_BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

impl Task {
    /// A new task with a body.
    pub fn new(front: FrontMatter, body: impl Into<String>) -> Self {
        Self { front, body: body.into() }
    }

    /// Decodes a file that is named for `id`.
    pub fn parse(bytes: &[u8], id: &TaskId) -> Result<Self, TaskError> {
        let text = std::str::from_utf8(bytes).map_err(|e| TaskError::Utf8(e.valid_up_to()))?;
        if let Some(c) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(TaskError::Control(c));
        }
        let (yaml, body) = split(text)?;
        strict_yaml::check(&yaml)?;
        let front: FrontMatter =
            serde_yaml::from_str(&yaml).map_err(|e| TaskError::Decode(crate::excerpt(&e.to_string())))?;
        if front.id != *id {
            return Err(TaskError::Id { said: front.id, named: id.clone() });
        }
        Ok(Self { front, body: body.to_owned() })
    }

    /// The file's bytes. Reading them again gives an equal task.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TaskError> {
        let mut yaml = serde_yaml::to_string(&self.front).map_err(|e| TaskError::Encode(e.to_string()))?;
        if yaml.contains(EXOTIC_BREAKS) {
            // The encoder writes them raw into block scalars, where they end lines and change what is
            // read back. JSON, which is YAML too, can escape them.
            let json =
                serde_json::to_string_pretty(&self.front).map_err(|e| TaskError::Encode(e.to_string()))?;
            yaml = EXOTIC_BREAKS
                .iter()
                .fold(json, |text, c| text.replace(*c, &format!("\\u{:04x}", u32::from(*c))))
                + "\n";
        }
        Ok(format!("---\n{yaml}---\n{}", self.body).into_bytes())
    }

    /// Brings `status` in line with the stage that the task is about to enter.
    pub fn enter(&mut self, stage: &Stage) {
        self.front.status = stage.name().into();
    }

    /// From now on the owner must see it; there is no way back.
    pub fn require_approval(&mut self) {
        self.front.requires_approval = true;
    }
}

/// Splits at the two `---` lines; Windows line ends in the front matter are read as `\n`.
fn split(text: &str) -> Result<(String, &str), TaskError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().unwrap_or_default();
    if first.trim_end() != "---" {
        return Err(TaskError::Missing);
    }
    let mut at = first.len();
    let mut yaml = String::new();
    for line in lines {
        at += line.len();
        if line.trim_end() == "---" {
            return Ok((yaml, &text[at..]));
        }
        yaml.push_str(line.trim_end_matches(['\r', '\n']));
        yaml.push('\n');
    }
    Err(TaskError::Unclosed)
}

#[cfg(test)]
mod tests;
