//! A change that arrives through the repository: the other machine pushes an `EXECUTE_` file.

use std::path::PathBuf;
use std::sync::Arc;

use daemon::{Failure, OrFailure as _};
use sync::{Settings, Side, Sync};
use task::{AgentId, Location, Stage as At, SystemClock, TaskId};
use vault::Vault;

use super::orders::{action, dangerous};
use super::stage::{Stage, task};
use super::{Try, Verdict};

const PATH: &str = "an EXECUTE_ file that another machine pushes";

pub(super) async fn arrives(stage: &Stage) -> Result<Try, Failure> {
    let remote = stage.folder("remote.git")?;
    sync::make_remote(&remote, &stage.setup.config.sync.branch)
        .or_failed("cannot make a repository for the audit")?;
    let (ours, theirs) = (stage.vault("fetch-vault")?, stage.vault("fetch-cloud-vault")?);
    let cloud: AgentId = "cloud-audit".parse().or_failed("cannot name an agent")?;
    let here = open(stage, &remote, ours.clone(), stage.agent_id().clone(), Side::Owner)?;
    let there = open(stage, &remote, theirs.clone(), cloud, Side::Other)?;
    let flush = "cannot synchronise the vaults of the audit";
    here.flush().await.or_failed(flush)?;
    there.flush().await.or_failed(flush)?;
    here.flush().await.or_failed(flush)?;

    let id: TaskId = "EMAIL_audit_fetched".parse().or_failed("cannot name a task")?;
    let Some(send) = dangerous().find(|tool| tool.name == "send_email") else {
        return Err(Failure::failed("the table of tools lacks send_email"));
    };
    let mut file = task(&id, action(send)?);
    let signed = stage.key.sign(action(send)?, &id, &stage.vault_id, stage.agent_id())?;
    (file.front.order, file.front.signature) = (Some(signed.text), Some(signed.signature));
    let at = Location::new(At::Approved, id.clone());
    theirs.create(&at, &file).or_failed("cannot write a task for the audit")?;
    there.flush().await.or_failed(flush)?;
    let report = here.flush().await.or_failed(flush)?;
    here.close().await;
    there.close().await;

    let arrived = ours.find(&id).or_failed("cannot look for a task of the audit")?;
    let said = report.refused.iter().find(|refusal| refusal.path.contains(id.as_str()));
    Ok(match (arrived, said) {
        (None, Some(refusal)) => Try::new(PATH, Verdict::Refused, "sync", refusal.reason.clone()),
        (None, None) => Try::new(PATH, Verdict::NotTried, "sync", "it did not arrive, and nobody says why"),
        (Some(at), _) => Try::new(PATH, Verdict::NotRefused, "sync", format!("it is in {}", at.path())),
    })
}

fn open(
    stage: &Stage,
    remote: &std::path::Path,
    vault: Vault,
    agent: AgentId,
    side: Side,
) -> Result<Sync, Failure> {
    let config = config::Sync {
        enabled: true,
        remote: Some(remote.display().to_string()),
        push_gap_seconds: 0,
        ..stage.setup.config.sync.clone()
    };
    let state_dir: PathBuf = stage.folder(&format!("fetch-{agent}"))?;
    let settings = Settings { vault, config, agent, state_dir, side };
    Sync::open(settings, Arc::new(SystemClock)).or_failed("cannot set up sync for the audit")
}
