//! An executor whose journal is lost: a machine that was brought back from the remote.
//!
//! The journal knew which orders had been carried out. Without it no order that was signed before
//! may run: it may have run already. The vault still has the signed orders; what nobody knows goes
//! to the owner as UNKNOWN, and every signed order of the last two months is written into the new journal, so
//! that a copy of its file cannot bring it to life again.

use chrono::{DateTime, TimeDelta, Utc};
use signature::Approvers;
use task::{AuditEvent, AuditOutcome, Effect, EffectState, Stage, StageName, TaskId};
use vault::{Folder, TaskFile};

use crate::State;
use crate::journal::Ending;
use crate::settlement::{Settlement, SettlementError};

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LostJournal {
    /// Orders whose outcome nobody knows; their tasks are in Errors now.
    pub unknown: Vec<TaskId>,
    /// Orders that had ended or expired; they can never run again.
    pub spent: usize,
}

const SAID: &str = "this machine was restored, and its journal is lost";

impl Settlement {
    /// Takes up a vault whose journal is lost. Orders that are neither carried out nor refused go
    /// to Errors as UNKNOWN; orders under Done, Errors and Rejected are noted as spent, expired ones
    /// too: this machine's clock may have been set since. Doing it again changes nothing more.
    pub fn take_up_without_journal(&self, approvers: &Approvers) -> Result<LostJournal, SettlementError> {
        let now = self.clock.now();
        let mut found = LostJournal::default();
        for folder in [Folder::NeedsAction, Folder::AllInProgress] {
            for entry in self.vault.list(&folder)?.tasks {
                if !matches!(entry.location.stage.name(), StageName::Approved | StageName::Executing) {
                    continue;
                }
                // One that cannot be read is set aside by the daemon.
                let Ok(file) = self.vault.read(&entry.location) else { continue };
                self.note(&file, approvers, State::Unknown, now)?;
                self.to_owner(&file, now)?;
                found.unknown.push(file.location.id);
            }
        }
        let month = |at: DateTime<Utc>| match Stage::done(at) {
            Stage::Done { year, month } => Folder::Done { year, month },
            _ => Folder::Errors,
        };
        // No order is good for longer than a month.
        for folder in [month(now), month(now - TimeDelta::days(28)), Folder::Errors, Folder::Rejected] {
            for entry in self.vault.list(&folder)?.tasks {
                let Ok(file) = self.vault.read(&entry.location) else { continue };
                found.spent += usize::from(self.note(&file, approvers, State::Done, now)?);
            }
        }
        Ok(found)
    }

    /// Writes a signed order into the journal, as ended. Whether it was one.
    fn note(
        &self,
        file: &TaskFile,
        approvers: &Approvers,
        state: State,
        now: DateTime<Utc>,
    ) -> Result<bool, SettlementError> {
        let front = &file.task.front;
        let (Some(text), Some(signature)) = (&front.order, &front.signature) else { return Ok(false) };
        // What was never a good order needs no note.
        let Ok(verified) = signature::verify(text, signature, approvers, now) else { return Ok(false) };
        let order = verified.order();
        if order.id != file.location.id {
            return Ok(false);
        }
        let unknown = front.effect.as_ref().is_some_and(|effect| effect.state == EffectState::Unknown);
        let ending = Ending::new(if unknown { State::Unknown } else { state }, SAID);
        Ok(self.journal.remember(order, text, signature, &ending, now)?)
    }

    fn to_owner(&self, file: &TaskFile, now: DateTime<Utc>) -> Result<(), SettlementError> {
        let id = &file.location.id;
        let mut task = file.task.clone();
        task.front.effect = Some(Effect {
            state: EffectState::Unknown,
            at: now,
            reference: None,
            message: Some(SAID.to_owned()),
        });
        task.front.reason = Some(format!(
            "nobody knows whether it was carried out: {SAID}. Look for yourself, then say: local-agent resolve {id} \
             --sent, or --not-sent"
        ));
        let event =
            AuditEvent::new("execute", Some(id.clone())).with("message", SAID).result(AuditOutcome::Unknown);
        self.vault.log(&self.agent, event, now)?;
        self.vault.finish(file, &task, Stage::Errors)?;
        Ok(())
    }
}
