//! From a vault to the page.

use chrono::{DateTime, Utc};
use config::Health;
use task::{AgentId, Location, Priority, Stage};
use vault::{Entry, FileError, Folder, PageError, Vault};

use crate::dashboard::{dashboard, state, state_of};
use crate::inputs::{agent_lines, channel_lines};
use crate::standing::set_aside;
use crate::week::Tally;
use crate::{AgentSign, DASHBOARD, Inputs, Result as Ended, TaskLine};

/// At most so many of each kind are listed; the rest is counted.
const LISTED: usize = 30;

/// Why the dashboard was not written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A folder.
    #[error("dashboard: {0}")]
    File(#[from] FileError),
    /// The page.
    #[error("dashboard: {0}")]
    Page(#[from] PageError),
}

/// What the vault does not say.
#[derive(Clone, Debug)]
pub struct Given<'a> {
    /// Now.
    pub now: DateTime<Utc>,
    /// Who writes.
    pub agent: &'a AgentId,
    /// The limits by which agents and channels are judged.
    pub health: &'a Health,
    /// Signs of life: from heartbeat files and from the remote.
    pub signs: &'a [AgentSign],
    /// Standing warnings of this machine; those in the signs are added.
    pub warnings: &'a [String],
}

/// Keeps what makes the next look cheap.
#[derive(Debug, Default)]
pub struct Reporter {
    tally: Tally,
}

impl Reporter {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes `Dashboard.md` when more than times and counts have changed; says whether it did.
    pub fn refresh(&mut self, vault: &Vault, given: &Given<'_>) -> Result<bool, ReportError> {
        let inputs = self.gather(vault, given)?;
        let old = vault.read_page(DASHBOARD).unwrap_or_default();
        if old.as_deref().and_then(state_of) == Some(&state(&inputs)) {
            return Ok(false);
        }
        Ok(vault.write_page(DASHBOARD, &dashboard(&inputs))?)
    }

    /// Looks at the vault. One unreadable task is one line without a subject, not a failure.
    pub fn gather(&mut self, vault: &Vault, given: &Given<'_>) -> Result<Inputs, ReportError> {
        self.tally.catch_up(vault, given.now)?;
        let mut pending = vault.list(&Folder::PendingApproval)?.tasks;
        let mut set_aside = vault.list(&Folder::Errors)?;
        pending.sort_by(|a, b| (a.modified, &a.location).cmp(&(b.modified, &b.location)));
        set_aside.tasks.sort_by(|a, b| (b.modified, &b.location).cmp(&(a.modified, &a.location)));

        let mut waiting: Vec<TaskLine> = pending.iter().take(LISTED).map(|e| proposal(vault, e)).collect();
        waiting.sort_by_key(|task| (!task.urgent, task.since));
        let mut errors: Vec<TaskLine> =
            set_aside.tasks.iter().map(|e| error(vault, e)).take(LISTED).collect();
        errors.extend(set_aside.strangers.iter().map(|stranger| stranger_line(vault, &stranger.path)));
        let errors_more = set_aside.tasks.len() + set_aside.strangers.len() - errors.len().min(LISTED);
        errors.truncate(LISTED);

        let entries = vault.list(&Folder::NeedsAction)?.tasks;
        let (alarms, rest): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|e| e.location.id.as_str().starts_with("ERROR_HEALTH_"));
        let (approved, new): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|e| e.location.stage == Stage::Approved);
        let in_work = vault.list(&Folder::AllInProgress)?.tasks;

        let agents = agent_lines(given.signs, given.health, given.now);
        let channels = channel_lines(given.signs, &agents, given.health, given.now);
        let mut warnings: Vec<String> = given.warnings.to_vec();
        for sign in given.signs {
            // This machine's own are in `given`, and fresher there than in its last sign of life.
            if sign.agent != *given.agent {
                warnings.extend(sign.warnings.iter().map(|text| format!("{}: {text}", sign.agent)));
            }
        }
        warnings.sort();
        warnings.dedup();
        Ok(Inputs {
            now: given.now,
            agent: given.agent.clone(),
            stopped: if vault.is_stopped()? { Some(vault.stop_reason().unwrap_or_default()) } else { None },
            waiting_more: pending.len() - waiting.len(),
            waiting,
            alarms: alarms.iter().take(LISTED).map(|e| alarm(vault, e)).collect(),
            errors,
            errors_more,
            approved: approved.iter().take(LISTED).map(|e| plain(vault, e)).collect(),
            in_work: in_work.iter().take(LISTED).map(|e| working(vault, e)).collect(),
            new: new.len(),
            conflicts: conflicts(vault)?,
            agents,
            channels,
            results: self.results(vault)?,
            warnings,
            week: self.tally.week(given.now),
        })
    }

    fn results(&self, vault: &Vault) -> Result<Vec<Ended>, ReportError> {
        let mut results = Vec::new();
        for end in self.tally.ends() {
            let subject = match vault.find(&end.id)? {
                Some(location) => subject(vault, &location),
                None => String::new(),
            };
            results.push(Ended { id: end.id.to_string(), subject, kind: end.kind, at: end.at });
        }
        Ok(results)
    }
}

