//! `local-agent init`: asks, explains, tries out, and can be run again.
//!
//! What was said is kept in the data directory until everything is done, secrets in `.env`; an
//! interrupted set-up goes on from there. On a machine that is set up it changes only what flags
//! say.

mod gather;
mod join_code;

use std::fmt::Write as _;
use std::path::Path;

use approval::{KeyFiles, NewKey};
use daemon::{CommonArgs, DataDir, Env, Failure, Flags, OrFailure as _, Places, Program, Setup};
use onboarding::config_file::{self, Changes, Written};
use onboarding::{Answers, Ask, Means, Questions, Terminal, checks, env_file, trial};
use secrecy::{ExposeSecret as _, SecretString};
use task::{AgentId, Role};
use vault::Vault;

use super::{open_vault, print, read_passphrase};
use crate::cli::Init;

pub(crate) use join_code::{join_code, of as join_code_of};

/// What is done beside a plain set-up.
pub(super) struct Plan {
    /// What is known already, from a join code say.
    pub(super) known: Answers,
    /// The vault's id, where it is known.
    pub(super) vault_id: Option<String>,
    /// The program and command, for messages.
    pub(super) command: &'static str,
    /// The remote must have a vault.
    pub(super) restoring: bool,
}

/// A machine that is set up.
pub(super) struct Ready {
    pub(super) setup: Setup,
    pub(super) vault: Vault,
    pub(super) made: approval::Initialised,
    /// What to tell the owner at the end.
    pub(super) text: String,
}

pub(crate) async fn run(common: &CommonArgs, role: Option<Role>, arguments: &Init) -> Result<(), Failure> {
    let plan =
        Plan { known: Answers::default(), vault_id: None, command: "local-agent init", restoring: false };
    let ready = set_up(common, role, arguments, plan).await?;
    Answers::settled(ready.setup.data.root())?;
    let mut text = ready.text;
    text.push_str(
        "Keep a copy of the key, its passphrase and the join code somewhere safe: they are never in the vault.\n",
    );
    if let Some(code) = join_code_of(&ready.setup)? {
        let _ = write!(
            text,
            "\nOn the cloud machine (the code holds no secret; local-agent join-code prints it again):\n\
             cloud-agent init --join {code}\n"
        );
    }
    text.push_str("\nNext: local-agent doctor, then local-agent.\n");
    print(&text)
}

