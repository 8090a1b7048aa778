//! What comes back from Errors by itself.

use task::{AuditEvent, Stage, Task, TaskId};
use vault::{FileError, Folder, TaskFile, Vault};

use crate::Settlement;
use chrono::{DateTime, Utc};

/// What a look at Errors brought.
#[derive(Debug, Default)]
pub struct Returned {
    /// Back in Needs_Action.
    pub tasks: Vec<TaskId>,
    /// What could not be given back, and why; it is looked at again.
    pub problems: Vec<String>,
}

/// The tasks in Errors whose time has come. Only the agent that was at work on a task sets such a
/// time, before anything was proposed; whatever was signed or had an effect is the owner's.
pub fn returning(vault: &Vault, now: DateTime<Utc>) -> Result<Vec<TaskFile>, FileError> {
    let entries = vault.list(&Folder::Errors)?.tasks;
    let files = entries.iter().filter_map(|entry| vault.read(&entry.location).ok());
    Ok(files.filter(|file| is_due(&file.task, now)).collect())
}

fn is_due(task: &Task, now: DateTime<Utc>) -> bool {
    let mut task = task.clone();
    // A step that was carried out stays done, and what follows it had no effect yet.
    task.file_order();
    let front = &task.front;
    let untouched = front.action.is_none() && front.order.is_none() && front.effect.is_none();
    untouched && front.retry_after.is_some() && front.may_be_tried(now)
}

impl Settlement {
    /// Gives back what [`returning`] found, each after a look into the journal.
    pub fn give_back(&self, files: &[TaskFile]) -> Returned {
        let mut returned = Returned::default();
        for file in files {
            let id = &file.location.id;
            match self.give_back_one(file) {
                Ok(true) => returned.tasks.push(id.clone()),
                Ok(false) => {}
                Err(error) => returned.problems.push(format!("cannot give {id} back: {error}")),
            }
        }
        returned
    }

    fn give_back_one(&self, file: &TaskFile) -> Result<bool, crate::SettlementError> {
        let (mut task, stage) = self.another_try(file)?;
        if stage != Stage::NeedsAction {
            return Ok(false);
        }
        task.front.returns = task.front.returns.saturating_add(1);
        let event =
            AuditEvent::new("return", Some(file.location.id.clone())).with("returns", task.front.returns);
        self.vault.log(&self.agent, event, self.clock.now())?;
        self.vault.finish(file, &task, stage)?;
        Ok(true)
    }
}
