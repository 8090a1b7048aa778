//! `stop`, `resume`, `trust-tip`, `take-seat`.

use daemon::{Failure, OrFailure as _, Setup};

use task::Clock as _;
use vault::{KillSwitch, Vault};

use super::{open_vault, print};

/// The switch of this machine and this vault.
fn kill_switch(setup: &Setup) -> Result<KillSwitch, Failure> {
    Ok(KillSwitch::new(open_vault(setup)?, setup.data.stopped()))
}

pub(crate) fn stop(setup: &Setup, reason: &str) -> Result<(), Failure> {
    kill_switch(setup)?.engage(reason).or_failed("cannot stop")?;
    print(
        "stopped: no claims and no sends here, nor on the other machine once it has pulled; local-agent resume lifts it\n",
    )
}

pub(crate) fn resume(setup: &Setup) -> Result<(), Failure> {
    kill_switch(setup)?.lift().or_failed("cannot resume")?;
    print("resumed here, and on the other machine once it has pulled\n")
}

pub(crate) async fn trust_tip(setup: &Setup, sha: &str) -> Result<(), Failure> {
    let vault = open_vault(setup)?;
    let sync = worker::open_sync(setup, &vault, std::sync::Arc::new(task::SystemClock))
        .await?
        .ok_or_else(|| Failure::usage("sync is off; there is no remote history to trust"))?;
    sync.trust_tip(sha).await.or_failed(format!("cannot trust {sha}"))?;
    print(&format!(
        "{sha} is the history that is trusted from now on; tasks that are not in it leave the vault on both machines \
         (git reflog in the vault still has them)\n"
    ))
}

/// Makes this data directory the one that carries orders out, here and at the remote.
pub(crate) async fn take_seat(setup: &Setup) -> Result<(), Failure> {
    // The journal that the seat is bound to.
    executor::Journal::open(setup.data.journal()).or_failed("cannot open the journal")?;
    sit_down(setup, &open_vault(setup)?).await?;
    print(&format!(
        "this machine carries orders out as {} from now on, and no other one; what was approved before comes back to \
         you: it may have been carried out\n",
        setup.agent
    ))
}

/// Takes the seat for this data directory, whoever had it. The journal must be there.
pub(crate) async fn sit_down(setup: &Setup, vault: &Vault) -> Result<(), Failure> {
    let clock = task::SystemClock;
    let seat = executor::Seat::take(setup.data.root(), daemon::machine_name().as_deref(), clock.now())
        .or_failed("cannot take the seat")?;
    if let Some(sync) = worker::open_sync(setup, vault, std::sync::Arc::new(clock)).await? {
        sync.take_seat(&seat.name()).await.map_err(|error| {
            Failure::failed(
                "the remote does not know yet that this machine carries the orders out, so it does not",
            )
            .because(error)
            .hint("run local-agent take-seat again when the remote can be reached")
        })?;
        seat.confirm(true).or_failed("cannot keep the seat")?;
    }
    Ok(())
}
