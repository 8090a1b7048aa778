//! Everything that is settled before work begins: flag beats environment beats `.env` beats
//! `config.yaml` beats default.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use config::{Config, Modes, Secret};
use policy::Finding;
use task::{AgentId, Role};

use crate::credentials::{credentials, listed};
use crate::{CommonArgs, DataDir, Env, Failure, Flags, OrFailure, Surroundings, parse_bool};

/// Which binary this is: what it is called and which roles it may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Program {
    /// `cloud-agent`
    CloudAgent,
    /// `local-agent`
    LocalAgent,
    /// `sync-watcher`
    SyncWatcher,
    /// `mcp-…`
    McpServer,
}

impl Program {
    /// Its name; the tool servers have one in common.
    pub fn name(self) -> &'static str {
        match self {
            Program::CloudAgent => "cloud-agent",
            Program::LocalAgent => "local-agent",
            Program::SyncWatcher => "sync-watcher",
            Program::McpServer => "an MCP server",
        }
    }

    /// The roles that it may have, the default first.
    pub fn roles(self) -> &'static [Role] {
        match self {
            Program::CloudAgent => &[Role::Cloud],
            Program::LocalAgent => &[Role::Local, Role::Gold],
            Program::SyncWatcher => &[Role::Local, Role::Cloud],
            Program::McpServer => &[Role::Local, Role::Cloud, Role::Gold],
        }
    }
}

/// What a program works with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// All of config.yaml, with everything that overrides it already in place and with absolute
    /// paths (relative ones are taken from the file's own folder).
    pub config: Config,
    /// Where it was read from; none when there is no file.
    pub config_file: Option<PathBuf>,
    /// The data directory.
    pub data: DataDir,
    /// The vault's folder, absolute.
    pub vault_path: PathBuf,
    /// Who this is.
    pub agent: AgentId,
    /// As what.
    pub role: Role,
    /// Rehearsal and mock switches.
    pub modes: Modes,
    /// Environment and `.env`.
    pub env: Env,
    /// Credentials whose reach cannot be inspected, on a cloud machine; to be said as long as they
    /// are there.
    pub warnings: Vec<Finding>,
}

/// Reads configuration, environment and flags of this process.
pub fn load(program: Program, args: &CommonArgs, flags: &Flags) -> Result<Setup, Failure> {
    let surroundings = Surroundings::of_process().or_failed("cannot find the working directory")?;
    load_in(&surroundings, program, args, flags)
}

/// [`load`], in surroundings that are handed in.
pub fn load_in(
    surroundings: &Surroundings,
    program: Program,
    args: &CommonArgs,
    flags: &Flags,
) -> Result<Setup, Failure> {
    let here = |path: &Path| surroundings.directory.join(path);
    let (config_file, text) = read_config(surroundings, args.config.as_deref())?;
    let mut config = config::parse(&text).map_err(|error| {
        let place = config_file.as_deref().unwrap_or(Path::new("config.yaml"));
        Failure::usage(format!("cannot use {}", place.display())).because(error)
    })?;

    let home = config_file.as_deref().and_then(Path::parent).unwrap_or(&surroundings.directory);
    let beside = home.join(".env");
    let dotenv = if beside.exists() { beside } else { here(Path::new(".env")) };
    let env = Env::of(surroundings)
        .with_file(dotenv)
        .map_err(|e| Failure::usage("cannot use the environment file").because(e))?;
    anchor(&mut config, home);

    let vault_path = match (&args.vault, &config.vault.path) {
        (Some(path), _) => here(path),
        (None, Some(path)) => path.clone(),
        (None, None) => here(Path::new("vault")),
    };
    let data_path = data_path(surroundings, args, &env)?;
    for (what, path) in [
        ("configuration", config_file.as_deref()),
        ("environment", env.file()),
        ("data directory", Some(&*data_path)),
    ] {
        outside_vault(what, path, &vault_path)?;
    }

    let role = flags
        .role
        .or(read(&env, "AGENT_ROLE", Role::from_str)?)
        .or(config.agent.role)
        .unwrap_or(program.roles()[0]);
    override_with(&mut config, &env, flags)?;
    if role == Role::Gold && config.sync.enabled {
        return Err(Failure::usage("role gold is one machine without sync, but sync.enabled is true")
            .hint("set sync.enabled: false (or GIT_SYNC_ENABLED=false), or run cloud-agent and local-agent with their own roles"));
    }
    if !program.roles().contains(&role) {
        let roles: Vec<_> = program.roles().iter().map(Role::to_string).collect();
        return Err(Failure::usage(format!("role {role} does not fit {}", program.name())).hint(format!(
            "it takes {}; see agent.role in config.yaml, AGENT_ROLE and --role",
            roles.join(" or ")
        )));
    }
    let agent = match read(&env, "AGENT_ID", |text| text.parse::<AgentId>().map_err(|e| e.to_string()))? {
        Some(agent) => agent,
        None => match config.agent.id.clone() {
            Some(agent) => agent,
            None => {
                let id = if role == Role::Cloud { "cloud-001" } else { "local-001" };
                id.parse::<AgentId>().or_usage("cannot name the agent")?
            }
        },
    };
    config.agent.id = Some(agent.clone());
    config.agent.role = Some(role);
    if role == Role::Gold {
        // A machine of its own carries out its own orders.
        config.agent.executor = agent.clone();
    }

    let data = DataDir::open(data_path)?;
    let credentials = credentials(&config, &env, &data);
    let refusals = policy::cloud_refusals(role, &credentials);
    if !refusals.is_empty() {
        return Err(Failure::usage(format!(
            "a cloud agent must not hold credentials that act; found:{}",
            listed(&refusals)
        )));
    }
    let warnings = policy::cloud_warnings(role, &credentials);
    let modes = config.modes;
    Ok(Setup { config, config_file, data, vault_path, agent, role, modes, env, warnings })
}

