//! How the folders stand: what waits, since when, and what can be tried again. Read by the daily
//! scan and by the briefing.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use task::{EffectState, Location, Stage, TaskId};
use vault::{Entry, FileError, Folder, Vault};

use crate::text::{Age, shown};

/// What waits for longer is a bottleneck.
pub const BOTTLENECK: TimeDelta = TimeDelta::hours(48);

/// So many of each kind are named; the rest is counted.
const NAMED: usize = 20;

/// A folder's count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FolderLine {
    /// Its name.
    pub name: &'static str,
    /// How many tasks are in it.
    pub tasks: usize,
    /// Since when the oldest of them is there, as far as its file says.
    pub oldest: Option<DateTime<Utc>>,
}

/// Something that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Which task.
    pub id: TaskId,
    /// Its subject, or the question it asks.
    pub about: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Who is to do something: the owner, or an agent.
    pub on: String,
}

/// What can be done about a task in `Errors`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remedy {
    /// It can be put back to work.
    Retry,
    /// Nobody knows whether it had its effect: only the owner can say.
    Resolve,
    /// Its file must be mended first.
    Mend,
}

/// A task in `Errors`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetAside {
    /// Which task.
    pub id: TaskId,
    /// Why it is there, if the task says so.
    pub reason: Option<String>,
    /// What can be done.
    pub remedy: Remedy,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Its subject; a stranger's words.
    pub subject: String,
    /// Who wrote; a stranger's words.
    pub from: String,
    /// How often it was tried in a row.
    pub attempts: u32,
    /// How often it has come back by itself.
    pub returns: u32,
    /// When it comes back by itself.
    pub again: Option<DateTime<Utc>>,
    /// When the owner wants to be asked again.
    pub later: Option<DateTime<Utc>>,
}

/// How all folders stand at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// When.
    pub at: DateTime<Utc>,
    /// Every folder, in the order in which tasks pass through them.
    pub folders: Vec<FolderLine>,
    /// What waits for the owner's decision or for an agent, the oldest first.
    pub waiting: Vec<Waiting>,
    /// Tasks in `Errors`, the newest first.
    pub errors: Vec<SetAside>,
    /// Open health incidents.
    pub alarms: Vec<TaskId>,
}

impl SetAside {
    /// Why it is there, in words.
    pub fn why(&self) -> &str {
        self.reason.as_deref().unwrap_or("no reason was written down")
    }

    /// What happens without the owner, if anything does.
    pub fn by_itself(&self) -> Option<String> {
        match (self.again, self.later) {
            (Some(at), _) => Some(format!("comes back by itself at {}", minute(at))),
            (None, Some(at)) => Some(format!("you wanted to be asked again at {}", minute(at))),
            (None, None) => None,
        }
    }
}

impl Remedy {
    /// The command that does it.
    pub fn command(self, id: &TaskId) -> String {
        match self {
            Remedy::Retry => format!("local-agent retry {id}"),
            Remedy::Resolve => format!("local-agent resolve {id} --sent (or --not-sent)"),
            Remedy::Mend => format!("mend Errors/{id}.md, then local-agent retry {id}"),
        }
    }
}

impl Standing {
    /// Looks at every folder. A file that cannot be read is counted, and named where it matters.
    pub fn look(vault: &Vault, now: DateTime<Utc>) -> Result<Self, FileError> {
        let mut standing = Self {
            at: now,
            folders: Vec::new(),
            waiting: Vec::new(),
            errors: Vec::new(),
            alarms: Vec::new(),
        };
        let new = vault.list(&Folder::NeedsAction)?.tasks;
        let (alarms, new): (Vec<_>, Vec<_>) = new.into_iter().partition(is_alarm);
        standing.alarms = alarms.into_iter().map(|entry| entry.location.id).collect();
        let (approved, new): (Vec<_>, Vec<_>) =
            new.into_iter().partition(|entry| entry.location.stage == Stage::Approved);
        standing.folder(vault, "Needs_Action", new, "an agent");
        standing.folder(vault, "Needs_Action, signed", approved, "the executor");
        standing.folder(vault, "In_Progress", vault.list(&Folder::AllInProgress)?.tasks, "");
        standing.folder(vault, "Pending_Approval", vault.list(&Folder::PendingApproval)?.tasks, "you");
        let rejected = vault.list(&Folder::Rejected)?.tasks.len();
        standing.folders.push(FolderLine { name: "Rejected", tasks: rejected, oldest: None });
        let mut done = 0;
        for (year, month) in vault.months_done()? {
            done += vault.list(&Folder::Done { year, month })?.tasks.len();
        }
        standing.folders.push(FolderLine { name: "Done", tasks: done, oldest: None });
        let errors = vault.list(&Folder::Errors)?.tasks;
        standing.errors = errors.iter().map(|entry| set_aside(vault, entry)).collect();
        standing.errors.sort_by(|a, b| (b.since, &a.id).cmp(&(a.since, &b.id)));
        let oldest = standing.errors.iter().map(|error| error.since).min();
        standing.folders.push(FolderLine { name: "Errors", tasks: standing.errors.len(), oldest });
        standing.waiting.sort_by(|a, b| (a.since, &a.id).cmp(&(b.since, &b.id)));
        Ok(standing)
    }

