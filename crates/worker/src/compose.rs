//! Putting the parts together from a program's setup, the same way on both machines.

use std::sync::Arc;
use std::time::Duration;

use claim::Claims;
use config::Channel;
use daemon::{Failure, OrFailure as _, Setup};
use drafter::Accounts;
use policy::Class;
use scheduler::{Calendar, Diary};
use secrecy::SecretString;
use sync::{Side, Sync};
use task::{Clock, Role};
use vault::{KillSwitch, Limits, Vault};
use watchers::{ImapOptions, Source, Watchers, imap_source, mock_sources, scripted_sources};

use crate::{Agenda, LoopSettings, Parts, Toolbox, Vitals, Worker, handbook, session_settings};

/// The owner's address where no mailbox is configured.
pub(crate) const NOBODY: &str = "owner@example.com";

/// The vault, the other machine, and everything between them.
pub struct Composed {
    /// The folder.
    pub vault: Vault,
    /// The other machine; absent without sync.
    pub sync: Option<Arc<Sync>>,
    /// The cycle.
    pub worker: Worker,
    /// The frame around the sources; see [`sources`].
    pub watchers: Watchers,
    /// The sign of life.
    pub vitals: Vitals,
    /// What is due by itself; for [`Worker::keep`], once somebody does its duties.
    pub agenda: Agenda,
}

/// Reads the schedules of a setup.
pub fn calendar(setup: &Setup) -> Result<Calendar, Failure> {
    Calendar::new(&setup.config.schedules)
        .or_usage("cannot keep the schedules of config.yaml")
        .map_err(|failure| failure.hint("mend schedules: in config.yaml, on both machines alike"))
}

/// Opens the vault of a setup.
pub fn open_vault(setup: &Setup) -> Result<Vault, Failure> {
    let limits = Limits { max_task_bytes: setup.config.vault.max_task_bytes };
    match Vault::open(&setup.vault_path, limits) {
        Ok(vault) => Ok(vault.keeping_heads(setup.data.log_heads())),
        // Starting again does not help.
        Err(error @ vault::OpenError::Newer { .. }) => Err(Failure::usage(error.to_string())),
        Err(error) => {
            Err(Failure::failed(format!("cannot open the vault {}", setup.vault_path.display()))
                .because(error))
        }
    }
}

/// Opens the vault's Git, if the setup has any.
pub async fn open_sync(
    setup: &Setup,
    vault: &Vault,
    clock: Arc<dyn Clock>,
) -> Result<Option<Arc<Sync>>, Failure> {
    if !setup.config.sync.enabled {
        return Ok(None);
    }
    if setup.config.sync.remote.is_none() {
        return Err(Failure::usage("sync is enabled, but sync.remote names no repository")
            .hint("set sync.remote in config.yaml to your private repository, or sync.enabled: false"));
    }
    let settings = sync::Settings {
        vault: vault.clone(),
        config: setup.config.sync.clone(),
        agent: setup.agent.clone(),
        state_dir: setup.data.sync(),
        side: if setup.role == Role::Cloud { Side::Other } else { Side::Owner },
    };
    let sync = Sync::open_guarded(settings, clock, Arc::new(daemon::secret_scanner(setup)?))
        .or_failed("cannot open the vault's Git repository")?;
    Ok(Some(Arc::new(sync)))
}

/// Puts everything together that both agents have.
pub async fn compose(setup: &Setup, clock: Arc<dyn Clock>) -> Result<Composed, Failure> {
    let config = &setup.config;
    let agenda = Agenda::new(calendar(setup)?, Diary::open(setup.data.diary()));
    let vault = open_vault(setup)?;
    let sync = open_sync(setup, &vault, Arc::clone(&clock)).await?;
    if let Err(error) = handbook(setup, &vault).keep_template() {
        tracing::warn!("{error}");
    }
    let claims = Claims::new(
        vault.clone(),
        claim::Settings {
            agent: setup.agent.clone(),
            executor: config.agent.executor.clone(),
            state_file: setup.data.claims(),
            stale_after: Duration::from_secs(config.claims.stale_minutes * 60),
        },
        Arc::clone(&clock),
    );
    let claims = match &sync {
        Some(sync) => claims.published_by(Arc::clone(sync) as Arc<dyn claim::Publisher>),
        None => claims,
    };
    let worker = Worker::new(Parts {
        vault: vault.clone(),
        claims,
        sync: sync.clone(),
        drafter: drafter::build(
            &config.drafter,
            model_key(setup)?,
            setup.data.budget(),
            tool_servers(setup)?,
            Arc::clone(&clock),
        )
        .or_usage("cannot set up the drafter")?,
        tools: Some(Toolbox::open(setup)?),
        agent: setup.agent.clone(),
        role: setup.role,
        owner_name: config.owner.name.clone(),
        accounts: accounts(setup),
        limits: config.claims.clone(),
        allowance: config.limits.clone(),
        quiet: Duration::from_secs(config.vault.quiet_seconds),
        handbook: handbook(setup, &vault),
        in_work: setup.data.in_work(),
        kill_switch: match setup.role {
            Role::Cloud => KillSwitch::following(vault.clone()),
            Role::Local | Role::Gold => KillSwitch::new(vault.clone(), setup.data.stopped()),
        },
        clock: Arc::clone(&clock),
    });
    let watchers =
        Watchers::new(vault.clone(), setup.data.watch(), (&config.watchers).into(), Arc::clone(&clock));
    let vitals = Vitals::open(setup, vault.clone(), sync.clone(), watchers.channels(), clock)?;
    Ok(Composed { vault, sync, worker, watchers, vitals, agenda })
}

