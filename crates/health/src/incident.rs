//! From alarms to tasks: one per incident, however often it is looked at.
//!
//! What is going on is kept in the data directory, so that neither a restart nor the owner's
//! moving the task makes a second one. The state is written before the task: after a crash
//! between the two the task is made at the next check.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use task::{AgentId, AuditEvent, AuditOutcome, FrontMatter, Location, Priority, Stage, Task, TaskId, inert};
use vault::{DurableError, LogError, ReadError, Vault, WriteError, durable};

use crate::Alarm;

/// An alarm that comes back within this time is the same incident.
const RELAPSE: TimeDelta = TimeDelta::hours(1);

/// Why an incident was not noted down.
#[derive(Debug, thiserror::Error)]
pub enum IncidentError {
    /// The state file in the data directory.
    #[error("{} does not parse ({reason}); remove it, open incidents are then reported once more", path.display())]
    State {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        reason: serde_json::Error,
    },
    /// The state file in the data directory.
    #[error("incidents: {0}")]
    Read(#[from] std::io::Error),
    /// The state file in the data directory.
    #[error("incidents: {0}")]
    Durable(#[from] DurableError),
    /// The task's file.
    #[error("incident {0}: {1}")]
    Write(TaskId, WriteError),
    /// The task's file.
    #[error("incident {0}: {1}")]
    Find(TaskId, vault::FileError),
    /// The audit log.
    #[error("incident: {0}")]
    Log(#[from] LogError),
    /// The name does not fit a task.
    #[error("incident {0:?}: {1}")]
    Name(String, task::TaskIdError),
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Incident {
    task: TaskId,
    since: DateTime<Utc>,
    /// Whether the task was made.
    made: bool,
    recovered: Option<DateTime<Utc>>,
}

/// What one check changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// Tasks of incidents that began, or began again.
    pub opened: Vec<TaskId>,
    /// Tasks of incidents that ended.
    pub recovered: Vec<TaskId>,
    /// What could not be noted down; it is tried again at the next check.
    pub failed: Vec<IncidentError>,
}

/// The incidents that are going on, and those that ended lately.
#[derive(Debug)]
pub struct Incidents {
    path: PathBuf,
    known: BTreeMap<String, Incident>,
}

impl Incidents {
    /// Reads the state file, which need not exist.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, IncidentError> {
        let path = path.as_ref().to_owned();
        let known = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|reason| IncidentError::State { path: path.clone(), reason })?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(e) => return Err(e.into()),
        };
        Ok(Self { path, known })
    }

    /// The tasks of the incidents that are going on.
    pub fn going_on(&self) -> impl Iterator<Item = &TaskId> {
        self.known.values().filter(|incident| incident.recovered.is_none()).map(|incident| &incident.task)
    }

    /// Brings the tasks in line with what [`crate::evaluate`] found. Nothing is written when
    /// nothing changed.
    pub fn update(
        &mut self,
        vault: &Vault,
        agent: &AgentId,
        alarms: &[Alarm],
        now: DateTime<Utc>,
    ) -> Changes {
        let mut changes = Changes::default();
        for alarm in alarms {
            match self.raise(vault, agent, alarm, now) {
                Ok(Some(task)) => changes.opened.push(task),
                Ok(None) => {}
                Err(e) => changes.failed.push(e),
            }
        }
        let over: Vec<String> = self
            .known
            .iter()
            .filter(|(what, incident)| {
                incident.recovered.is_none()
                    && !alarms.iter().any(|alarm| alarm.subject.to_string() == **what)
            })
            .map(|(what, _)| what.clone())
            .collect();
        for what in over {
            match self.recover(vault, agent, &what, now) {
                Ok(task) => changes.recovered.extend(task),
                Err(e) => changes.failed.push(e),
            }
        }
        if let Err(e) = self.forget(now) {
            changes.failed.push(e);
        }
        changes
    }

    fn raise(
        &mut self,
        vault: &Vault,
        agent: &AgentId,
        alarm: &Alarm,
        now: DateTime<Utc>,
    ) -> Result<Option<TaskId>, IncidentError> {
        let what = alarm.subject.to_string();
        match self.known.get(&what).cloned() {
            Some(incident) if incident.recovered.is_none() && incident.made => return Ok(None),
            Some(mut incident) if incident.recovered.is_some_and(|at| now - at < RELAPSE) => {
                incident.recovered = None;
                let line = format!("came back: {}", alarm.detail);
                if amend(vault, &incident.task, &line, None, now)? {
                    let task = incident.task.clone();
                    self.keep(what, incident)?;
                    log(vault, agent, "health_alarm", &task, alarm.title.as_str(), now)?;
                    return Ok(Some(task));
                }
                // The owner has put that task away: a new one.
            }
            // Known, but the task is not made yet: a crash or a full disk.
            Some(incident) if incident.recovered.is_none() => {
                return self.make(vault, agent, alarm, what, incident, now).map(Some);
            }
            _ => {}
        }
        let incident =
            Incident { task: free_id(vault, &what, now)?, since: now, made: false, recovered: None };
        self.keep(what.clone(), incident.clone())?;
        self.make(vault, agent, alarm, what, incident, now).map(Some)
    }

