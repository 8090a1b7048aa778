//! `local-agent doctor`: what is missing or wrong, and how to mend it.

use approval::{KeyFiles, Signer};
use chrono::Utc;
use daemon::{Failure, OrFailure as _, Setup};
use onboarding::{Answers, Finding, checks, trial};
use signature::Approvers;
use task::Server;

use super::print;

pub(crate) async fn run(setup: &Setup) -> Result<(), Failure> {
    let mut findings = checks::files(setup);
    findings.extend(keys(setup));
    if let Ok(Some(_)) = Answers::pending(setup.data.root()) {
        findings.push(Finding::wrong(
            "set-up",
            "it was not finished",
            "local-agent init goes on where it stopped",
        ));
    }
    findings.push(checks::schedules(setup, Utc::now()));
    let (vault, found) = checks::vault(setup);
    findings.extend(found);
    findings.push(checks::clock(setup, vault.as_ref(), Utc::now()));
    if let Some(vault) = &vault {
        findings.extend(checks::remote(setup, vault).await);
    }
    let folder = checks::programs_folder(setup)?;
    let servers: Vec<&str> = Server::ALL.into_iter().map(Server::binary).collect();
    findings.extend(checks::programs(&folder, &servers, env!("CARGO_PKG_VERSION")));
    if !setup.modes.mock_data {
        if setup.config.mail.is_empty() {
            findings.push(Finding::wrong(
                "mail",
                "no account in config.yaml: nothing can be sent",
                "local-agent init --mail-address ADDRESS",
            ));
        } else {
            findings.extend(mail_parts(setup));
            let config = setup.config_file.clone().unwrap_or_default();
            let data = setup.data.root().to_owned();
            let tried = tokio::task::spawn_blocking(move || trial::mail(&folder, &config, &data));
            findings.extend(tried.await.or_failed("the trial of the mail account ended early")?);
        }
    }

    let (mut text, wrong) = checks::report(&findings);
    if setup.modes.dry_run {
        text.push_str("note  dry run: nothing is sent until modes.dry_run (DRY_RUN) is false\n");
    }
    if setup.modes.mock_data {
        text.push_str("note  sample data: modes.mock_data (MOCK_DATA) is true\n");
    }
    print(&text)?;
    match wrong {
        0 => Ok(()),
        _ => Err(Failure::failed(format!("{wrong} of {} checks found something wrong", findings.len()))),
    }
}

/// The owner's key, who may sign, and which vault this is.
fn keys(setup: &Setup) -> Vec<Finding> {
    let files = KeyFiles::in_data(setup.data.root());
    let remedy = "local-agent init";
    let mut findings = vec![match (files.key.exists(), files.public_key.exists()) {
        (true, _) => match Signer::needs_passphrase(&files.key) {
            Ok(true) => Finding::ok("signing key, under a passphrase"),
            Ok(false) => Finding::ok("signing key, WITHOUT a passphrase: whoever reads the file can sign"),
            Err(error) => Finding::wrong("signing key", error.to_string(), ""),
        },
        (false, true) => Finding::ok("signing key, in an ssh-agent"),
        (false, false) => Finding::wrong("signing key", "there is none", remedy),
    }];
    findings.push(match Approvers::load(&files.approvers) {
        Ok(_) => Finding::ok("approvers"),
        Err(error) => Finding::wrong("approvers", error.to_string(), remedy),
    });
    findings.push(match approval::read_vault_id(&files.vault_id) {
        Ok(id) => Finding::ok(format!("vault id {id}")),
        Err(error) => Finding::wrong("vault id", error.to_string(), remedy),
    });
    findings
}

/// An account that can be read or answered from, but not both.
fn mail_parts(setup: &Setup) -> Vec<Finding> {
    let lacks = |account: &config::MailAccount| {
        [("imap", account.imap.is_none()), ("smtp", account.smtp.is_none())]
            .into_iter()
            .filter(|(_, missing)| *missing)
            .map(|(part, _)| {
                Finding::wrong(
                    format!("mail account {} {part}", account.name),
                    format!("it has no {part} section in config.yaml"),
                    format!("local-agent init --mail-name {} --{part} HOST", account.name),
                )
            })
            .collect::<Vec<_>>()
    };
    setup.config.mail.iter().flat_map(lacks).collect()
}
