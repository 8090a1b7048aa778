//! Where a task is, and where it may go next. The folder and the marker in the name carry the
//! state; this module is the only place that knows how.

use std::fmt;

use chrono::{DateTime, Datelike, Utc};

use crate::{AgentId, FileName, FileNameError, Marker, TaskId};

/// A task's state, as told by its folder and its file name's marker.
#[derive(Clone, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// `Needs_Action/<id>.md`: waits for an agent.
    NeedsAction,
    /// `In_Progress/<agent>/<id>.md`: claimed and being worked on.
    InProgress(AgentId),
    /// `Pending_Approval/APPROVE_<id>.md`: waits for the owner.
    PendingApproval,
    /// `Needs_Action/EXECUTE_<id>.md`: signed, waits for the executor.
    Approved,
    /// `In_Progress/<agent>/EXECUTE_<id>.md`: being carried out.
    Executing(AgentId),
    /// `Rejected/<id>.md`: the owner said no.
    Rejected,
    /// `Done/<year>/<month>/<id>.md`
    Done {
        /// UTC year.
        year: u16,
        /// UTC month, 1 to 12.
        month: u8,
    },
    /// `Errors/<id>.md`: set aside, with the reason.
    Errors,
}

/// A [`Stage`] without its particulars.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum StageName {
    /// See [`Stage::NeedsAction`].
    NeedsAction,
    /// See [`Stage::InProgress`].
    InProgress,
    /// See [`Stage::PendingApproval`].
    PendingApproval,
    /// See [`Stage::Approved`].
    Approved,
    /// See [`Stage::Executing`].
    Executing,
    /// See [`Stage::Rejected`].
    Rejected,
    /// See [`Stage::Done`].
    Done,
    /// See [`Stage::Errors`].
    Errors,
}

impl StageName {
    /// The stages that may follow; a move outside this table is refused.
    pub fn successors(self) -> &'static [StageName] {
        use StageName::*;
        match self {
            NeedsAction => &[InProgress, Errors],
            InProgress => &[PendingApproval, Done, NeedsAction, Errors],
            // Back to an agent: the owner's answer to a question, given in the file.
            PendingApproval => &[Approved, Rejected, Errors, NeedsAction],
            Approved => &[Executing, PendingApproval, Errors],
            // A long task goes on after a step of it was carried out.
            Executing => &[Done, PendingApproval, Errors, NeedsAction],
            Errors => &[Done, PendingApproval, NeedsAction],
            Rejected | Done => &[],
        }
    }

    /// How far along the stage is, for integration: when two sides moved the same task, the
    /// later stage wins after `Done` and the owner's decisions.
    pub fn rank(self) -> u8 {
        match self {
            StageName::NeedsAction => 0,
            StageName::InProgress => 1,
            StageName::PendingApproval => 2,
            StageName::Errors => 3,
            StageName::Approved => 4,
            StageName::Executing => 5,
            StageName::Rejected => 6,
            StageName::Done => 7,
        }
    }
}

impl Stage {
    /// `Done` for something finished at `now`.
    pub fn done(now: DateTime<Utc>) -> Self {
        Stage::Done {
            // Years before 0 or after 65535 do not occur on a computer's clock.
            year: u16::try_from(now.year()).unwrap_or_default(),
            month: u8::try_from(now.month()).unwrap_or(1),
        }
    }

    /// The stage without its particulars.
    pub fn name(&self) -> StageName {
        match self {
            Stage::NeedsAction => StageName::NeedsAction,
            Stage::InProgress(_) => StageName::InProgress,
            Stage::PendingApproval => StageName::PendingApproval,
            Stage::Approved => StageName::Approved,
            Stage::Executing(_) => StageName::Executing,
            Stage::Rejected => StageName::Rejected,
            Stage::Done { .. } => StageName::Done,
            Stage::Errors => StageName::Errors,
        }
    }

    /// Whether a task may go from here to `next`.
    pub fn may_become(&self, next: &Stage) -> bool {
        self.name().successors().contains(&next.name())
    }

    /// The folder, relative to the vault, with `/`.
    pub fn folder(&self) -> String {
        match self {
            Stage::NeedsAction | Stage::Approved => "Needs_Action".to_owned(),
            Stage::InProgress(agent) | Stage::Executing(agent) => format!("In_Progress/{agent}"),
            Stage::PendingApproval => "Pending_Approval".to_owned(),
            Stage::Rejected => "Rejected".to_owned(),
            Stage::Done { year, month } => format!("Done/{year:04}/{month:02}"),
            Stage::Errors => "Errors".to_owned(),
        }
    }

    /// The marker that the file name has here.
    pub fn marker(&self) -> Marker {
        match self {
            Stage::PendingApproval => Marker::Approve,
            Stage::Approved | Stage::Executing(_) => Marker::Execute,
            _ => Marker::Plain,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.folder())
    }
}

