//! `local-agent doctor`: what is missing or wrong, and how to mend it.

use std::process::Command;
use std::sync::Arc;

use approval::KeyFiles;
use daemon::{Failure, Setup};
use signature::Approvers;
use task::{Server, SystemClock};

use worker::open_vault;

use super::print;
use crate::duties::server_folder;

/// One finding: what was looked at, and what is wrong with it.
struct Finding {
    what: String,
    wrong: Option<String>,
}

impl Finding {
    fn ok(what: impl Into<String>) -> Self {
        Self { what: what.into(), wrong: None }
    }

    fn wrong(what: impl Into<String>, wrong: impl Into<String>) -> Self {
        Self { what: what.into(), wrong: Some(wrong.into()) }
    }

    fn of<T, E: std::fmt::Display>(what: impl Into<String>, result: Result<T, E>, remedy: &str) -> Self {
        match result {
            Ok(_) => Self::ok(what),
            Err(error) => Self::wrong(what, format!("{error}; {remedy}")),
        }
    }
}

pub(crate) async fn run(setup: &Setup) -> Result<(), Failure> {
    let files = KeyFiles::in_data(setup.data.root());
    let mut findings = vec![
        match &setup.config_file {
            Some(path) => Finding::ok(format!("configuration {}", path.display())),
            None => Finding::wrong(
                "configuration",
                "there is no config.yaml: all defaults; copy the sample and change it",
            ),
        },
        Finding::ok(format!("data directory {}", setup.data.root().display())),
        if files.has_key() {
            Finding::ok("signing key")
        } else {
            Finding::wrong("signing key", "there is none; run local-agent init")
        },
        Finding::of("approvers", Approvers::load(&files.approvers), "run local-agent init"),
        Finding::of("vault id", approval::read_vault_id(&files.vault_id), "run local-agent init"),
    ];
    match open_vault(setup) {
        Ok(vault) => {
            findings.push(Finding::ok(format!("vault {}", setup.vault_path.display())));
            findings.push(match health::disk_free(vault.root()) {
                Ok(free) if free >> 20 < setup.config.health.disk_free_megabytes => {
                    Finding::wrong("disk", format!("only {} MB are free; make room", free >> 20))
                }
                Ok(free) => Finding::ok(format!("disk, {} MB free", free >> 20)),
                Err(error) => Finding::wrong("disk", error.to_string()),
            });
            findings.push(match worker::about_handbook(&worker::handbook(setup, &vault)) {
                Some(said) => Finding::wrong("handbook", said),
                None => Finding::ok("handbook, as accepted"),
            });
            findings.push(sync(setup, &vault).await);
        }
        Err(failure) => findings.push(Finding::wrong("vault", failure.to_string())),
    }
    findings.extend(servers(setup));
    findings.extend(mail(setup));

    let mut text = String::new();
    for finding in &findings {
        match &finding.wrong {
            None => text.push_str(&format!("ok    {}\n", finding.what)),
            Some(wrong) => text.push_str(&format!("WRONG {}: {wrong}\n", finding.what)),
        }
    }
    if setup.modes.dry_run {
        text.push_str("note  dry run: nothing is sent until modes.dry_run (DRY_RUN) is false\n");
    }
    if setup.modes.mock_data {
        text.push_str("note  sample data: modes.mock_data (MOCK_DATA) is true\n");
    }
    print(&text)?;
    let wrong = findings.iter().filter(|finding| finding.wrong.is_some()).count();
    if wrong == 0 {
        Ok(())
    } else {
        Err(Failure::failed(format!("{wrong} of {} checks found something wrong", findings.len())))
    }
}

/// Opening checks git, the clone and the remote's history; the cycle checks that it answers.
async fn sync(setup: &Setup, vault: &vault::Vault) -> Finding {
    if !setup.config.sync.enabled {
        return Finding::ok("sync is off: this machine works alone");
    }
    let git = Command::new("git").arg("--version").output();
    if !git.is_ok_and(|output| output.status.success()) {
        return Finding::wrong("git", "it does not start; install git");
    }
    let what = "remote";
    match worker::open_sync(setup, vault, Arc::new(SystemClock)).await {
        Err(failure) => Finding::wrong(what, failure.to_string()),
        Ok(None) => Finding::ok("sync is off"),
        Ok(Some(sync)) => match sync.cycle().await {
            Ok(_) => Finding::ok("remote answers, vault and remote agree"),
            Err(error) => Finding::wrong(what, error.to_string()),
        },
    }
}

fn servers(setup: &Setup) -> Vec<Finding> {
    let folder = match server_folder(setup) {
        Ok(folder) => folder,
        Err(failure) => return vec![Finding::wrong("MCP servers", failure.to_string())],
    };
    Server::ALL
        .into_iter()
        .map(|server| {
            let path = folder.join(server.binary());
            if path.is_file() {
                Finding::ok(server.binary())
            } else {
                Finding::wrong(
                    server.binary(),
                    format!("there is none in {}; set mcp.directory", folder.display()),
                )
            }
        })
        .collect()
}

fn mail(setup: &Setup) -> Vec<Finding> {
    if setup.modes.mock_data {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for account in &setup.config.mail {
        let secrets = [
            ("imap", account.imap.as_ref().map(|i| &i.secret)),
            ("smtp", account.smtp.as_ref().map(|s| &s.secret)),
        ];
        for (part, secret) in secrets {
            let what = format!("mail account {} {part}", account.name);
            findings.push(match secret {
                Some(secret) => {
                    Finding::of(what.clone(), setup.env.secret(secret, &what), "see mail in config.yaml")
                }
                None => Finding::wrong(what, format!("it has no {part} section in config.yaml")),
            });
        }
    }
    if setup.config.mail.is_empty() {
        findings.push(Finding::wrong("mail", "no account in config.yaml: nothing can be sent"));
    }
    findings
}