/// Where the data directory is or will be.
pub(crate) fn data_path(
    surroundings: &Surroundings,
    args: &CommonArgs,
    env: &Env,
) -> Result<PathBuf, Failure> {
    let here = |path: &Path| surroundings.directory.join(path);
    match (&args.data, env.get("AI_EMPLOYEE_DATA")) {
        (Some(path), _) => Ok(here(path)),
        (None, Some(path)) => Ok(here(Path::new(path))),
        (None, None) => surroundings.data_directory().ok_or_else(|| {
            Failure::usage("no place for the data directory: HOME is not set")
                .hint("name a folder with --data or AI_EMPLOYEE_DATA")
        }),
    }
}

/// The configuration's text and where it stands; empty when there is none.
fn read_config(
    surroundings: &Surroundings,
    flag: Option<&Path>,
) -> Result<(Option<PathBuf>, String), Failure> {
    let named = flag.or(surroundings.get("AI_EMPLOYEE_CONFIG").map(Path::new));
    let found = |path: PathBuf| match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((Some(path), text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::usage(format!("cannot read {}", path.display())).because(error)),
    };
    if let Some(path) = named {
        let path = surroundings.directory.join(path);
        return found(path.clone())?.ok_or_else(|| {
            Failure::usage(format!("there is no configuration at {}", path.display()))
                .hint("check --config or AI_EMPLOYEE_CONFIG")
        });
    }
    let places = [
        Some(surroundings.directory.join("config.yaml")),
        surroundings.config_directory().map(|directory| directory.join("config.yaml")),
    ];
    for path in places.into_iter().flatten() {
        if let Some(found) = found(path)? {
            return Ok(found);
        }
    }
    Ok((None, String::new()))
}

/// Makes the configuration's paths absolute, so that they mean the same in every process.
fn anchor(config: &mut Config, home: &Path) {
    let set = |path: &mut Option<PathBuf>| {
        if let Some(path) = path {
            // Without the `./` that people write.
            *path = home.join(&*path).components().collect();
        }
    };
    let secret = |secret: &mut Secret| set(&mut secret.file);
    set(&mut config.vault.path);
    set(&mut config.drafter.templates);
    set(&mut config.mcp.directory);
    set(&mut config.watchers.mock_script);
    config.drafter.llm.api_key.iter_mut().for_each(secret);
    for account in &mut config.mail {
        if let Some(imap) = &mut account.imap {
            set(&mut imap.ca_file);
            secret(&mut imap.secret);
        }
        if let Some(smtp) = &mut account.smtp {
            set(&mut smtp.ca_file);
            secret(&mut smtp.secret);
        }
    }
}

/// The vault is hostile input and is shared; what decides or is secret must not lie in it.
fn outside_vault(what: &str, path: Option<&Path>, vault: &Path) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let (real_path, real_vault) = (resolve(path), resolve(vault));
    if real_path.starts_with(&real_vault) {
        return Err(Failure::usage(format!(
            "the {what} {} lies inside the vault {}",
            path.display(),
            vault.display()
        ))
        .hint("keep it elsewhere: whatever is in the vault is shared with the other machine"));
    }
    Ok(())
}

/// The path with symlinks resolved as far as it exists.
fn resolve(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), _, _) => real,
        (Err(_), Some(parent), Some(name)) => resolve(parent).join(name),
        (Err(_), _, _) => path.to_owned(),
    }
}

/// Puts environment and flags into the configuration.
fn override_with(config: &mut Config, env: &Env, flags: &Flags) -> Result<(), Failure> {
    let modes = &mut config.modes;
    for (slot, flag, name) in [
        (&mut modes.dry_run, flags.dry_run, "DRY_RUN"),
        (&mut modes.mock_data, flags.mock, "MOCK_DATA"),
        (&mut modes.odoo_mock, flags.mock, "ODOO_MOCK"),
        (&mut modes.whatsapp_mock, flags.mock, "WHATSAPP_MOCK"),
        (&mut modes.payment_mock, flags.mock, "PAYMENT_MOCK"),
        (&mut config.sync.enabled, None, "GIT_SYNC_ENABLED"),
    ] {
        // Read even when a flag wins, so that a typo is found before the flag is left out.
        let said = read(env, name, parse_bool)?;
        if let Some(value) = flag.or(said) {
            *slot = value;
        }
    }
    for (slot, flag, name) in [
        (&mut config.sync.interval_seconds, flags.sync_interval_seconds, "GIT_SYNC_INTERVAL"),
        (&mut config.health.heartbeat_seconds, None, "HEARTBEAT_INTERVAL"),
    ] {
        let said = read(env, name, seconds)?;
        if let Some(value) = flag.or(said) {
            *slot = value;
        }
    }
    Ok(())
}

fn seconds(text: &str) -> Result<u64, String> {
    match text.trim().parse() {
        Ok(seconds) if seconds > 0 => Ok(seconds),
        _ => Err(format!("{text:?} is no number of seconds, 1 or more")),
    }
}

/// A variable's value, or which variable is wrong and where it stands.
fn read<T>(env: &Env, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Failure> {
    match env.find(name) {
        None => Ok(None),
        Some((value, place)) => {
            parse(value).map(Some).map_err(|error| Failure::usage(format!("cannot use {place}: {error}")))
        }
    }
}
