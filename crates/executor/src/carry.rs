//! The call itself, and what is done when nobody knows what came of it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use mcp_client::{Call, ToolCaller};
use policy::Recovery;
use serde_json::Value;
use signature::{Refusal, verify};
use vault::TaskFile;

use crate::admit::{Objection, Work};
use crate::core::{Core, Problem, ServerLock, explain};
use crate::journal::{Dispatch, Ending};
use crate::outcome::{Known, of_call};
use crate::question::Question;
use crate::report::{End, Report};
use crate::{Row, State};

/// How often a call that could not be started, or an outcome that could not be asked for, is
/// tried again before the owner is told.
const TRIES: u32 = 5;

/// The key under which a call's `_meta` names the account, for tools whose arguments do not.
const META_ACCOUNT: &str = "ai-employee/account";

/// What [`Core::begin`] allows.
enum Go {
    /// The call, which the journal knows of by now.
    Call(Call),
    /// Somebody called before and nobody knows what came of it.
    Settle,
    /// Nothing; the report says why.
    No,
}

/// Carries one accepted order out, or settles one whose outcome nobody knows.
pub(crate) async fn carry(core: &Arc<Core>, caller: &dyn ToolCaller, work: Work) -> Result<Report, Problem> {
    let mut report = Report::default();
    if !core.is_fresh(caller, &work, &mut report).await? || !core.is_reserved(&work.row, &mut report).await? {
        return Ok(report);
    }
    let (core2, work) = (core.clone(), Arc::new(work));
    let work2 = work.clone();
    let (begun, said) = blocking(move || {
        let mut report = Report::default();
        core2.begin(&work2, &mut report).map(|begun| (begun, report))
    })
    .await?;
    report.merge(said);
    // Held until the journal has the outcome.
    let Some((_lock, go)) = begun else { return Ok(report) };
    let since = match &go {
        Go::Settle => work.row.dispatched,
        Go::Call(_) | Go::No => None,
    };
    let since = since.unwrap_or_else(|| core.clock.now());
    let known = match go {
        Go::No => return Ok(report),
        Go::Settle => Known::Nothing("it was cut off before its outcome was written down".into()),
        Go::Call(call) => {
            let outcome = caller.call(call).await;
            fault::reach("execute.outcome")?;
            of_call(outcome)
        }
    };
    let known = match known {
        Known::Nothing(message) => match core.settle(caller, &work.row, since, &message).await {
            Settled::Ended(ending) => Known::Ended(ending),
            Settled::Later(message) => {
                let core = core.clone();
                let later = blocking(move || {
                    let mut report = Report::default();
                    core.ask_later(&work, &message, &mut report).map(|()| report)
                });
                report.merge(later.await?);
                return Ok(report);
            }
        },
        known => known,
    };
    let core = core.clone();
    let concluded = blocking(move || {
        let mut report = Report::default();
        match known {
            Known::Ended(ending) => core.end(work.file.as_ref(), &work.row, &ending, &mut report)?,
            Known::NotStarted(reason) => core.try_later(&work, &reason, &mut report)?,
            // It was settled above.
            Known::Nothing(message) => {
                let ending = Ending::new(State::Unknown, message);
                core.end(work.file.as_ref(), &work.row, &ending, &mut report)?;
            }
        }
        Ok(report)
    });
    report.merge(concluded.await?);
    Ok(report)
}

/// Runs a step that blocks off the runtime.
pub(crate) async fn blocking<T: Send + 'static>(
    step: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(fault::inherit(step)).await?
}

/// What came of asking.
enum Settled {
    Ended(Ending),
    Later(String),
}

