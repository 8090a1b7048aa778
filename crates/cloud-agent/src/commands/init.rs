//! `cloud-agent init`: everything but the passwords comes from the owner's machine, in the join
//! code. The same command brings a lost cloud machine back: the vault comes from the remote.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Expectation, Imap, MailAccount, SaveSent, Secret};
use daemon::{CommonArgs, DataDir, Env, Failure, Flags, OrFailure as _, Places, Program, Setup};
use onboarding::config_file::{self, Changes, Written};
use onboarding::{Ask as _, JoinCode, JoinMail, Terminal, checks, env_file, trial};
use secrecy::SecretString;
use task::counted;
use vault::durable;

use crate::cli::Init;

pub(crate) async fn run(common: &CommonArgs, arguments: &Init) -> Result<(), Failure> {
    let here = std::env::current_dir().or_failed("cannot find the working directory")?;
    let places = Places::find(common)?;
    let state = if places.configured { "" } else { " (new)" };
    daemon::print(&format!("configuration  {}{state}\n", places.config_file.display()))?;
    let data = DataDir::open(&places.data)?;
    let code = join_code(arguments, places.configured)?;
    let mut text = String::new();
    if let Some(code) = &code {
        if !arguments.old_machine_is_off && !data.vault_id().exists() && !arguments.no_trial {
            listen(code, arguments).await?;
        }
        let ca_file = arguments.mail_ca_file.as_ref().map(|path| here.join(path));
        let accounts: Vec<MailAccount> =
            code.mail.iter().map(|mail| account(mail, ca_file.clone())).collect();
        let secrets = passwords(&accounts, arguments, &places)?;
        env_file::set(&places.env_file, &secrets)?;
        for (name, _) in &secrets {
            let _ = writeln!(text, "wrote {name} into {}", places.env_file.display());
        }
        let vault = match (&common.vault, &places.home) {
            (Some(path), _) => here.join(path),
            (None, Some(home)) => home.join("vault"),
            (None, None) => {
                return Err(Failure::usage("no place for the vault: HOME is not set")
                    .hint("name it with --vault DIR"));
            }
        };
        let changes = changes(code, &accounts, &vault, &places)?;
        match config_file::write(&places.config_file, &changes)? {
            Written::Unchanged => {}
            Written::New => {
                let _ = writeln!(text, "made           {}", places.config_file.display());
            }
            Written::Changed(kept) => {
                let _ = writeln!(
                    text,
                    "changed        {}; the old one is {}",
                    places.config_file.display(),
                    kept.display()
                );
            }
        }
        keep(&data.vault_id(), &format!("{}\n", code.vault_id), &mut text)?;
        keep(&data.approvers(), &code.approvers, &mut text)?;
    }
    let common = CommonArgs { config: places.configured_or_written(), ..common.clone() };
    let setup = daemon::load(Program::CloudAgent, &common, &Flags::default())?;
    let vault = worker::open_vault(&setup)?;
    if !arguments.no_trial {
        text.push_str(&try_out(&setup, &vault).await?);
    }
    let handbook = worker::handbook(&setup, &vault);
    handbook.keep_template().or_failed("cannot keep the handbook")?;
    let _ = writeln!(text, "vault          {}", setup.vault_path.display());
    let _ = writeln!(
        text,
        "drafts for     {} (executor {})",
        setup.config.owner.name, setup.config.agent.executor
    );
    if let Some(said) = worker::about_handbook(&handbook) {
        let _ = writeln!(text, "handbook       {said}");
    }
    for warning in &setup.warnings {
        let _ = writeln!(text, "note           {}: {}", warning.place, warning.message);
    }
    text.push_str("\nNext: cloud-agent doctor, then cloud-agent (or systemctl enable --now cloud-agent).\n");
    daemon::print(&text)
}

