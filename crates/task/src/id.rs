//! Task ids and the file names made of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// The longest task id, in bytes: with both markers and `.claim.json` it stays far below the
/// 255 bytes that common file systems allow for a name.
pub const MAX_ID: usize = 100;

/// A task's name for life: the stem of its file without [`Marker`], 1 to [`MAX_ID`] characters
/// of `[A-Za-z0-9._-]`, starting with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(String);

/// Why a text is no task id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskIdError {
    /// Nothing there.
    #[error("task id is empty")]
    Empty,
    /// Longer than [`MAX_ID`].
    #[error("task id has {0} characters; at most {MAX_ID} are allowed")]
    Long(usize),
    /// Something outside `[A-Za-z0-9._-]`, or a first character that is no letter or digit.
    #[error(
        "task id has {0:?} at position {1}; use letters, digits, '.', '_' and '-', and start with a letter or digit"
    )]
    Character(char, usize),
    /// A marker or an ending that means something else in a file name.
    #[error("task id may not {0}")]
    Reserved(&'static str),
}

impl TaskId {
    /// Checks `text` and keeps it.
    pub fn new(text: impl Into<String>) -> Result<Self, TaskIdError> {
        let text = text.into();
        if text.is_empty() {
            return Err(TaskIdError::Empty);
        }
        if text.len() > MAX_ID {
            return Err(TaskIdError::Long(text.chars().count()));
        }
        for (at, c) in text.chars().enumerate() {
            let plain = c.is_ascii_alphanumeric();
            if !(plain || (at > 0 && matches!(c, '.' | '_' | '-'))) {
                return Err(TaskIdError::Character(c, at));
            }
        }
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("approve_") || lower.starts_with("execute_") {
            return Err(TaskIdError::Reserved("start with APPROVE_ or EXECUTE_: these mark a stage"));
        }
        if lower.ends_with(".reason") || lower.ends_with(".claim") || lower.ends_with(".md") {
            return Err(TaskIdError::Reserved("end in .reason, .claim or .md: these mark other files"));
        }
        if text.ends_with('.') {
            return Err(TaskIdError::Reserved("end in a full stop"));
        }
        Ok(Self(text))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TaskId {
    type Error = TaskIdError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl FromStr for TaskId {
    type Err = TaskIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> Self {
        id.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes the part of an id out of any text: ASCII letters and digits are kept, accents are
/// dropped, everything else becomes one `-`; at most `max` characters, never empty (`"x"`).
pub fn slug(text: &str, max: usize) -> String {
    let mut out = String::new();
    for c in text.nfkd() {
        if out.len() >= max {
            break;
        }
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if unicode_normalization::char::is_combining_mark(c) {
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    let trimmed = out.trim_end_matches('-');
    if trimmed.is_empty() { "x".to_owned() } else { trimmed.to_owned() }
}

/// What precedes the id in a file name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Marker {
    /// `<id>.md`
    Plain,
    /// `APPROVE_<id>.md`: waits for the owner.
    Approve,
    /// `EXECUTE_<id>.md`: carries the owner's signed order.
    Execute,
}

impl Marker {
    fn text(self) -> &'static str {
        match self {
            Marker::Plain => "",
            Marker::Approve => "APPROVE_",
            Marker::Execute => "EXECUTE_",
        }
    }
}

/// The name of a task's file: marker, id, `.md`.
#[derive(Clone, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct FileName {
    /// What precedes the id.
    pub marker: Marker,
    /// The id, which never changes.
    pub id: TaskId,
}

/// Why a file name is not a task's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileNameError {
    /// Not `*.md`.
    #[error("file name does not end in .md")]
    Extension,
    /// The stem is no id.
    #[error(transparent)]
    Id(#[from] TaskIdError),
}

impl FromStr for FileName {
    type Err = FileNameError;
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let stem = name.strip_suffix(".md").ok_or(FileNameError::Extension)?;
        let (marker, id) = [Marker::Approve, Marker::Execute]
            .into_iter()
            .find_map(|m| stem.strip_prefix(m.text()).map(|rest| (m, rest)))
            .unwrap_or((Marker::Plain, stem));
        Ok(Self { marker, id: TaskId::new(id)? })
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}.md", self.marker.text(), self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_outside_the_rule_are_refused() {
        let check = |text: &str, ok: bool| assert_eq!(TaskId::new(text).is_ok(), ok, "{text:?}");
        check("EMAIL_20260223_alice", true);
        check("a", true);
        check("A.b-c_d", true);
        check(&"x".repeat(100), true);
        check(&"x".repeat(101), false);
        for bad in [
            "",
            ".hidden",
            "-x",
            "a/b",
            "a b",
            "a\nb",
            "ü",
            "..",
            "APPROVE_x",
            "execute_X",
            "x.reason",
            "x.md",
            "x.",
        ] {
            check(bad, false);
        }
    }

    #[test]
    fn file_names_round_trip() {
        for name in ["EMAIL_1.md", "APPROVE_EMAIL_1.md", "EXECUTE_EMAIL_1.md"] {
            let parsed: FileName = name.parse().expect("a task's name");
            assert_eq!(parsed.to_string(), name);
            assert_eq!(parsed.id.as_str(), "EMAIL_1");
        }
        assert!("APPROVE_EXECUTE_x.md".parse::<FileName>().is_err());
        assert_eq!("x.txt".parse::<FileName>(), Err(FileNameError::Extension));
    }

    #[test]
    fn slugs_are_always_fit_for_an_id() {
        assert_eq!(slug("Überweisung für Zoë & Söhne", 40), "uberweisung-fur-zoe-sohne");
        assert_eq!(slug("///", 10), "x");
        assert_eq!(slug("日本語", 10), "x");
        assert!(slug(&"a b".repeat(100), 20).len() <= 20);
    }
}