impl Core {
    /// The last checks, and the journal's word that the call is being made.
    fn begin(&self, work: &Work, report: &mut Report) -> Result<Option<(ServerLock, Go)>, Problem> {
        let (id, approval) = (&work.row.order.id, &work.row.order.approval);
        let server = work.row.order.action.call.server();
        let Some(lock) = self.lock(server)? else {
            report.note(id, End::Waiting, format!("another executor is calling the {server} server"));
            return Ok(None);
        };
        // Only under the lock does the journal tell a call that is being made from one cut off.
        let Some(row) = self.journal.get(approval)? else { return Ok(None) };
        let go = match (row.state, &work.file) {
            (State::Dispatching, _) if !self.is_live() => {
                report.note(id, End::Waiting, "its outcome is settled by a live run");
                Go::No
            }
            (State::Dispatching, _) => match self.kill_switch.engaged() {
                Some(reason) => {
                    report.stopped = Some(reason);
                    Go::No
                }
                None if fault::flaw("execute.calls_again") => {
                    self.permitted_call(&row).map_or(Go::Settle, Go::Call)
                }
                None => Go::Settle,
            },
            (State::Accepted, Some(file)) if !self.is_unchanged(file) => {
                report.note(id, End::Waiting, "its file changed right before the call");
                Go::No
            }
            (State::Accepted, Some(file)) => {
                if let Err(objection) = self.examine(file) {
                    self.object_to_accepted(file, &row, objection, report)?;
                    Go::No
                } else {
                    self.dispatch(file, &row, report)?
                }
            }
            (State::Accepted, None) => Go::No,
            // Another executor has ended it and files it; should it not, the next cycle does.
            (State::Done | State::Failed | State::Unknown | State::Withdrawn, _) => Go::No,
        };
        Ok(Some((lock, go)))
    }

    /// From the permit to the journal's DISPATCHING, within the limits; the kill switch has the last
    /// word.
    fn dispatch(&self, file: &TaskFile, row: &Row, report: &mut Report) -> Result<Go, Problem> {
        let (id, approval) = (&row.order.id, &row.order.approval);
        if let Some(reason) = self.kill_switch.engaged() {
            report.stopped = Some(reason);
            return Ok(Go::No);
        }
        if let Some(until) = self.undo_until(&row.order) {
            self.note_undo(&row.order, until, report);
            return Ok(Go::No);
        }
        let call = match self.permitted_call(row) {
            Ok(call) => call,
            Err(objection) => {
                let (Objection::Refused(reason) | Objection::Returned(reason) | Objection::Waiting(reason)) =
                    objection;
                report.note(id, End::Waiting, reason);
                return Ok(Go::No);
            }
        };
        let limits = match self.limits() {
            Ok(limits) => limits,
            Err(reason) => {
                report.note(id, End::Waiting, reason);
                return Ok(Go::No);
            }
        };
        let dispatched = match fault::flaw("execute.not_journaled") {
            true => Dispatch::Now,
            false => self.journal.dispatch(&row.order, &limits, self.clock.now())?,
        };
        match dispatched {
            Dispatch::Now => {}
            Dispatch::NotAccepted => return Ok(Go::No),
            Dispatch::Over(ruling) => return self.over(file, row, ruling, report).map(|()| Go::No),
        }
        fault::reach("execute.call")?;
        if let Some(reason) = self.kill_switch.engaged() {
            self.journal.take_back(approval)?;
            report.stopped = Some(reason);
            return Ok(Go::No);
        }
        Ok(Go::Call(call))
    }

    /// The call that the order permits, here and now: the permit is used up by it.
    fn permitted_call(&self, row: &Row) -> Result<Call, Objection> {
        let approvers = self.approvers().map_err(Objection::Waiting)?;
        let verified = verify(&row.text, &row.signature, &approvers, self.clock.now())?;
        let permit = verified.permit(&self.expect())?;
        let action = &permit.order().action;
        let (server, tool) = (action.call.server(), action.call.tool());
        let arguments = action.call.arguments().map_err(|error| Objection::Refused(explain(&error)))?;
        permit
            .matches_call(server, tool, &action.account, &arguments)
            .map_err(|r: Refusal| Objection::from(r))?;
        Ok(self.call(row, arguments))
    }

    fn call(&self, row: &Row, arguments: Value) -> Call {
        let action = &row.order.action;
        let mut call = Call::new(action.call.server(), action.call.tool(), arguments).with_order(
            &row.text,
            &row.signature,
            &row.order.approval,
        );
        call.meta.insert(META_ACCOUNT.to_owned(), Value::String(action.account.clone()));
        call
    }

