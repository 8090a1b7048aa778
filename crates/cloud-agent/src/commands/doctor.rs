//! `cloud-agent doctor`: what is missing or wrong on this machine, and how to mend it.
//!
//! A credential that acts is found before anything else: with one, no command starts at all.

use chrono::Utc;
use daemon::{Failure, OrFailure as _, Setup};
use onboarding::{Finding, checks, trial};
use policy::local_only;
use task::Server;

pub(crate) async fn run(setup: &Setup) -> Result<(), Failure> {
    let mut findings = checks::files(setup);
    findings.push(Finding::ok("no credential that sends, posts or pays"));
    let approvers = setup.data.approvers();
    findings.push(if approvers.is_file() {
        Finding::ok("the owner's public key is known")
    } else {
        Finding::wrong(
            "approvers",
            "the owner's public key is not known here",
            "cloud-agent init --join CODE",
        )
    });
    findings.push(checks::schedules(setup, Utc::now()));
    let (vault, found) = checks::vault(setup);
    findings.extend(found);
    findings.push(checks::clock(setup, vault.as_ref(), Utc::now()));
    if let Some(vault) = &vault {
        findings.extend(checks::remote(setup, vault).await);
    }
    let folder = checks::programs_folder(setup)?;
    let (mine, foreign): (Vec<_>, Vec<_>) = Server::ALL.into_iter().partition(|server| !local_only(*server));
    let mine: Vec<&str> = mine.iter().map(|server| server.binary()).collect();
    findings.extend(checks::programs(&folder, &mine, env!("CARGO_PKG_VERSION")));
    for server in foreign.iter().filter(|server| folder.join(server.binary()).exists()) {
        findings.push(Finding::wrong(
            server.binary(),
            "it does not belong on a cloud machine",
            format!("rm {}", folder.join(server.binary()).display()),
        ));
    }
    if !setup.modes.mock_data {
        if setup.config.mail.is_empty() {
            findings.push(Finding::wrong(
                "mail",
                "no account in config.yaml: nothing is watched",
                "see mail: in the sample config.yaml",
            ));
        } else {
            let config = setup.config_file.clone().unwrap_or_default();
            let data = setup.data.root().to_owned();
            let tried = tokio::task::spawn_blocking(move || trial::mail(&folder, &config, &data));
            findings.extend(tried.await.or_failed("the trial of the mail account ended early")?);
        }
    }
    let (mut text, wrong) = checks::report(&findings);
    for warning in &setup.warnings {
        text.push_str(&format!("note  {}: {}\n", warning.place, warning.message));
    }
    if setup.modes.mock_data {
        text.push_str("note  sample data: modes.mock_data (MOCK_DATA) is true\n");
    }
    daemon::print(&text)?;
    match wrong {
        0 => Ok(()),
        _ => Err(Failure::failed(format!("{wrong} of {} checks found something wrong", findings.len()))),
    }
}
