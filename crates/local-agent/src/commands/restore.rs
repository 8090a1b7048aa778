//! `local-agent restore`: a lost machine comes back from the remote.
//!
//! The vault comes back whole. The key, unless it was saved, the journal, the accepted handbook
//! and the passwords do not; what that means for signed orders is said, and done.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use daemon::{CommonArgs, DataDir, Failure, OrFailure as _, Places};
use executor::{Journal, Settlement};
use onboarding::{Answers, JoinCode, trial};
use signature::Approvers;
use task::{Role, SystemClock, counted};

use super::init::{self, Plan};
use super::print;
use crate::cli::Restore;

pub(crate) async fn run(common: &CommonArgs, role: Option<Role>, arguments: &Restore) -> Result<(), Failure> {
    let places = Places::find(common)?;
    let data = DataDir::open(&places.data)?;
    let pending = Answers::pending(data.root())?;
    if data.journal().exists() && pending.is_none() {
        return Err(Failure::usage(format!(
            "this machine is not lost: it has a journal, {}",
            data.journal().display()
        ))
        .hint("local-agent doctor says what is wrong with it; to restore beside it, name another --data"));
    }
    let code = join_code(arguments)?;
    let mut known = known(code.as_ref());
    if arguments.init.said.alone || role == Some(Role::Gold) {
        return Err(Failure::usage("a machine that worked alone has no remote to come back from")
            .hint("copy its vault and its data directory back from your backup"));
    }
    if let Some(mail) = code.as_ref().and_then(|code| code.mail.first()) {
        // Where mail is sent was never in the code.
        let said = &arguments.init.said;
        if said.smtp.is_none() && !said.no_mail {
            known.smtp = onboarding::guess_servers(&mail.address).and_then(|(_, smtp)| smtp.parse().ok());
        }
    }
    let so_far = known.clone().with(pending.unwrap_or_default());
    listen(arguments, &so_far, code.as_ref()).await?;

    let plan = Plan {
        known,
        vault_id: code.as_ref().map(|code| code.vault_id.clone()),
        command: "local-agent restore",
        restoring: true,
    };
    let ready = init::set_up(common, role, &arguments.init, plan).await?;
    let setup = &ready.setup;
    let approvers = Approvers::load(&setup.data.approvers()).or_failed("cannot tell who may sign")?;
    let settlement = Settlement {
        vault: ready.vault.clone(),
        journal: Journal::open(setup.data.journal()).or_failed("cannot make the journal")?,
        agent: setup.agent.clone(),
        clock: Arc::new(SystemClock),
    };
    let found = settlement
        .take_up_without_journal(&approvers)
        .or_failed("cannot settle what the lost machine left")?;
    trial::exchange(setup, &ready.vault).await.map_err(|failure| {
        failure.hint("the vault is back; what was settled goes to the remote once it answers again")
    })?;
    super::switch::sit_down(setup, &ready.vault).await?;
    Answers::settled(setup.data.root())?;

    let mut text = ready.text.clone();
    let same_key = code.as_ref().is_some_and(|code| {
        Approvers::parse(&code.approvers).is_ok_and(|a| a.lists(&ready.made.fingerprint))
    });
    text.push_str("\nThe vault is back. What cannot come back from the remote:\n");
    text.push_str(match same_key {
        true => "- the key: it is the one that you saved\n",
        false => {
            "- the key: this machine has another one now. Orders signed with the old one count for nothing here; \
             run cloud-agent init with the new join code below, so that the cloud machine knows the new key\n"
        }
    });
    text.push_str(
        "- the journal, which knew what was carried out: no order that was signed before runs again\n\
         - the accepted handbook: see local-agent handbook diff, then local-agent handbook accept\n\
         - passwords, and sessions of channels: local-agent doctor says which are missing\n",
    );
    if code.is_none() {
        text.push_str("- the vault's id: it was not given (--join), so the vault has a new one\n");
    }
    match found.unknown.len() {
        0 => text.push_str("No signed order was on its way.\n"),
        n => {
            let (were, their, they) =
                if n == 1 { ("was", "its", "it was") } else { ("were", "their", "they were") };
            let orders = counted(n, "signed order");
            let _ =
                writeln!(text, "{orders} {were} on {their} way; nobody knows whether {they} carried out:");
            for id in &found.unknown {
                let _ = writeln!(
                    text,
                    "  {id}: look for yourself, then local-agent resolve {id} --sent, or --not-sent"
                );
            }
        }
    }
    if let Some(code) = init::join_code_of(setup)? {
        let _ = write!(text, "\nThe join code of this machine:\ncloud-agent init --join {code}\n");
    }
    text.push_str("\nNext: local-agent doctor, then local-agent.\n");
    print(&text)
}

fn join_code(arguments: &Restore) -> Result<Option<JoinCode>, Failure> {
    let text = match (&arguments.join, &arguments.join_file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => read(path)?,
        (None, None) => return Ok(None),
    };
    JoinCode::parse(&text).map(Some).or_usage("cannot use the join code")
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).or_usage(format!("cannot read {}", path.display()))
}

/// What a join code says of this machine.
fn known(code: Option<&JoinCode>) -> Answers {
    let Some(code) = code else { return Answers::default() };
    let mail = code.mail.first();
    Answers {
        owner: Some(code.owner.clone()),
        alone: Some(false),
        remote: Some(code.remote.clone()),
        branch: Some(code.branch.clone()),
        id: Some(code.executor.clone()),
        cloud_id: Some(code.cloud.clone()),
        mail: Some(mail.is_some()),
        mail_name: mail.map(|mail| mail.name.clone()),
        mail_address: mail.map(|mail| mail.address.clone()),
        imap: mail.map(|mail| onboarding::Server { host: mail.host.clone(), port: Some(mail.port) }),
        imap_security: mail.map(|mail| mail.security),
        mail_user: mail.map(|mail| mail.user.clone()),
        means: Some(match (code.dry_run, code.mock_data) {
            (_, true) => onboarding::Means::Sample,
            (true, false) => onboarding::Means::Rehearse,
            (false, false) => onboarding::Means::Live,
        }),
        ..Answers::default()
    }
}

/// Two machines that both believe they are the executor would both send.
async fn listen(arguments: &Restore, so_far: &Answers, code: Option<&JoinCode>) -> Result<(), Failure> {
    let said = &arguments.init.said;
    let (Some(remote), false) =
        (said.remote.as_ref().or(so_far.remote.as_ref()), arguments.old_machine_is_off)
    else {
        return Ok(());
    };
    let branch = said.branch.as_deref().or(so_far.branch.as_deref()).unwrap_or("main");
    let fallback = || "local-001".parse().or_failed("cannot name this agent");
    let id = match said.id.as_ref().or(so_far.id.as_ref()).or(code.map(|code| &code.executor)) {
        Some(id) => id.clone(),
        None => fallback()?,
    };
    let patience = Duration::from_secs(arguments.listen_seconds);
    print(&format!(
        "listening      at most {} s for signs of life of the old {id} (--old-machine-is-off skips it)\n",
        arguments.listen_seconds
    ))?;
    if trial::is_awake(remote, branch, &id, patience).await? {
        return Err(Failure::failed(format!("the old machine {id} still runs: its heartbeat at the remote goes on"))
            .hint(
                "two machines of one name would both carry orders out: stop the old one first (local-agent stop there \
                 stops sending on all machines), or give this one another name with --id",
            ));
    }
    Ok(())
}