fn join_code(arguments: &Init, configured: bool) -> Result<Option<JoinCode>, Failure> {
    let text = match (&arguments.join, &arguments.join_file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => {
            std::fs::read_to_string(path).or_usage(format!("cannot read {}", path.display()))?
        }
        (None, None) if configured => return Ok(None),
        (None, None) => {
            let missing = || {
                Failure::usage("cloud-agent init needs --join CODE (or --join-file FILE)")
                    .hint("local-agent init on the owner's machine prints it; local-agent join-code prints it again")
            };
            let mut terminal = Terminal::present().ok_or_else(missing)?;
            terminal.say(
                "\nThe join code is one long line that local-agent init prints on the owner's machine.\n",
            )?;
            terminal.line("Join code: ")?.ok_or_else(missing)?
        }
    };
    JoinCode::parse(&text).map(Some).or_usage("cannot use the join code")
}

/// Another machine of this name would claim the same tasks.
async fn listen(code: &JoinCode, arguments: &Init) -> Result<(), Failure> {
    let patience = Duration::from_secs(arguments.listen_seconds);
    daemon::print(&format!(
        "listening      at most {} s for another machine named {} (--old-machine-is-off skips it)\n",
        arguments.listen_seconds, code.cloud
    ))?;
    if trial::is_awake(&code.remote, &code.branch, &code.cloud, patience).await.map_err(reach)? {
        return Err(Failure::failed(format!(
            "another machine runs as {}: its heartbeat at the remote goes on",
            code.cloud
        ))
        .hint("stop that one first; if it is gone, run this again with --old-machine-is-off"));
    }
    Ok(())
}

/// On a new machine the remote does not know its key yet.
fn reach(failure: Failure) -> Failure {
    let home = std::env::home_dir().unwrap_or_default();
    let keys = trial::public_keys(&home);
    match keys.first() {
        Some(path) => failure.hint(format!(
            "if the remote does not know this machine: add the key in {} there (for GitHub: Deploy keys, with write \
             access), then run this again",
            path.display()
        )),
        None => failure.hint(
            "if the remote does not know this machine: ssh-keygen -t ed25519 makes a key; add its .pub there (for \
             GitHub: Deploy keys, with write access), then run this again",
        ),
    }
}

fn account(mail: &JoinMail, ca_file: Option<PathBuf>) -> MailAccount {
    let name = mail.name.to_ascii_uppercase().replace('-', "_");
    MailAccount {
        name: mail.name.clone(),
        address: mail.address.clone(),
        imap: Some(Imap {
            host: mail.host.clone(),
            port: mail.port,
            security: mail.security,
            user: mail.user.clone(),
            auth: mail.auth,
            secret: Secret { env: Some(format!("{name}_IMAP_PASSWORD")), file: None },
            folder: mail.folder.clone(),
            ca_file,
            authserv_id: mail.authserv_id.clone(),
            granted_scopes: Vec::new(),
            token_info: None,
        }),
        smtp: None,
        save_sent: SaveSent::Auto,
        append_drafts: false,
    }
}

