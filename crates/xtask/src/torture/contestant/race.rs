//! One of many processes that claim the same tasks in one vault.

use std::sync::Arc;
use std::time::Duration;

use claim::{Claims, Settings};
use task::{Location, SystemClock};
use vault::{Folder, Limits, Vault};

use super::{Place, Witness, runtime, wait_for_go};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
}

/// Tries to claim every task that is there, in an order of its own.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let Place { vault, agent, seed, witness, per_cycle } = &arguments.place;
    let vault =
        Vault::open(vault, Limits::default()).map_err(|e| format!("failed to open the vault: {e}"))?;
    let listing = vault.list(&Folder::NeedsAction).map_err(|e| format!("failed to list the tasks: {e}"))?;
    let mut candidates: Vec<Location> = listing.tasks.into_iter().map(|entry| entry.location).collect();
    fastrand::Rng::with_seed(*seed).shuffle(&mut candidates);
    let settings = Settings {
        agent: agent.clone(),
        executor: agent.clone(),
        state_file: arguments.place.witness.with_extension("json"),
        stale_after: Duration::from_secs(3600),
    };
    let claims = Claims::new(vault, settings, Arc::new(SystemClock));
    let mut witness = Witness::open(witness)?;
    let runtime = runtime()?;
    wait_for_go()?;
    for part in candidates.chunks(*per_cycle) {
        let taken = runtime.block_on(claims.take(part.to_vec()));
        if let Some((id, error)) = taken.failed.first() {
            return Err(format!("{agent} failed to claim {id}: {error}"));
        }
        if taken.owned.len() + taken.lost.len() != part.len() {
            return Err(format!(
                "{agent} was told of {} owned and {} lost, of {}",
                taken.owned.len(),
                taken.lost.len(),
                part.len()
            ));
        }
        witness.owns(taken.owned.iter().map(claim::Claim::id))?;
    }
    Ok(())
}
