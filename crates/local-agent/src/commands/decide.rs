//! `approve`, `reject`, `retry`, `resolve`: one decision, from a script or by hand.

use std::sync::Arc;

use daemon::{Failure, OrFailure as _, Setup};
use executor::{Journal, Settlement, Verdict};
use task::{SystemClock, TaskId};

use super::{desk, open_vault, print, signer};
use crate::cli::{Approve, Reject, Resolve};

pub(crate) fn approve(setup: &Setup, arguments: &Approve) -> Result<(), Failure> {
    let desk = desk(setup)?;
    // Everything that can be refused is refused before the passphrase is asked for.
    desk.open(&arguments.id).or_failed(format!("cannot approve {}", arguments.id))?;
    let signer = signer(setup, &arguments.passphrase)?;
    let kept = desk
        .approve(&arguments.id, &arguments.digest, &signer)
        .or_failed(format!("cannot approve {}", arguments.id))?;
    print(&approved(&kept))
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
        None => format!("approved {}\n", kept.file.location.id),
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

pub(crate) fn retry(setup: &Setup, id: &TaskId) -> Result<(), Failure> {
    let file = settlement(setup)?.retry(id).or_failed(format!("cannot retry {id}"))?;
    print(&format!("{id} is back in {}\n", file.location.stage))
}

pub(crate) fn resolve(setup: &Setup, arguments: &Resolve) -> Result<(), Failure> {
    let id = &arguments.id;
    let verdict = if arguments.settled.sent { Verdict::Sent } else { Verdict::NotSent };
    let file = settlement(setup)?.resolve(id, verdict).or_failed(format!("cannot resolve {id}"))?;
    print(&format!("{id} is settled and now in {}\n", file.location.stage))
}