/// Asks, writes the files, makes key and vault, and tries out what was said.
pub(super) async fn set_up(
    common: &CommonArgs,
    role: Option<Role>,
    arguments: &Init,
    plan: Plan,
) -> Result<Ready, Failure> {
    let here = std::env::current_dir().or_failed("cannot find the working directory")?;
    let places = Places::find(common)?;
    let state = if places.configured { "" } else { " (new)" };
    print(&format!("configuration  {}{state}\n", places.config_file.display()))?;
    let data = DataDir::open(&places.data)?;
    let before = configured(&places)?;
    let pending = Answers::pending(data.root())?;
    let resumed = pending.is_some();
    let said = arguments.said.answers(common.vault.as_deref(), role, &here);
    let nothing_said = said.is_empty() && plan.known.is_empty() && !resumed;
    let mut answers = plan.known.with(pending.unwrap_or_default()).with(said);
    if !nothing_said {
        answers.keep(data.root())?;
    }
    if resumed {
        print("resuming       a set-up that was not finished; what was said then still counts\n")?;
    }

    let files = KeyFiles::in_data(data.root());
    let given_key = given_key(&files, arguments)?;
    let mut terminal = Terminal::present();
    let mut questions = Questions::new(terminal.as_mut().map(|terminal| terminal as &mut dyn Ask));
    if !places.configured || resumed {
        if places.configured {
            fill_in(&mut answers, before.as_ref());
        }
        gather::ask(&mut questions, &mut answers, places.home.clone(), |answers| answers.keep(data.root()))?;
    }
    if answers.mail_address.is_some() || answers.imap.is_some() {
        answers.mail_name.get_or_insert_with(|| "work".into());
    }
    let account = account(&answers, before.as_ref());
    let mut secrets = Vec::new();
    if let Some(account) = &account {
        let env = environment(&places)?;
        secrets = gather::passwords(&mut questions, account, &env, &arguments.said)?;
        // Kept at once: a set-up that stops here has not lost them.
        env_file::set(&places.env_file, &secrets)?;
    }
    if !files.has_key() && given_key.is_none() && !questions.has_person() {
        let given = arguments.no_passphrase || arguments.passphrase.passphrase_file.is_some();
        if !given {
            questions.lacks("--passphrase-file FILE (or --no-passphrase, or --key FILE)");
        }
    }
    questions.finish(plan.command)?;

    let new_key = match given_key {
        _ if files.has_key() => None,
        Some(key) => Some(key),
        None => Some(new_key(arguments)?),
    };
    let mut text = String::new();
    let changes = changes(&answers, account.as_ref(), before.as_ref())?;
    if !changes.is_empty() {
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
    }
    if !secrets.is_empty() {
        let names: Vec<&str> = secrets.iter().map(|(name, _)| name.as_str()).collect();
        let _ = writeln!(text, "wrote {} into {}", names.join(", "), places.env_file.display());
    }

    let common = CommonArgs { config: places.configured_or_written(), ..common.clone() };
    let setup = daemon::load(Program::LocalAgent, &common, &Flags { role, ..Flags::default() })?;
    if let Some(id) = &plan.vault_id {
        keep_vault_id(&files, id)?;
    }
    let owner = &setup.config.owner.name;
    let made = approval::init(&files, owner, || Ok(new_key.unwrap_or(NewKey::Unprotected)))
        .or_failed("cannot set up this machine")?;
    let vault = open_vault(&setup)?;
    let trying = !nothing_said && !arguments.said.no_trial;
    if trying {
        text.push_str(&try_remote(&setup, &vault, plan.restoring).await?);
    }
    let handbook = worker::handbook(&setup, &vault);
    handbook.begin().or_failed("cannot write the handbook")?;
    if trying {
        trial::exchange(&setup, &vault).await?;
        text.push_str(&try_mail(&setup, account.is_some()).await?);
    }
    for path in &made.created {
        let _ = writeln!(text, "made           {}", path.display());
    }
    if text.is_empty() {
        text.push_str("Everything was there already; nothing was changed.\n");
    }
    text.push_str(&summary(&setup, &made, &files));
    if let Some(said) = worker::about_handbook(&handbook) {
        let _ = writeln!(text, "handbook       {said}");
    }
    Ok(Ready { setup, vault, made, text })
}

/// What the configuration says that is there, before anything overrides it.
fn configured(places: &Places) -> Result<Option<config::Config>, Failure> {
    if !places.configured {
        return Ok(None);
    }
    let path = &places.config_file;
    let text = std::fs::read_to_string(path).or_usage(format!("cannot read {}", path.display()))?;
    config::parse(&text).map(Some).or_usage(format!("cannot use {}", path.display()))
}

fn environment(places: &Places) -> Result<Env, Failure> {
    let surroundings = daemon::Surroundings::of_process().or_failed("cannot find the working directory")?;
    Env::of(&surroundings).with_file(places.env_file.clone()).or_usage("cannot use the environment file")
}

/// What a configuration that is there answers already; an interrupted set-up may have written it.
fn fill_in(answers: &mut Answers, before: Option<&config::Config>) {
    let Some(before) = before else { return };
    let defaults = config::Config::default();
    if before.owner != defaults.owner {
        answers.owner.get_or_insert_with(|| before.owner.name.clone());
    }
    if let Some(path) = &before.vault.path {
        answers.vault.get_or_insert_with(|| path.clone());
    }
    if let Some(remote) = before.sync.remote.as_ref().filter(|_| before.sync.enabled) {
        answers.remote.get_or_insert_with(|| remote.clone());
    }
    if before.agent.role == Some(Role::Gold) {
        answers.alone.get_or_insert(true);
    }
    if let Some(id) = &before.agent.id {
        answers.id.get_or_insert_with(|| id.clone());
    }
    if !before.mail.is_empty() {
        answers.mail.get_or_insert(true);
    }
    // Asked again, Enter would take a machine that sends back to a rehearsal.
    answers.means = answers.means.or_else(|| Means::of(before.modes.dry_run, before.modes.mock_data));
}