/// The passwords that are not there yet: from files, else asked for.
fn passwords(
    accounts: &[MailAccount],
    arguments: &Init,
    places: &Places,
) -> Result<Vec<(String, SecretString)>, Failure> {
    let surroundings = daemon::Surroundings::of_process().or_failed("cannot find the working directory")?;
    let env = Env::of(&surroundings)
        .with_file(places.env_file.clone())
        .or_usage("cannot use the environment file")?;
    let mut files = std::collections::BTreeMap::new();
    for said in &arguments.mail_password_file {
        let named = accounts.iter().find_map(|account| {
            let rest = said.strip_prefix(&account.name)?.strip_prefix('=')?;
            Some((account.name.clone(), rest.to_owned()))
        });
        let (name, file) = match (named, accounts) {
            (Some(named), _) => named,
            (None, [only]) => (only.name.clone(), said.clone()),
            (None, _) => {
                let names: Vec<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
                return Err(Failure::usage(format!(
                    "--mail-password-file {said} names no account of the join code; write ACCOUNT=FILE with one of {}",
                    if names.is_empty() { "none".into() } else { names.join(", ") }
                )));
            }
        };
        files.insert(name, PathBuf::from(file));
    }
    let mut found = Vec::new();
    let mut missing = Vec::new();
    let mut terminal = Terminal::present();
    for account in accounts {
        let Some(name) = account.imap.as_ref().and_then(|imap| imap.secret.env.clone()) else { continue };
        if let Some(file) = files.get(&account.name) {
            found.push((name, secret_file(file)?));
        } else if env.get(&name).is_some() {
        } else if let Some(terminal) = &mut terminal {
            terminal.say(&format!(
                "\nThe password of {} for reading; it is kept in {} (mode 0600), as {name}.\n",
                account.address,
                places.env_file.display()
            ))?;
            found.push((name, terminal.secret("Password: ")?));
        } else {
            missing.push(format!("--mail-password-file {}=FILE", account.name));
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    Err(Failure::usage(format!("cloud-agent init needs {}", missing.join(", ")))
        .hint("there is no terminal to ask in: give these flags, or run it in a terminal"))
}

fn secret_file(path: &Path) -> Result<SecretString, Failure> {
    let text = std::fs::read_to_string(path).or_usage(format!("cannot read {}", path.display()))?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn changes(
    code: &JoinCode,
    accounts: &[MailAccount],
    vault: &Path,
    places: &Places,
) -> Result<Changes, Failure> {
    let mut changes = Changes::default();
    changes.set("agent.id", &code.cloud)?;
    changes.set("agent.role", "cloud")?;
    changes.set("agent.executor", &code.executor)?;
    changes.set("owner.name", &code.owner)?;
    changes.set("modes.dry_run", code.dry_run)?;
    changes.set("modes.mock_data", code.mock_data)?;
    // A folder that was chosen on this machine stays.
    if !places.configured {
        changes.set("vault.path", vault)?;
    }
    changes.set("sync.enabled", true)?;
    changes.set("sync.remote", &code.remote)?;
    changes.set("sync.branch", &code.branch)?;
    let expect = std::collections::BTreeMap::from([
        (code.cloud.clone(), Expectation::Always),
        (code.executor.clone(), Expectation::OnDemand),
    ]);
    changes.set("health.expect", expect)?;
    for account in accounts {
        changes.account(account)?;
    }
    Ok(changes)
}

/// What the code says of the owner's side takes the place of what was known of it.
fn keep(path: &Path, content: &str, text: &mut String) -> Result<(), Failure> {
    if std::fs::read_to_string(path).is_ok_and(|there| there == content) {
        return Ok(());
    }
    let word = if path.exists() { "renewed" } else { "made" };
    durable::replace(path, content.as_bytes()).or_failed(format!("cannot write {}", path.display()))?;
    let _ = writeln!(text, "{word} {}", path.display());
    Ok(())
}

/// A push, the vault, and a log-in to each mailbox.
async fn try_out(setup: &Setup, vault: &vault::Vault) -> Result<String, Failure> {
    let mut text = String::new();
    let sync = &setup.config.sync;
    if let (true, Some(remote)) = (sync.enabled, &sync.remote) {
        trial::push(remote, &sync.branch, &setup.agent).await.map_err(reach)?;
        let pulled = trial::exchange(setup, vault).await?;
        let _ =
            writeln!(text, "remote         a test push was accepted; {} came in", counted(pulled, "file"));
    }
    if !setup.modes.mock_data && !setup.config.mail.is_empty() {
        let folder = checks::programs_folder(setup)?;
        let config = setup.config_file.clone().unwrap_or_default();
        let data = setup.data.root().to_owned();
        let found = tokio::task::spawn_blocking(move || trial::mail(&folder, &config, &data))
            .await
            .or_failed("the trial of the mailbox ended early")?;
        let (said, wrong) = checks::report(&found);
        if wrong > 0 {
            return Err(Failure::failed(format!("the mailbox cannot be used\n{}", said.trim_end())).hint(
                "what was said is kept: mend it and run cloud-agent init again (--mail-password-file replaces the \
                 password; --no-trial does without the trial)",
            ));
        }
        text.push_str(&said);
    }
    Ok(text)
}