/// The owner's accounts of a setup; those of the sample services where they stand in.
pub(crate) fn accounts(setup: &Setup) -> Accounts {
    let (config, modes) = (&setup.config, &setup.modes);
    let sample = |mocked: bool, name: &str| mocked.then(|| name.to_owned());
    let social = config.social.as_ref();
    let page = |of: fn(&config::Social) -> &Option<config::Page>| {
        let page = social.and_then(|social| of(social).as_ref());
        page.map(|page| page.id.clone()).or_else(|| sample(modes.mock_data, "owner"))
    };
    Accounts {
        mail: config
            .mail
            .first()
            .map(|mail| mail.address.clone())
            .or_else(|| sample(modes.mock_data, NOBODY)),
        books: config
            .odoo
            .as_ref()
            .map(|odoo| odoo.database.clone())
            .or_else(|| sample(modes.odoo_mock, "books")),
        linkedin: page(|social| &social.linkedin),
        facebook: page(|social| &social.facebook),
        instagram: page(|social| &social.instagram),
        x: page(|social| &social.x),
        whatsapp: config
            .whatsapp
            .as_ref()
            .map(|whatsapp| whatsapp.phone_number_id.clone())
            .or_else(|| sample(modes.whatsapp_mock, "+4915155500001")),
    }
}

/// The tool servers, for a drafter that starts them itself.
fn tool_servers(setup: &Setup) -> Result<drafter::ToolServers, Failure> {
    let settings = session_settings(setup, Class::Draft)?;
    Ok(drafter::ToolServers {
        directory: settings.directory,
        config: settings.config,
        data: settings.data,
        environment: settings.environment,
        folder: setup.data.root().join("claude"),
    })
}

fn model_key(setup: &Setup) -> Result<Option<SecretString>, Failure> {
    let drafter = &setup.config.drafter;
    match &drafter.llm.api_key {
        Some(secret) if drafter.kind == config::DrafterKind::Llm => {
            setup.env.secret(secret, "drafter.llm.api_key").map(Some).map_err(Failure::from)
        }
        _ => Ok(None),
    }
}

/// The channels that a role watches: WhatsApp stays on the owner's machine, the rest is the
/// cloud's, and a single machine watches all.
fn channels(role: Role) -> impl Fn(&Channel) -> bool {
    move |channel| match role {
        Role::Cloud => *channel != Channel::Whatsapp,
        Role::Local => *channel == Channel::Whatsapp,
        Role::Gold => true,
    }
}

/// The sources of a setup: sample events in mock mode, real accounts otherwise.
pub fn sources(setup: &Setup) -> Vec<Box<dyn Source>> {
    let config = &setup.config;
    let mine = channels(setup.role);
    if setup.modes.mock_data {
        let mocked: Vec<Channel> = config.watchers.mock_channels.iter().copied().filter(mine).collect();
        return match &config.watchers.mock_script {
            Some(script) => scripted_sources(&mocked, script),
            None => mock_sources(&mocked),
        };
    }
    if !mine(&Channel::Gmail) {
        return Vec::new();
    }
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    for account in &config.mail {
        let (env, place) = (setup.env.clone(), format!("mail account {}", account.name));
        let Some(secret) = account.imap.as_ref().map(|imap| imap.secret.clone()) else { continue };
        let read = Arc::new(move || env.secret(&secret, &place).map_err(|error| error.to_string()));
        if let Some(source) = imap_source(account, read, ImapOptions::from(&config.watchers)) {
            sources.push(Box::new(source));
        }
    }
    sources
}

/// How often the loop wakes up, from the configuration.
pub fn loop_settings(setup: &Setup) -> LoopSettings {
    let config = &setup.config;
    LoopSettings {
        poll: Duration::from_secs(config.watchers.poll_seconds.min(config.vault.quiet_seconds.max(1))),
        sync: Duration::from_secs(config.sync.interval_seconds),
        push_gap: Duration::from_secs(config.sync.push_gap_seconds),
        beat: Duration::from_secs(config.health.heartbeat_seconds),
    }
}