/// One task's place: the path of its live file, taken apart.
#[derive(Clone, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct Location {
    /// Where it is.
    pub stage: Stage,
    /// Which task.
    pub id: TaskId,
}

/// A path that is no task's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// Not a folder of tasks.
    #[error("{0:?} is no folder for tasks")]
    Folder(String),
    /// The file name is no task's.
    #[error(transparent)]
    Name(#[from] FileNameError),
    /// A task's name, but in a folder where that marker has no meaning.
    #[error("a file named {0} means nothing in this folder; moving a file approves nothing")]
    Marker(String),
}

impl Location {
    /// A task at a stage.
    pub fn new(stage: Stage, id: TaskId) -> Self {
        Self { stage, id }
    }

    /// The file's name.
    pub fn file_name(&self) -> String {
        FileName { marker: self.stage.marker(), id: self.id.clone() }.to_string()
    }

    /// The path relative to the vault, with `/`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.stage.folder(), self.file_name())
    }

    /// Takes a path relative to the vault apart.
    pub fn parse(path: &str) -> Result<Self, Misplaced> {
        let folder_error = || Misplaced::Folder(path.chars().take(200).collect());
        let (folder, name) = path.rsplit_once('/').ok_or_else(folder_error)?;
        let parts: Vec<&str> = folder.split('/').collect();
        let agent = |text: &str| AgentId::new(text).map_err(|_| folder_error());
        let file: FileName = match parts.as_slice() {
            ["Needs_Action" | "Pending_Approval" | "Rejected" | "Errors"]
            | ["In_Progress", _]
            | ["Done", _, _] => name.parse()?,
            _ => return Err(folder_error()),
        };
        let stage = match (parts.as_slice(), file.marker) {
            (["Needs_Action"], Marker::Plain) => Stage::NeedsAction,
            (["Needs_Action"], Marker::Execute) => Stage::Approved,
            (["In_Progress", who], Marker::Plain) => Stage::InProgress(agent(who)?),
            (["In_Progress", who], Marker::Execute) => Stage::Executing(agent(who)?),
            (["Pending_Approval"], Marker::Approve) => Stage::PendingApproval,
            (["Rejected"], Marker::Plain) => Stage::Rejected,
            (["Errors"], Marker::Plain) => Stage::Errors,
            (["Done", year, month], Marker::Plain) => {
                let digits = |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
                let month_number = month.parse().ok().filter(|m| (1..=12).contains(m));
                match (digits(year, 4) && digits(month, 2), year.parse(), month_number) {
                    (true, Ok(year), Some(month)) => Stage::Done { year, month },
                    _ => return Err(folder_error()),
                }
            }
            _ => return Err(Misplaced::Marker(name.chars().take(140).collect())),
        };
        Ok(Self { stage, id: file.id })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_round_trip() {
        for path in [
            "Needs_Action/EMAIL_1.md",
            "Needs_Action/EXECUTE_EMAIL_1.md",
            "In_Progress/cloud-001/EMAIL_1.md",
            "In_Progress/local-001/EXECUTE_EMAIL_1.md",
            "Pending_Approval/APPROVE_EMAIL_1.md",
            "Rejected/EMAIL_1.md",
            "Done/2026/02/EMAIL_1.md",
            "Errors/EMAIL_1.md",
        ] {
            assert_eq!(Location::parse(path).map(|l| l.path()), Ok(path.to_owned()));
        }
    }

    #[test]
    fn a_file_that_was_dragged_approves_nothing() {
        for path in [
            "Needs_Action/APPROVE_EMAIL_1.md",
            "Done/2026/02/APPROVE_EMAIL_1.md",
            "Rejected/APPROVE_EMAIL_1.md",
            "Pending_Approval/EMAIL_1.md",
            "Pending_Approval/EXECUTE_EMAIL_1.md",
            "In_Progress/local-001/APPROVE_EMAIL_1.md",
        ] {
            assert!(matches!(Location::parse(path), Err(Misplaced::Marker(_))), "{path}");
        }
        for path in [
            "EMAIL_1.md",
            "Done/EMAIL_1.md",
            "Done/2026/13/E.md",
            "Done/26/02/E.md",
            "In_Progress/E.md",
            "In_Progress/../E.md",
            "Nowhere/E.md",
            "Needs_Action/sub/E.md",
        ] {
            assert!(matches!(Location::parse(path), Err(Misplaced::Folder(_))), "{path}");
        }
    }

    #[test]
    fn nothing_leads_to_execution_but_the_owners_approval() {
        use StageName::*;
        let all = [NeedsAction, InProgress, PendingApproval, Approved, Executing, Rejected, Done, Errors];
        for from in all {
            for to in from.successors() {
                assert!(*to != Approved || from == PendingApproval, "{from:?} -> {to:?}");
                assert!(*to != Executing || from == Approved, "{from:?} -> {to:?}");
            }
        }
    }
}
