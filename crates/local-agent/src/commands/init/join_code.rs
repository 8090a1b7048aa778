//! The join code of this machine.

use daemon::{Failure, OrFailure as _, Setup};
use onboarding::{JoinCode, JoinMail};
use task::{AgentId, Role};

use super::super::print;

/// `join-code`
pub(crate) fn join_code(setup: &Setup) -> Result<(), Failure> {
    match of(setup)? {
        Some(code) => print(&format!("{code}\n")),
        None => Err(Failure::usage("this machine works alone: there is no cloud machine to join")
            .hint("local-agent init --remote URL shares the vault with one")),
    }
}

/// The code, where a cloud machine can join.
pub(crate) fn of(setup: &Setup) -> Result<Option<String>, Failure> {
    let config = &setup.config;
    let (true, Some(remote), false) = (config.sync.enabled, &config.sync.remote, setup.role == Role::Gold)
    else {
        return Ok(None);
    };
    let approvers = std::fs::read_to_string(setup.data.approvers())
        .or_failed("cannot read who may sign")
        .map_err(|failure| failure.hint("run local-agent init first"))?;
    let vault_id =
        approval::read_vault_id(&setup.data.vault_id()).or_failed("cannot tell which vault this is")?;
    let other = config.health.expect.iter().find_map(|(agent, expected)| {
        (*expected == config::Expectation::Always && *agent != setup.agent).then(|| agent.clone())
    });
    let cloud = match other {
        Some(cloud) => cloud,
        None => "cloud-001".parse::<AgentId>().or_failed("cannot name the cloud agent")?,
    };
    let mail = config.mail.iter().filter_map(|account| {
        let imap = account.imap.as_ref()?;
        Some(JoinMail {
            name: account.name.clone(),
            address: account.address.clone(),
            host: imap.host.clone(),
            port: imap.port,
            security: imap.security,
            user: imap.user.clone(),
            auth: imap.auth,
            folder: imap.folder.clone(),
            authserv_id: imap.authserv_id.clone(),
        })
    });
    let code = JoinCode {
        vault_id,
        remote: remote.clone(),
        branch: config.sync.branch.clone(),
        approvers,
        executor: config.agent.executor.clone(),
        cloud,
        owner: config.owner.name.clone(),
        dry_run: setup.modes.dry_run,
        mock_data: setup.modes.mock_data,
        mail: mail.collect(),
    };
    code.encode().map(Some).or_failed("cannot make the join code")
}