/// The account that was described, on top of the configured one of that name.
fn account(answers: &Answers, before: Option<&config::Config>) -> Option<config::MailAccount> {
    if answers.mail == Some(false) {
        return None;
    }
    let accounts = before.map(|config| config.mail.as_slice()).unwrap_or_default();
    let said = answers.mail_address.is_some()
        || answers.imap.is_some()
        || answers.smtp.is_some()
        || answers.mail_user.is_some()
        || answers.mail_ca_file.is_some();
    let old = match &answers.mail_name {
        Some(name) => accounts.iter().find(|account| account.name == *name),
        None => accounts.first(),
    };
    if said { answers.account(old) } else { old.filter(|_| answers.mail == Some(true)).cloned() }
}

/// What the configuration must say for these answers.
fn changes(
    answers: &Answers,
    account: Option<&config::MailAccount>,
    before: Option<&config::Config>,
) -> Result<Changes, Failure> {
    let mut changes = Changes::default();
    if let Some(id) = &answers.id {
        changes.set("agent.id", id)?;
        changes.set("agent.executor", id)?;
    }
    if let Some(name) = &answers.owner {
        changes.set("owner.name", name)?;
    }
    if let Some(path) = &answers.vault {
        changes.set("vault.path", path)?;
    }
    if let Some(means) = answers.means {
        let (dry_run, mock_data) = means.switches();
        changes.set("modes.dry_run", dry_run)?;
        changes.set("modes.mock_data", mock_data)?;
    }
    if answers.alone == Some(true) {
        changes.set("agent.role", "gold")?;
        changes.set("sync.enabled", false)?;
    } else if let Some(remote) = &answers.remote {
        if before.is_some_and(|config| config.agent.role == Some(Role::Gold)) {
            changes.set("agent.role", "local")?;
        }
        changes.set("sync.enabled", true)?;
        changes.set("sync.remote", remote)?;
        if let Some(branch) = &answers.branch {
            changes.set("sync.branch", branch)?;
        }
        let known = |id: &AgentId| before.is_some_and(|config| config.health.expect.contains_key(id));
        if let (Some(id), Some(cloud)) = (&answers.id, &answers.cloud_id)
            && !(known(id) && known(cloud))
        {
            let mut expect = before.map(|config| config.health.expect.clone()).unwrap_or_default();
            expect.insert(cloud.clone(), config::Expectation::Always);
            expect.insert(id.clone(), config::Expectation::OnDemand);
            changes.set("health.expect", expect)?;
        }
    }
    if let Some(account) = account {
        changes.account(account)?;
    }
    Ok(changes)
}

/// A trial push. The vault that the remote has comes in with it.
async fn try_remote(setup: &Setup, vault: &Vault, restoring: bool) -> Result<String, Failure> {
    let sync = &setup.config.sync;
    let (true, Some(remote)) = (sync.enabled, &sync.remote) else { return Ok(String::new()) };
    let seen = trial::push(remote, &sync.branch, &setup.agent).await.map_err(|failure| {
        failure.hint(
            "what was said is kept: mend it and run the same command again (--remote names another; --no-trial \
             does without)",
        )
    })?;
    if restoring && !seen.has_branch {
        return Err(Failure::failed(format!("there is no vault at {remote}, branch {}", sync.branch)).hint(
            "name the right repository with --remote and --branch; for a new vault: local-agent init",
        ));
    }
    trial::exchange(setup, vault).await?;
    let had =
        if seen.has_branch { "the vault there was taken in" } else { "it was empty and has the vault now" };
    Ok(format!("remote         a test push to {remote} was accepted; {had}\n"))
}

/// Trial log-ins to the mail account.
async fn try_mail(setup: &Setup, described: bool) -> Result<String, Failure> {
    if !described || setup.modes.mock_data {
        return Ok(String::new());
    }
    let folder = checks::programs_folder(setup)?;
    let config = setup.config_file.clone().unwrap_or_default();
    let data = setup.data.root().to_owned();
    let found = tokio::task::spawn_blocking(move || trial::mail(&folder, &config, &data))
        .await
        .or_failed("the trial of the mail account ended early")?;
    let (text, wrong) = checks::report(&found);
    if wrong == 0 {
        return Ok(text);
    }
    Err(Failure::failed(format!("the mail account cannot be used\n{}", text.trim_end())).hint(
        "what was said is kept: mend it and run the same command again (--mail-password-file replaces the \
         password; --no-trial does without the trial)",
    ))
}

