//! What the owner asks for from the command line. Results go to stdout, everything else to stderr.

mod audit;
mod decide;
mod doctor;
mod init;
mod log;
mod look;
mod modify;
mod restore;
mod review;
mod schedule;
mod switch;

use std::path::Path;
use std::sync::Arc;

use approval::{Desk, KeyFiles, Signer};
use daemon::{CommonArgs, Failure, OrFailure as _, Setup, print, print_json};
use local_agent::mode;
use secrecy::SecretString;
use signature::{Approvers, Register};
use task::{Role, SystemClock};
use worker::open_vault;

use crate::cli::{Command, Log, Passphrase};

/// Sets this machine up, or brings it back: before there is a setup.
pub(crate) async fn set_up(
    command: &Command,
    common: &CommonArgs,
    role: Option<Role>,
) -> Option<Result<(), Failure>> {
    match command {
        Command::Init(arguments) => Some(init::run(common, role, arguments).await),
        Command::Restore(arguments) => Some(restore::run(common, role, arguments).await),
        _ => None,
    }
}

/// Runs one command.
pub(crate) async fn run(command: Command, setup: &Setup) -> Result<(), Failure> {
    match command {
        // They come before there is a setup; see `main`.
        Command::Init(_) | Command::Restore(_) => Ok(()),
        Command::JoinCode => init::join_code(setup),
        Command::Doctor => doctor::run(setup).await,
        Command::Status(arguments) => look::status(setup, arguments.json),
        Command::List(arguments) => look::list(setup, arguments.json),
        Command::Show(arguments) => look::show(setup, &arguments.id, arguments.json.json),
        Command::Review(arguments) => review::run(setup, &arguments),
        Command::Approve(arguments) => decide::approve(setup, &arguments),
        Command::Reject(arguments) => decide::reject(setup, &arguments),
        Command::Modify(arguments) => modify::run(setup, &arguments),
        Command::Undo(arguments) => decide::undo(setup, &arguments.id),
        Command::Retry(arguments) => decide::retry(setup, &arguments.id),
        Command::Drop(arguments) => decide::drop(setup, &arguments.id),
        Command::Later(arguments) => decide::later(setup, &arguments),
        Command::Resolve(arguments) => decide::resolve(setup, &arguments),
        Command::Stop(arguments) => switch::stop(setup, &arguments.reason),
        Command::Resume => switch::resume(setup),
        Command::TrustTip(arguments) => switch::trust_tip(setup, &arguments.sha).await,
        Command::TakeSeat => switch::take_seat(setup).await,
        Command::Handbook(command) => {
            worker::handbook_command(setup, &command, &mut daemon::print, &mut daemon::ask)
        }
        Command::Schedule(command) => schedule::run(setup, &command),
        Command::Audit(arguments) if arguments.gate => audit::run(setup, &arguments).await,
        Command::Audit(arguments) => audit::week::run(setup, &arguments).await,
        Command::Log(Log::Verify) => log::verify(setup).await,
    }
}

/// Where the owner decides. Needs what `init` makes.
fn desk(setup: &Setup) -> Result<Desk, Failure> {
    let need_init = |failure: Failure| failure.hint("run local-agent init first");
    let vault_id = approval::read_vault_id(&setup.data.vault_id())
        .or_failed("cannot tell which vault this is")
        .map_err(need_init)?;
    let approvers =
        Approvers::load(&setup.data.approvers()).or_failed("cannot tell who may sign").map_err(need_init)?;
    let vault = open_vault(setup)?;
    Ok(Desk {
        own: own(setup, &vault)?,
        vault,
        vault_id,
        agent: setup.agent.clone(),
        executor: setup.config.agent.executor.clone(),
        mode: mode(setup),
        limits: setup.config.approval.clone(),
        approvers,
        register: Register::new(setup.data.root()),
        paid: paid(setup),
        clock: Arc::new(SystemClock),
    })
}

/// What the owner stands by: the handbook that was accepted on this machine, and the owner's own
/// name and addresses.
fn own(setup: &Setup, vault: &vault::Vault) -> Result<approval::Own, Failure> {
    let handbook = worker::handbook(setup, vault).accepted().or_failed("cannot read the handbook")?;
    let mut words = policy::HouseRules::said(&handbook);
    words.push_str(&format!("\n{}\n", setup.config.owner.name));
    for account in &setup.config.mail {
        words.push_str(&format!("{}\n", account.address));
    }
    let secrets = Arc::new(daemon::secret_scanner(setup)?);
    Ok(approval::Own { words, secrets: Some(secrets) })
}

/// Whom the journal says that this owner has paid. It is opened when a payment is looked at.
fn paid(setup: &Setup) -> approval::Paid {
    let path = setup.data.journal();
    Arc::new(move |iban| {
        let journal = executor::Journal::open(&path).map_err(|error| error.to_string())?;
        journal.paid_to(iban).map_err(|error| error.to_string())
    })
}

/// The owner's key: the file in the data directory, or an ssh-agent that holds it.
fn signer(setup: &Setup, passphrase: &Passphrase) -> Result<Signer, Failure> {
    let files = KeyFiles::in_data(setup.data.root());
    if !files.key.exists() {
        if let (Some(socket), true) = (setup.env.get("SSH_AUTH_SOCK"), files.public_key.exists()) {
            return Ok(Signer::agent(socket, files.public_key));
        }
        return Err(Failure::failed(format!("there is no signing key at {}", files.key.display()))
            .hint("run local-agent init; or start the ssh-agent that holds the key and set SSH_AUTH_SOCK"));
    }
    let secret = if Signer::needs_passphrase(&files.key).or_failed("cannot use your signing key")? {
        Some(read_passphrase(passphrase.passphrase_file.as_deref(), "Passphrase of your signing key: ")?)
    } else {
        None
    };
    Ok(Signer::key_file(files.key, secret))
}

/// From the file, else from the terminal without echo.
fn read_passphrase(file: Option<&Path>, prompt: &str) -> Result<SecretString, Failure> {
    let text = match file {
        Some(path) => std::fs::read_to_string(path)
            .or_failed(format!("cannot read the passphrase from {}", path.display()))?
            .trim_end_matches(['\r', '\n'])
            .to_owned(),
        None => rpassword::prompt_password(prompt).map_err(|error| {
            Failure::failed("cannot ask for the passphrase")
                .because(error)
                .hint("run it in a terminal, or name a file with --passphrase-file")
        })?,
    };
    Ok(SecretString::from(text))
}