fn subject(vault: &Vault, location: &Location) -> String {
    vault.read(location).ok().and_then(|file| file.task.front.subject).unwrap_or_default()
}

fn plain(vault: &Vault, entry: &Entry) -> TaskLine {
    let name = entry.location.file_name();
    TaskLine {
        file: name.strip_suffix(".md").unwrap_or(&name).to_owned(),
        id: entry.location.id.to_string(),
        subject: subject(vault, &entry.location),
        ..TaskLine::default()
    }
}

fn proposal(vault: &Vault, entry: &Entry) -> TaskLine {
    let mut line = plain(vault, entry);
    let Ok(file) = vault.read(&entry.location) else {
        line.what = "cannot be read".to_owned();
        return line;
    };
    let front = file.task.front;
    line.who = front.from.unwrap_or_default();
    line.what = match (&front.action, front.question) {
        (Some(action), _) => action.call.brief(),
        (None, Some(question)) => format!("needs you: {question}"),
        (None, None) => "needs you".to_owned(),
    };
    line.since = Some(front.drafted_at.unwrap_or(front.created));
    line.urgent = front.priority == Priority::High;
    line
}

fn working(vault: &Vault, entry: &Entry) -> TaskLine {
    let mut line = plain(vault, entry);
    line.who = match &entry.location.stage {
        Stage::InProgress(agent) => agent.to_string(),
        Stage::Executing(agent) => format!("{agent} carries out"),
        _ => String::new(),
    };
    line
}

fn alarm(vault: &Vault, entry: &Entry) -> TaskLine {
    let mut line = plain(vault, entry);
    line.who = vault.read(&entry.location).ok().and_then(|file| file.task.front.reason).unwrap_or_default();
    line
}

fn error(vault: &Vault, entry: &Entry) -> TaskLine {
    let mut line = plain(vault, entry);
    let found = set_aside(vault, entry);
    line.what = found.remedy.command(&found.id);
    line.by_itself = found.by_itself();
    line.who = found.reason.or_else(|| why(vault, &entry.location.file_name())).unwrap_or_default();
    line
}

fn stranger_line(vault: &Vault, path: &std::path::Path) -> TaskLine {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    TaskLine { who: why(vault, &file).unwrap_or_default(), id: file.clone(), file, ..TaskLine::default() }
}

/// The reason that stands beside a file in `Errors`. It is made inert once more on the page, so
/// that its own escapes are taken off first.
fn why(vault: &Vault, name: &str) -> Option<String> {
    let text = vault.read_reason(name)?;
    let line = text.lines().find_map(|line| line.strip_prefix("- why: "))?;
    Some(line.replace('\\', ""))
}

/// Names in `Conflicts`, sorted, at most [`LISTED`].
fn conflicts(vault: &Vault) -> Result<Vec<String>, FileError> {
    let mut names: Vec<String> = vault
        .dir_created("Conflicts")?
        .names()?
        .into_iter()
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names.truncate(LISTED);
    Ok(names)
}

#[cfg(test)]
mod tests;
