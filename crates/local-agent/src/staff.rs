//! The cycle with what the owner's machine has beside it, composed in one place.

use std::sync::Arc;

use daemon::{Failure, Setup};
use mcp_client::ToolCaller;
use task::Clock;
use tokio_util::sync::CancellationToken;
use vault::Vault;
use watchers::Watchers;
use worker::{Composed, Worker};

use crate::{OwnersClerk, OwnersDuties, Writer};

/// An owner's machine that can begin.
pub struct Staff {
    /// The folder.
    pub vault: Vault,
    /// The cycle, with somebody who does the duties of its agenda.
    pub worker: Worker,
    /// The frame around the sources.
    pub watchers: Watchers,
    /// What follows on each cycle.
    pub duties: OwnersDuties,
}

/// Adds to a composed cycle what the owner's machine does beside it. What is signed, and figures from
/// outside, are asked of `tools`; nothing is begun once `ending` is cancelled.
pub fn staff(
    setup: &Setup,
    composed: Composed,
    tools: Arc<dyn ToolCaller>,
    clock: Arc<dyn Clock>,
    ending: CancellationToken,
) -> Result<Staff, Failure> {
    let Composed { vault, sync, mut worker, watchers, vitals, agenda } = composed;
    let (caller, time) = (Arc::clone(&tools), Arc::clone(&clock));
    let duties = OwnersDuties::open(setup, vault.clone(), vitals, sync, caller, time, ending)?;
    let calendar = agenda.calendar().clone();
    let writer = Writer::new(setup, vault.clone(), calendar, tools, Arc::clone(&clock));
    worker.keep(agenda.done_by(Arc::new(OwnersClerk::new(vault.clone(), writer, clock))));
    Ok(Staff { vault, worker, watchers, duties })
}
