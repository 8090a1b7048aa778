//! `log verify`

use daemon::{Failure, OrFailure as _, Setup};
use sync::LogHistory;
use task::AgentId;
use vault::{LogCheck, Vault};

use super::{open_vault, print};

pub(crate) async fn verify(setup: &Setup) -> Result<(), Failure> {
    let (vault, branch) = (open_vault(setup)?, setup.config.sync.branch.clone());
    let own = setup.agent.clone();
    let work = move || {
        check(&vault, &own, &branch).inspect(|(checks, _)| {
            if checks.iter().all(|check| check.result.is_ok()) {
                // What is whole is what the next verification holds the others' logs against.
                if let Err(error) = vault.note_heads(&own) {
                    tracing::warn!(%error, "how far the other logs are was not kept");
                }
            }
        })
    };
    let (checks, history) =
        tokio::task::spawn_blocking(work).await.or_failed("cannot verify the audit logs")??;
    let mut bad = 0;
    let mut text = String::new();
    for check in &checks {
        match &check.result {
            Ok(last) => text.push_str(&format!("ok   {} to record {last}\n", check.path.display())),
            Err(error) => {
                bad += 1;
                text.push_str(&format!("BAD  {}: {error}\n", check.path.display()));
            }
        }
    }
    for (check, undone) in checks.iter().filter_map(|check| Some((check, check.undone.as_ref()?))) {
        text.push_str(&format!(
            "note  the history holds a false version of {}, which has been undone: {undone}\n",
            check.path.display()
        ));
    }
    if checks.is_empty() {
        text.push_str("there are no records yet\n");
    }
    if !history {
        text.push_str("note  the vault has no git history to hold the logs against\n");
    }
    print(&text)?;
    if bad == 0 {
        return Ok(());
    }
    Err(Failure::failed(format!("{bad} of {} logs were changed, cut or torn", checks.len())).hint(format!(
        "compare with git log -p in {}; what this machine has seen of each log is in {}",
        setup.vault_path.join("Logs").display(),
        setup.data.log_heads().display()
    )))
}

/// All logs, held against the history where there is one.
fn check(vault: &Vault, own: &AgentId, branch: &str) -> Result<(Vec<LogCheck>, bool), Failure> {
    // The history first: what is appended meanwhile is no difference.
    let history = LogHistory::open(vault.root(), branch).or_failed("cannot read the vault's history")?;
    let found = history.is_some();
    let checks = vault
        .verify_logs_against(Some(own), history.into_iter().flatten())
        .or_failed("cannot verify the audit logs")?;
    Ok((checks, found))
}