fn summary(setup: &Setup, made: &approval::Initialised, files: &KeyFiles) -> String {
    let mut text = format!(
        "vault          {} (id {})\nyour key       {}\n",
        setup.vault_path.display(),
        made.vault_id,
        made.fingerprint
    );
    let mode = match (setup.modes.dry_run, setup.modes.mock_data) {
        (true, true) => {
            "sample data and a dry run: nothing is sent (local-agent init --mode live changes it)"
        }
        (true, false) => {
            "dry run: real mail is read, nothing is sent (local-agent init --mode live changes it)"
        }
        (false, true) => "live, on sample data",
        (false, false) => "live",
    };
    let _ = writeln!(text, "mode           {mode}");
    if let Some(variable) = ["DRY_RUN", "MOCK_DATA"].iter().find_map(|name| setup.env.place(name)) {
        let _ = writeln!(text, "               {variable} has the last word on it");
    }
    if !made.listed {
        let _ = writeln!(
            text,
            "Your key is not on the list of approvers {}; add it there before you approve.",
            files.approvers.display()
        );
    }
    text
}

/// The key that a flag names. One that is there already must be the same.
fn given_key(files: &KeyFiles, arguments: &Init) -> Result<Option<NewKey>, Failure> {
    let Some(path) = &arguments.key else { return Ok(None) };
    let cannot = || format!("cannot use the key {}", path.display());
    let text = SecretString::from(std::fs::read_to_string(path).or_usage(cannot())?);
    let given = approval::fingerprint(path, &text).or_usage(cannot())?;
    if files.has_key() {
        let own = if files.public_key.exists() { &files.public_key } else { &files.key };
        let there = SecretString::from(std::fs::read_to_string(own).or_failed("cannot read your key")?);
        let there = approval::fingerprint(own, &there).or_failed("cannot read your key")?;
        if there != given {
            return Err(Failure::usage(format!(
                "this machine has the key {there}, and {} is another one, {given}",
                path.display()
            ))
            .hint(format!(
                "leave --key out to keep the one that is here, or move {} and keys/ away first",
                files.approvers.display()
            )));
        }
        return Ok(None);
    }
    let private = text.expose_secret().trim_start().starts_with("-----BEGIN");
    Ok(Some(if private { NewKey::Saved(text) } else { NewKey::Elsewhere(text.expose_secret().to_owned()) }))
}

fn new_key(arguments: &Init) -> Result<NewKey, Failure> {
    if arguments.no_passphrase {
        return Ok(NewKey::Unprotected);
    }
    let file = arguments.passphrase.passphrase_file.as_deref();
    if file.is_none() {
        print(
            "\nYour signing key: what you approve is signed with it, and nothing is sent without. Its passphrase\n\
             is asked for whenever you approve; nobody can bring it back for you.\n",
        )?;
    }
    let first = read_passphrase(file, "New passphrase for your signing key: ")?;
    if file.is_none() {
        let second = read_passphrase(None, "Once more: ")?;
        if first.expose_secret() != second.expose_secret() {
            return Err(Failure::failed("the two passphrases differ").hint("run local-agent init again"));
        }
    }
    Ok(NewKey::Passphrase(first))
}

/// Writes a vault id that is known; another one that is there stays, and is said.
fn keep_vault_id(files: &KeyFiles, id: &str) -> Result<(), Failure> {
    if files.vault_id.exists() {
        let there = approval::read_vault_id(&files.vault_id).or_failed("cannot tell which vault this is")?;
        if there != id {
            return Err(Failure::usage(format!("this machine belongs to the vault {there}, not to {id}"))
                .hint("name another --data directory for the other vault"));
        }
        return Ok(());
    }
    write_new(&files.vault_id, &format!("{id}\n"))
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    vault::durable::write_new(path, text.as_bytes()).or_failed(format!("cannot write {}", path.display()))
}