    fn folder(&mut self, vault: &Vault, name: &'static str, entries: Vec<Entry>, on: &str) {
        let mut oldest: Option<DateTime<Utc>> = None;
        let tasks = entries.len();
        for entry in entries {
            let waiting = waiting(vault, &entry, on);
            oldest = Some(oldest.map_or(waiting.since, |oldest| oldest.min(waiting.since)));
            self.waiting.push(waiting);
        }
        self.folders.push(FolderLine { name, tasks, oldest });
    }

    /// What has waited for the owner for longer than [`BOTTLENECK`].
    pub fn stale(&self) -> impl Iterator<Item = &Waiting> {
        self.bottlenecks().filter(|waiting| waiting.on == "you")
    }

    /// What has waited, for whomever, for longer than [`BOTTLENECK`].
    pub fn bottlenecks(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.iter().filter(|waiting| self.at - waiting.since > BOTTLENECK)
    }

    /// In a line.
    pub fn summary(&self) -> String {
        let count =
            |name: &str| self.folders.iter().filter(|f| f.name == name).map(|f| f.tasks).sum::<usize>();
        let retryable = self.errors.iter().filter(|error| error.remedy == Remedy::Retry).count();
        let returning = self.errors.iter().filter(|error| error.again.is_some()).count();
        format!(
            "{} new, {} in work, {} waiting for you ({} of them for more than 48 h), {} in Errors ({retryable} can be \
             tried again, {returning} by itself)",
            count("Needs_Action"),
            count("In_Progress"),
            count("Pending_Approval"),
            self.stale().count(),
            self.errors.len(),
        )
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("### Folders at {}\n\n", self.at.format("%Y-%m-%d %H:%M UTC"));
        text.push_str("| folder | tasks | oldest |\n|---|---|---|\n");
        for folder in &self.folders {
            let oldest = folder.oldest.map_or(String::new(), |at| Age(self.at - at).to_string());
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| {} | {} | {oldest} |", folder.name, folder.tasks);
        }
        let stale: Vec<&Waiting> = self.stale().collect();
        section(&mut text, "Waits for you for more than 48 h", &stale, |waiting| {
            format!(
                "[[APPROVE_{}]], {}: {}",
                waiting.id,
                Age(self.at - waiting.since),
                shown(&waiting.about, 80)
            )
        });
        section(&mut text, "Set aside", &self.errors, |error| {
            format!(
                "[[{}]]: {} — {}`{}`",
                error.id,
                shown(error.why(), 160),
                error.by_itself().map_or_else(String::new, |said| said + "; "),
                error.remedy.command(&error.id)
            )
        });
        section(&mut text, "Alarms", &self.alarms, |id| format!("[[{id}]]"));
        text
    }
}

/// A moment as the pages write it.
pub(crate) fn minute(at: DateTime<Utc>) -> impl std::fmt::Display {
    at.format("%Y-%m-%d %H:%M UTC")
}

fn section<T>(text: &mut String, title: &str, rows: &[T], line: impl Fn(&T) -> String) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n### {title}\n");
    for row in rows.iter().take(NAMED) {
        let _ = writeln!(text, "- {}", line(row));
    }
    if let Some(more) = rows.len().checked_sub(NAMED).filter(|more| *more > 0) {
        let _ = writeln!(text, "- … and {more} more");
    }
}

/// Incidents are the owner's, and lie in `Needs_Action`.
fn is_alarm(entry: &Entry) -> bool {
    entry.location.id.as_str().starts_with("ERROR_HEALTH_")
}

fn waiting(vault: &Vault, entry: &Entry, on: &str) -> Waiting {
    let Location { stage, id } = &entry.location;
    let on = match stage {
        Stage::InProgress(agent) | Stage::Executing(agent) => agent.to_string(),
        _ => on.to_owned(),
    };
    match vault.read(&entry.location) {
        Ok(file) => {
            let front = file.task.front;
            let since = match stage {
                Stage::PendingApproval => front.drafted_at,
                Stage::Approved => front.decided_at,
                _ => None,
            };
            Waiting {
                id: id.clone(),
                about: front.subject.or(front.question).unwrap_or_default(),
                since: since.unwrap_or(front.created),
                on,
            }
        }
        Err(error) => Waiting { id: id.clone(), about: error.to_string(), since: entry.modified, on },
    }
}

pub(crate) fn set_aside(vault: &Vault, entry: &Entry) -> SetAside {
    let id = entry.location.id.clone();
    match vault.read(&entry.location) {
        Ok(file) => {
            let front = file.task.front;
            let unknown = front.effect.as_ref().is_some_and(|effect| effect.state == EffectState::Unknown);
            let said = front.effect.and_then(|effect| effect.message);
            let proposed = front.action.is_some();
            SetAside {
                reason: front.reason.or(said),
                remedy: if unknown { Remedy::Resolve } else { Remedy::Retry },
                since: entry.modified,
                subject: front.subject.unwrap_or_default(),
                from: front.from.unwrap_or_default(),
                attempts: front.attempts,
                returns: front.returns,
                again: front.retry_after.filter(|_| !unknown && !proposed),
                later: front.ask_after,
                id,
            }
        }
        Err(error) => SetAside {
            reason: Some(error.to_string()),
            remedy: Remedy::Mend,
            since: entry.modified,
            subject: String::new(),
            from: String::new(),
            attempts: 0,
            returns: 0,
            again: None,
            later: None,
            id,
        },
    }
}
