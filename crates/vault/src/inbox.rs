//! What people drop into `Inbox/`: any text under any name becomes a task in `Needs_Action/`.
//!
//! The file is completed in place first and then renamed, as every task is; a crash between the
//! two leaves a complete file in the Inbox, which is taken in at the next turn.

use std::path::PathBuf;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde_yaml::{Mapping, Value};
use task::{
    Body, Digest, FileName, FrontMatter, Location, MAX_ID, Stage, Task, TaskError, TaskId, TaskKind, slug,
};

use crate::durable::{Dir, DurableError, FileError};
use crate::listing::time;
use crate::tasks::oddity;
use crate::{LockError, SetAsideError, Stranger, Vault, WriteError};

/// Something that became a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenIn {
    /// Its name in the Inbox.
    pub name: String,
    /// Where it is now.
    pub location: Location,
}

/// What one look into the Inbox came to.
#[derive(Debug, Default)]
pub struct Intake {
    /// What became tasks.
    pub taken: Vec<TakenIn>,
    /// What cannot become a task; it stays where it is, for the caller to set aside.
    pub strangers: Vec<Stranger>,
    /// How many files are still being written.
    pub unquiet: usize,
}

/// Why the Inbox was not looked through, or one file not taken in.
#[derive(Debug, thiserror::Error)]
enum TakeError {
    #[error(transparent)]
    Task(#[from] TaskError),
    #[error("the front matter's id {0:?} is none: {1}")]
    Id(String, task::TaskIdError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Keep(#[from] SetAsideError),
}

impl Vault {
    /// Takes in what has been quiet for `quiet`. One bad file stops nothing.
    pub fn intake(&self, now: DateTime<Utc>, quiet: TimeDelta) -> Result<Intake, FileError> {
        let inbox = self.dir_created("Inbox")?;
        let mut names = inbox.names()?;
        names.sort();
        let mut intake = Intake::default();
        for name in names {
            let Some(meta) = inbox.meta(&name)? else { continue };
            let text = name.to_str().map(str::to_owned);
            if text.as_deref().is_some_and(|name| name.starts_with('.')) {
                continue;
            }
            let modified = time(meta.modified);
            // A time in the future is no reason to wait for ever.
            if (now - modified).abs() < quiet {
                intake.unquiet += 1;
                continue;
            }
            let limit = self.limits().max_task_bytes;
            let reason = match (oddity(meta.kind), text) {
                (Some(what), _) => format!("it is {what}"),
                (None, None) => "its name is not UTF-8".to_owned(),
                (None, Some(_)) if meta.len > limit => {
                    format!("it has {} bytes; at most {limit} are read (vault.max_task_bytes)", meta.len)
                }
                (None, Some(name)) => match self.take_in(&inbox, &name, now) {
                    Ok(location) => {
                        intake.taken.push(TakenIn { name, location });
                        continue;
                    }
                    // Taken in by another process meanwhile.
                    Err(TakeError::Write(WriteError::Gone(_))) => continue,
                    Err(TakeError::File(e)) if e.is_missing() => continue,
                    Err(e) => e.to_string(),
                },
            };
            intake.strangers.push(Stranger { path: PathBuf::from("Inbox").join(&name), reason, modified });
        }
        Ok(intake)
    }

    fn take_in(&self, inbox: &Dir, name: &str, now: DateTime<Utc>) -> Result<Location, TakeError> {
        let _guard = self.lock_shared()?;
        let bytes = inbox.read(name, self.limits().max_task_bytes)?.bytes;
        let mut task = complete(name, &bytes, now)?;
        let needs_action = self.dir_created(&Stage::NeedsAction.folder())?;
        let mut current = bytes;
        for attempt in 1.. {
            if attempt > 1 || self.find(&task.front.id)?.is_some() {
                task.front.id = numbered(&task.front.id, attempt + 1);
                if self.find(&task.front.id)?.is_some() {
                    continue;
                }
            }
            let next = task.to_bytes()?;
            if next != current {
                self.swap_in(inbox, name, &next, Digest::of(&current))?;
                current = next;
            }
            let location = Location::new(Stage::NeedsAction, task.front.id.clone());
            match inbox.rename_noreplace(name, &needs_action, &location.file_name()) {
                Ok(()) => return Ok(location),
                Err(DurableError::Exists(_)) => {}
                Err(e) => return Err(WriteError::from(e).into()),
            }
        }
        // The loop ends by returning; ids do not run out.
        Err(WriteError::Gone(name.to_owned()).into())
    }
}

/// `id` with a number after it, at most [`MAX_ID`] long.
fn numbered(id: &TaskId, n: u32) -> TaskId {
    let suffix = format!("-{n}");
    let base = id.as_str();
    let base = match base.rsplit_once('-') {
        // The number of the attempt before is replaced, not added to.
        Some((stem, number)) if number.parse::<u32>().is_ok_and(|k| k == n - 1 && n > 2) => stem,
        _ => base,
    };
    let base: String = base.chars().take(MAX_ID - suffix.len()).collect();
    // What fits the rule still does with a number after it.
    TaskId::new(format!("{base}{suffix}")).unwrap_or_else(|_| id.clone())
}

/// Makes a task of what a person wrote, supplying what is missing.
fn complete(name: &str, bytes: &[u8], now: DateTime<Utc>) -> Result<Task, TakeError> {
    let text = std::str::from_utf8(bytes).map_err(|e| TaskError::Utf8(e.valid_up_to()))?;
    let mut task = if text.trim_start_matches('\u{feff}').starts_with("---") {
        with_front_matter(name, text, now)?
    } else {
        let text: String = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        if let Some(c) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(TaskError::Control(c).into());
        }
        let mut front = FrontMatter::new(id_for(name, bytes), now);
        front.subject = Some(title(name, &text));
        Task::new(front, Body::of_original(text.trim_end()).to_markdown())
    };
    // Nobody approves anything by dropping a file.
    task.front.order = None;
    task.front.signature = None;
    task.front.decided_at = None;
    task.front.effect = None;
    task.front.source.get_or_insert_with(|| "inbox".to_owned());
    task.enter(&Stage::NeedsAction);
    Ok(task)
}

fn with_front_matter(name: &str, text: &str, now: DateTime<Utc>) -> Result<Task, TakeError> {
    // Split where the task's own reader does, by giving it the keys that a task must have.
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().unwrap_or_default();
    let mut at = first.len();
    let mut yaml = String::new();
    let mut closed = false;
    for line in lines {
        at += line.len();
        if line.trim_end() == "---" {
            closed = true;
            break;
        }
        yaml.push_str(line.trim_end_matches(['\r', '\n']));
        yaml.push('\n');
    }
    if first.trim_end() != "---" || !closed {
        return Err(TaskError::Unclosed.into());
    }
    task::strict_yaml::check(&yaml).map_err(TaskError::Refused)?;
    let given: Value =
        serde_yaml::from_str(&yaml).map_err(|e| TaskError::Decode(task::excerpt(&e.to_string())))?;
    let mut keys = match given {
        Value::Mapping(keys) => keys,
        Value::Null => Mapping::new(),
        _ => return Err(TaskError::Decode("it is no mapping of keys to values".into()).into()),
    };
    let missing = |keys: &Mapping, key: &str| keys.get(key).is_none_or(Value::is_null);
    let id = match keys.get("id").and_then(Value::as_str) {
        Some(id) => TaskId::new(id).map_err(|e| TakeError::Id(task::excerpt(id), e))?,
        None => id_for(name, text.as_bytes()),
    };
    keys.insert("id".into(), id.as_str().into());
    if missing(&keys, "type") {
        keys.insert("type".into(), TaskKind::of(&id).name().into());
    }
    if missing(&keys, "created") {
        let created = now.trunc_subsecs(0).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        keys.insert("created".into(), created.into());
    }
    let body = &text[at..];
    if missing(&keys, "subject") {
        keys.insert("subject".into(), title(name, body).into());
    }
    let yaml = serde_yaml::to_string(&Value::Mapping(keys)).map_err(|e| TaskError::Encode(e.to_string()))?;
    let mut task = Task::parse(format!("---\n{yaml}---\n{body}").as_bytes(), &id)?;
    if Body::parse(&task.body).original.is_none() && !task.body.trim().is_empty() {
        task.body = Body::of_original(task.body.trim()).to_markdown();
    }
    Ok(task)
}

/// The id that a name in the Inbox asks for, or one made from it: the name's known prefix, a
/// slug, and a digest, so that the same file gives the same id on every machine.
fn id_for(name: &str, bytes: &[u8]) -> TaskId {
    if let Ok(FileName { marker: task::Marker::Plain, id }) = name.parse::<FileName>() {
        return id;
    }
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let kind = TaskKind::PREFIXED.into_iter().find(|kind| stem.starts_with(kind.prefix()));
    let (prefix, rest) = kind.map_or(("NOTE_", stem), |k| (k.prefix(), &stem[k.prefix().len()..]));
    let digest = Digest::of([name.as_bytes(), b"\0", bytes].concat()).hex();
    let text = format!("{prefix}{}_{}", slug(rest, 60), &digest[..8]);
    // A prefix, a slug and hexadecimal digits are within the rule.
    TaskId::new(text).unwrap_or_else(|_| fallback(&digest))
}

fn fallback(digest: &str) -> TaskId {
    match TaskId::new(format!("NOTE_{}", &digest[..8])) {
        Ok(id) => id,
        Err(_) => unreachable!("eight hexadecimal digits after NOTE_ are an id"),
    }
}

/// The first line that says something, without a heading's marks.
fn title(name: &str, text: &str) -> String {
    let line = text.lines().map(|line| line.trim().trim_start_matches('#').trim()).find(|l| !l.is_empty());
    line.unwrap_or(name).chars().filter(|c| !c.is_control()).take(120).collect()
}

#[cfg(test)]
mod tests;