    fn make(
        &mut self,
        vault: &Vault,
        agent: &AgentId,
        alarm: &Alarm,
        what: String,
        mut incident: Incident,
        now: DateTime<Utc>,
    ) -> Result<TaskId, IncidentError> {
        let id = incident.task.clone();
        let mut front = FrontMatter::new(id.clone(), incident.since);
        front.source = Some("health".to_owned());
        front.source_id = Some(format!("health:{what}:{}", incident.since.timestamp()));
        front.priority = Priority::High;
        front.subject = Some(alarm.title.clone());
        let body = format!(
            "# {}\n\n{}\n\nWhat to do: {}.\n\n## What happened\n\n- {} raised by {agent}: {}\n",
            inert(&alarm.title),
            inert(&alarm.detail),
            inert(alarm.remedy),
            stamp(incident.since),
            inert(&alarm.detail),
        );
        let location = Location::new(Stage::NeedsAction, id.clone());
        match vault.create(&location, &Task::new(front, body)) {
            // Made before a crash.
            Ok(_) | Err(WriteError::Exists(_)) => {}
            Err(e) => return Err(IncidentError::Write(id, e)),
        }
        incident.made = true;
        self.keep(what, incident)?;
        log(vault, agent, "health_alarm", &id, alarm.title.as_str(), now)?;
        Ok(id)
    }

    fn recover(
        &mut self,
        vault: &Vault,
        agent: &AgentId,
        what: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<TaskId>, IncidentError> {
        let Some(mut incident) = self.known.get(what).cloned() else { return Ok(None) };
        let (task, made) = (incident.task.clone(), incident.made);
        incident.recovered = Some(now);
        if made {
            let reason = format!("recovered at {}", stamp(now));
            amend(vault, &task, "recovered", Some(reason), now)?;
        }
        self.keep(what.to_owned(), incident)?;
        if !made {
            return Ok(None);
        }
        log(vault, agent, "health_recovered", &task, what, now)?;
        Ok(Some(task))
    }

    /// Drops what has been over for longer than a relapse may take.
    fn forget(&mut self, now: DateTime<Utc>) -> Result<(), IncidentError> {
        let before = self.known.len();
        self.known.retain(|_, incident| incident.recovered.is_none_or(|at| now - at < RELAPSE));
        if self.known.len() != before { self.save() } else { Ok(()) }
    }

    fn keep(&mut self, what: String, incident: Incident) -> Result<(), IncidentError> {
        let before = self.known.insert(what.clone(), incident);
        self.save().inspect_err(|_| {
            // What could not be written down is not known.
            match before {
                Some(before) => self.known.insert(what, before),
                None => self.known.remove(&what),
            };
        })
    }

    fn save(&self) -> Result<(), IncidentError> {
        let bytes = serde_json::to_vec_pretty(&self.known)
            .map_err(|reason| IncidentError::State { path: self.path.clone(), reason })?;
        Ok(durable::replace(&self.path, &bytes)?)
    }
}

fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// `ERROR_HEALTH_<what>_<date>`, numbered when the day has had one already.
fn free_id(vault: &Vault, what: &str, now: DateTime<Utc>) -> Result<TaskId, IncidentError> {
    let base = format!("ERROR_HEALTH_{what}_{}", now.format("%Y%m%d"));
    let mut name = base.clone();
    for n in 2.. {
        let id = TaskId::new(name.as_str()).map_err(|e| IncidentError::Name(name.clone(), e))?;
        match vault.find(&id) {
            Ok(None) => return Ok(id),
            Ok(Some(_)) => name = format!("{base}-{n}"),
            Err(e) => return Err(IncidentError::Find(id, e)),
        }
    }
    // Only reached when the numbers run out.
    TaskId::new(base.as_str()).map_err(|e| IncidentError::Name(base.clone(), e))
}

/// Adds a line to an incident's task while it still waits; says whether it did.
fn amend(
    vault: &Vault,
    id: &TaskId,
    line: &str,
    reason: Option<String>,
    now: DateTime<Utc>,
) -> Result<bool, IncidentError> {
    let found = vault.find(id).map_err(|e| IncidentError::Find(id.clone(), e))?;
    let Some(location) = found.filter(|at| matches!(at.stage, Stage::NeedsAction | Stage::Errors)) else {
        return Ok(false);
    };
    let file = match vault.read(&location) {
        Ok(file) => file,
        Err(ReadError::File(e)) => return Err(IncidentError::Find(id.clone(), e)),
        // Moved by the owner just now, or edited into something else: it is theirs.
        Err(_) => return Ok(false),
    };
    let mut task = file.task.clone();
    if !task.body.ends_with('\n') {
        task.body.push('\n');
    }
    task.body.push_str(&format!("- {} {}\n", stamp(now), inert(line)));
    task.front.reason = reason;
    match vault.replace(&file, &task) {
        Ok(_) => Ok(true),
        Err(WriteError::Gone(_)) => Ok(false),
        Err(e) => Err(IncidentError::Write(id.clone(), e)),
    }
}

fn log(
    vault: &Vault,
    agent: &AgentId,
    action: &str,
    task: &TaskId,
    what: &str,
    now: DateTime<Utc>,
) -> Result<(), IncidentError> {
    let result = if action == "health_alarm" { AuditOutcome::Failed } else { AuditOutcome::Ok };
    let event = AuditEvent::new(action, Some(task.clone())).with("what", what).result(result);
    vault.log(agent, event, now)?;
    Ok(())
}

#[cfg(test)]
mod tests;
