//! `approve`, `reject`, `retry`, `resolve`: one decision, from a script or by hand.

use std::sync::Arc;

use approval::{DeskError, Retyped};
use chrono::TimeDelta;
use daemon::{Failure, OrFailure as _, Setup};
use executor::{Journal, Settlement, Undo, Verdict};
use task::{SystemClock, TaskId};

use super::{desk, open_vault, print, signer};
use crate::cli::{Approve, Later, Reject, Resolve};

pub(crate) fn approve(setup: &Setup, arguments: &Approve) -> Result<(), Failure> {
    let desk = desk(setup)?;
    // Everything that can be refused is refused before the passphrase is asked for.
    let id = &arguments.id;
    let refused = |error: DeskError| {
        let pays = matches!(error, DeskError::PaysMoney(_) | DeskError::Mistyped { .. });
        let failure = Failure::failed(format!("cannot approve {id}")).because(error);
        if pays {
            failure.hint("name both as the review shows them: --amount 12.50 --payee-end 3000")
        } else {
            failure
        }
    };
    let retyped = match (&arguments.amount, &arguments.payee_end) {
        (Some(amount), Some(payee_end)) => {
            Some(Retyped { amount: amount.clone(), payee_end: payee_end.clone() })
        }
        _ => None,
    };
    desk.check(id, &arguments.digest, retyped.as_ref()).map_err(refused)?;
    let signer = signer(setup, &arguments.passphrase)?;
    let kept = match &retyped {
        Some(retyped) => desk.approve_payment(id, &arguments.digest, retyped, &signer),
        None => desk.approve(id, &arguments.digest, &signer),
    };
    print(&approved(&kept.map_err(refused)?))
}

/// The sentence after an approval.
pub(crate) fn approved(kept: &approval::Kept) -> String {
    match &kept.order {
        Some(order) => format!(
            "approved {} ({}); {} carries it out until {}\n",
            order.id,
            order.mode,
            order.executor,
            order.expires.format("%Y-%m-%d %H:%M UTC")
        ),
        None => match kept.payable {
            Some(from) => format!(
                "{} is not signed yet: its payee is new and is introduced now; approve it again from {} on\n",
                kept.file.location.id,
                from.format("%Y-%m-%d %H:%M UTC")
            ),
            None => format!("approved {}\n", kept.file.location.id),
        },
    }
}

pub(crate) fn reject(setup: &Setup, arguments: &Reject) -> Result<(), Failure> {
    desk(setup)?
        .reject(&arguments.id, &arguments.reason)
        .or_failed(format!("cannot reject {}", arguments.id))?;
    print(&format!("rejected {}\n", arguments.id))
}

fn settlement(setup: &Setup) -> Result<Settlement, Failure> {
    Ok(Settlement {
        vault: open_vault(setup)?,
        journal: Journal::open(setup.data.journal()).or_failed("cannot open the journal")?,
        agent: setup.agent.clone(),
        clock: Arc::new(SystemClock),
    })
}

pub(crate) fn undo(setup: &Setup, id: &TaskId) -> Result<(), Failure> {
    let undo = Undo {
        vault: open_vault(setup)?,
        journal: Journal::open(setup.data.journal()).or_failed("cannot open the journal")?,
        agent: setup.agent.clone(),
        approvers: setup.data.approvers(),
        clock: Arc::new(SystemClock),
    };
    undo.undo(id).or_failed(format!("cannot take {id} back"))?;
    print(&format!("{id} was not carried out; it waits for your decision again\n"))
}

pub(crate) fn retry(setup: &Setup, id: &TaskId) -> Result<(), Failure> {
    let file = settlement(setup)?.retry(id).or_failed(format!("cannot retry {id}"))?;
    print(&format!("{id} is back in {}\n", file.location.stage))
}

pub(crate) fn drop(setup: &Setup, id: &TaskId) -> Result<(), Failure> {
    let file = settlement(setup)?.drop(id).or_failed(format!("cannot drop {id}"))?;
    print(&format!("{id} is closed and now in {}\n", file.location.stage))
}

pub(crate) fn later(setup: &Setup, arguments: &Later) -> Result<(), Failure> {
    let (id, wait) = (&arguments.id, TimeDelta::days(arguments.days.into()));
    let until = settlement(setup)?.ask_later(id, wait).or_failed(format!("cannot put {id} off"))?;
    // Nothing hides it until then, and nothing rings: the pages say it.
    let until = until.format("%Y-%m-%d %H:%M UTC");
    print(&format!("{id} stays in Errors; its note and the dashboard say that you see to it at {until}\n"))
}

pub(crate) fn resolve(setup: &Setup, arguments: &Resolve) -> Result<(), Failure> {
    let id = &arguments.id;
    let verdict = if arguments.settled.sent { Verdict::Sent } else { Verdict::NotSent };
    let file = settlement(setup)?.resolve(id, verdict).or_failed(format!("cannot resolve {id}"))?;
    print(&format!("{id} is settled and now in {}\n", file.location.stage))
}
