//! `stop`, `resume`, `trust-tip`.

use daemon::{Failure, OrFailure as _, Setup};

use vault::KillSwitch;

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