    /// Finds out what came of a call made at `since` whose outcome is not known, as far as that tool
    /// allows.
    async fn settle(
        &self,
        caller: &dyn ToolCaller,
        row: &Row,
        since: DateTime<Utc>,
        message: &str,
    ) -> Settled {
        let call = &row.order.action.call;
        let unknown = |more: &str| Settled::Ended(Ending::new(State::Unknown, format!("{message}; {more}")));
        match policy::recovery(call.server(), call.tool()) {
            Recovery::Owner => Settled::Ended(Ending::new(State::Unknown, message)),
            // The other side may have forgotten the key by now.
            Recovery::Repeat if self.clock.now() >= since + policy::KEYS_LAST => {
                self.ask(caller, row, since, message).await
            }
            Recovery::Harmless | Recovery::Repeat => {
                let Ok(arguments) = call.arguments() else { return unknown("it cannot be repeated") };
                if let Err(error) = fault::reach("execute.repeat") {
                    return Settled::Later(error.to_string());
                }
                // The same key: the other side takes both for one, and a refusal that says that
                // nothing happened says it of both.
                match of_call(caller.call(self.call(row, arguments)).await) {
                    Known::Ended(ending) => Settled::Ended(ending),
                    Known::NotStarted(reason) => Settled::Later(reason),
                    Known::Nothing(again) => unknown(&format!("repeated with the same key: {again}")),
                }
            }
            Recovery::Ask => self.ask(caller, row, since, message).await,
        }
    }

    /// Asks the other side: found means done, not found proves nothing.
    async fn ask(&self, caller: &dyn ToolCaller, row: &Row, since: DateTime<Utc>, message: &str) -> Settled {
        let unknown =
            |more: String| Settled::Ended(Ending::new(State::Unknown, format!("{message}; {more}")));
        let Some(question) = Question::about(row, since) else {
            return unknown("nobody can be asked".into());
        };
        let place = question.place;
        match caller.call(question.call).await {
            Ok(reply) => match Question::proof(row, &reply) {
                Some(reference) => Settled::Ended(Ending {
                    state: State::Done,
                    reference: Some(reference),
                    message: format!("{message}; it was found {place}"),
                }),
                // Not every server files what it sends, and some do it late.
                None => unknown(format!("it is not {place}, which proves nothing")),
            },
            Err(error) => Settled::Later(error.to_string()),
        }
    }

    /// After a call that did not reach its server: accepted again, tried again, or given up.
    fn try_later(&self, work: &Work, reason: &str, report: &mut Report) -> Result<(), Problem> {
        let row = &work.row;
        let approval = &row.order.approval;
        if row.attempts + 1 >= TRIES {
            let ending = Ending::new(State::Failed, format!("tried {TRIES} times: {reason}"));
            return self.end(work.file.as_ref(), row, &ending, report);
        }
        self.journal.take_back(approval)?;
        self.postpone(row, reason, report)
    }

    /// After a question that could not be asked: it stays DISPATCHING.
    fn ask_later(&self, work: &Work, reason: &str, report: &mut Report) -> Result<(), Problem> {
        let row = &work.row;
        if row.attempts + 1 >= TRIES {
            let said = format!("its outcome could not be asked for, tried {TRIES} times: {reason}");
            return self.end(work.file.as_ref(), row, &Ending::new(State::Unknown, said), report);
        }
        self.postpone(row, reason, report)
    }

    fn postpone(&self, row: &Row, reason: &str, report: &mut Report) -> Result<(), Problem> {
        // 30 s, 1 min, 2 min, 4 min.
        let wait = TimeDelta::seconds(30) * (1 << row.attempts.min(10));
        let until = self.clock.now() + wait;
        self.journal.postpone(&row.order.approval, until, reason)?;
        report.wait(&row.order.id, until, format!("tried again at {until}: {reason}"));
        Ok(())
    }
}
