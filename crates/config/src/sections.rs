//! The sections of `config.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use task::{AgentId, Role};

use crate::{
    Approval, BankApi, ClaudeCode, Drafter, Imap, ImapAuth, Limits, Llm, MailAccount, Odoo, OdooApi, Page,
    Payment, SaveSent, Schedules, Secret, Security, Smtp, Social, Whatsapp,
};

/// All of `config.yaml`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who this machine is.
    pub agent: AgentSection,
    /// Whose assistant it is.
    pub owner: Owner,
    /// Rehearsal and mock switches.
    pub modes: Modes,
    /// The folder.
    pub vault: Vault,
    /// The private Git repository.
    pub sync: Sync,
    /// Claims and retries.
    pub claims: Claims,
    /// Alarms.
    pub health: Health,
    /// What comes again by itself.
    pub schedules: Schedules,
    /// Polling.
    pub watchers: Watchers,
    /// Mail accounts.
    pub mail: Vec<MailAccount>,
    /// Who writes the drafts.
    pub drafter: Drafter,
    /// What an approval needs, and how long it lasts.
    pub approval: Approval,
    /// How much may leave.
    pub limits: Limits,
    /// The MCP servers.
    pub mcp: Mcp,
    /// The live books.
    pub odoo: Option<Odoo>,
    /// The live bank.
    pub payment: Option<Payment>,
    /// The live pages.
    pub social: Option<Social>,
    /// The WhatsApp Cloud API.
    pub whatsapp: Option<Whatsapp>,
}

impl Config {
    /// What the types alone cannot say; the error is a fragment.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut names = BTreeSet::new();
        for account in &self.mail {
            if !names.insert(&account.name) {
                return Err(format!("mail has two accounts named {:?}", account.name));
            }
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if account.name.is_empty() || !account.name.chars().all(plain) {
                return Err(format!("mail account name {:?} may have a-z, 0-9 and '-' only", account.name));
            }
        }
        for (key, value) in [
            ("sync.interval_seconds", self.sync.interval_seconds),
            ("sync.timeout_seconds", self.sync.timeout_seconds),
            ("watchers.poll_seconds", self.watchers.poll_seconds),
            ("health.heartbeat_seconds", self.health.heartbeat_seconds),
            ("mcp.timeout_seconds", self.mcp.timeout_seconds),
            ("drafter.claude_code.timeout_seconds", self.drafter.claude_code.timeout_seconds),
        ] {
            if value == 0 {
                return Err(format!("{key} must be at least 1"));
            }
        }
        self.odoo.as_ref().map_or(Ok(()), Odoo::check)?;
        self.schedules.check()?;
        self.limits.check()
    }

    /// A configuration with every optional part present, to show all keys that exist.
    pub fn sample() -> Self {
        let secret = |name: &str| Secret { env: Some(name.into()), file: Some("/path/to/secret".into()) };
        let agent = |id: &str| AgentId::new(id).ok();
        let page = |name: &str| Page {
            id: "1".into(),
            secret: secret(name),
            url: Some("https://example.com".into()),
            version: Some("v23.0".into()),
            media_url: Some("https://media.example.com".into()),
        };
        Self {
            agent: AgentSection { id: agent("local-001"), role: Some(Role::Local), ..Default::default() },
            sync: Sync { remote: Some("git@example.com:owner/vault.git".into()), ..Default::default() },
            health: Health {
                expect: agent("cloud-001").map(|id| (id, Expectation::Always)).into_iter().collect(),
                ..Default::default()
            },
            mail: vec![MailAccount {
                name: "work".into(),
                address: "owner@example.com".into(),
                imap: Some(Imap {
                    host: "imap.example.com".into(),
                    port: 993,
                    security: Security::Tls,
                    user: "owner@example.com".into(),
                    auth: ImapAuth::Password,
                    secret: secret("WORK_IMAP_PASSWORD"),
                    folder: "INBOX".into(),
                    ca_file: Some("/path/to/ca.pem".into()),
                    authserv_id: Some("mx.example.com".into()),
                    granted_scopes: vec!["read".into()],
                    token_info: Some("https://oauth2.example.com/tokeninfo".into()),
                }),
                smtp: Some(Smtp {
                    host: "smtp.example.com".into(),
                    port: 465,
                    security: Security::Tls,
                    user: "owner@example.com".into(),
                    auth: ImapAuth::Password,
                    secret: secret("WORK_SMTP_PASSWORD"),
                    ca_file: Some("/path/to/ca.pem".into()),
                }),
                save_sent: SaveSent::Auto,
                append_drafts: false,
            }],
            drafter: Drafter {
                templates: Some("/path/to/templates".into()),
                llm: Llm {
                    endpoint: Some("http://127.0.0.1:8080/v1/".into()),
                    api_key: Some(secret("ANTHROPIC_API_KEY")),
                    ..Default::default()
                },
                claude_code: ClaudeCode { model: Some("sonnet".into()), ..Default::default() },
                ..Default::default()
            },
            watchers: Watchers { mock_script: Some("events.jsonl".into()), ..Default::default() },
            schedules: Schedules::sample(),
            limits: Limits::sample(),
            mcp: Mcp { directory: Some("/usr/local/bin".into()), ..Default::default() },
            odoo: Some(Odoo {
                url: "https://books.example.com".into(),
                database: "books".into(),
                api: OdooApi::Jsonrpc,
                user: Some("assistant@example.com".into()),
                secret: secret("ODOO_API_KEY"),
                ca_file: Some("/path/to/ca.pem".into()),
                timeout_seconds: 20,
            }),
            payment: Some(Payment {
                provider: BankApi::Mercury,
                url: "https://api.mercury.com/api/v1".into(),
                secret: secret("MERCURY_API_KEY"),
                key_hours: 24,
                ca_file: Some("/path/to/ca.pem".into()),
                timeout_seconds: 20,
            }),
            social: Some(Social {
                x: Some(page("X_ACCESS_TOKEN")),
                linkedin: Some(page("LINKEDIN_ACCESS_TOKEN")),
                facebook: Some(page("FACEBOOK_PAGE_TOKEN")),
                instagram: Some(page("INSTAGRAM_TOKEN")),
                ca_file: Some("/path/to/ca.pem".into()),
                timeout_seconds: 20,
            }),
            whatsapp: Some(Whatsapp {
                phone_number_id: "106540352242922".into(),
                secret: secret("WHATSAPP_TOKEN"),
                url: "https://graph.facebook.com".into(),
                version: "v23.0".into(),
                ca_file: Some("/path/to/ca.pem".into()),
                timeout_seconds: 20,
            }),
            vault: Vault { path: Some("./vault".into()), ..Default::default() },
            ..Default::default()
        }
    }
}

/// `agent:`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentSection {
    /// This agent's name; `cloud-001` or `local-001` by binary when absent.
    pub id: Option<AgentId>,
    /// This agent's role; by binary when absent.
    pub role: Option<Role>,
    /// The one agent that carries out orders, and takes WhatsApp and payment tasks.
    pub executor: AgentId,
}

impl Default for AgentSection {
    fn default() -> Self {
        #[expect(clippy::unwrap_used, reason = "a constant that fits the rule")]
        let executor = AgentId::new("local-001").unwrap();
        Self { id: None, role: None, executor }
    }
}

/// `owner:`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Owner {
    /// How drafts are signed.
    pub name: String,
}

impl Default for Owner {
    fn default() -> Self {
        Self { name: "The Owner".into() }
    }
}

/// `modes:`; each is overridden by the environment (`DRY_RUN`, `MOCK_DATA`, `ODOO_MOCK`,
/// `WHATSAPP_MOCK`, `PAYMENT_MOCK`) and by flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Modes {
    /// Skip DRAFT and DANGEROUS calls; finish only dry orders.
    pub dry_run: bool,
    /// Fixed sample events instead of channels; mail and social servers hold sample data.
    pub mock_data: bool,
    /// The Odoo server holds sample data.
    pub odoo_mock: bool,
    /// The WhatsApp server holds sample data.
    pub whatsapp_mock: bool,
    /// The payment server holds sample data.
    pub payment_mock: bool,
}

impl Default for Modes {
    fn default() -> Self {
        Self { dry_run: true, mock_data: true, odoo_mock: true, whatsapp_mock: true, payment_mock: true }
    }
}

/// `vault:`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vault {
    /// The folder; `./vault` when absent.
    pub path: Option<PathBuf>,
    /// The largest task file that is read, in bytes.
    pub max_task_bytes: u64,
    /// How long a file in Inbox, or a half-written one, must be quiet before it is taken up.
    pub quiet_seconds: u64,
}

impl Default for Vault {
    fn default() -> Self {
        Self { path: None, max_task_bytes: 1 << 20, quiet_seconds: 30 }
    }
}

/// `sync:`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sync {
    /// Whether the vault is synchronised at all.
    pub enabled: bool,
    /// The private repository's address, as `git` takes it.
    pub remote: Option<String>,
    /// Its branch.
    pub branch: String,
    /// Time between two pulls when nothing else happens.
    pub interval_seconds: u64,
    /// The shortest time between two pushes of ordinary changes; claims are not held up.
    pub push_gap_seconds: u64,
    /// How long one `git` command may take.
    pub timeout_seconds: u64,
    /// How often a heartbeat goes to the remote; at least 120 with hosted remotes.
    pub heartbeat_seconds: u64,
    /// Whether approved orders are carried out while the remote, which lets one machine have each of
    /// them, is out of reach. Only where it has confirmed this machine's seat before.
    pub orders_offline: bool,
    /// The largest file that is taken from the remote, in bytes.
    pub max_file_bytes: u64,
    /// The most files that a vault may have.
    pub max_files: u64,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            enabled: false,
            remote: None,
            branch: "main".into(),
            interval_seconds: 60,
            push_gap_seconds: 5,
            timeout_seconds: 60,
            heartbeat_seconds: 120,
            orders_offline: true,
            max_file_bytes: 4 << 20,
            max_files: 1_000_000,
        }
    }
}

/// `claims:`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Claims {
    /// After how long without any change another agent takes a claim back.
    pub stale_minutes: u64,
    /// How long work on one task may take.
    pub work_minutes: u64,
    /// How often a task is tried before it goes to Errors.
    pub max_attempts: u32,
    /// Before the second try, in seconds; doubled with each further one.
    pub retry_seconds: u32,
    /// After so many minutes a task comes back from Errors by itself, where the cause may be over;
    /// four times as long with each further time.
    pub return_minutes: u32,
    /// So often it does; then it is left to the owner.
    pub returns: u32,
    /// How many tasks are claimed in one cycle.
    pub per_cycle: usize,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            stale_minutes: 60,
            work_minutes: 30,
            max_attempts: 3,
            retry_seconds: 30,
            return_minutes: 60,
            returns: 3,
            per_cycle: 20,
        }
    }
}

/// When an agent's silence is an incident.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// It should always be on.
    Always,
    /// It is on when its owner is.
    OnDemand,
}

/// `health:`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Health {
    /// Which agents there are, and whether silence is an incident.
    pub expect: BTreeMap<AgentId, Expectation>,
    /// How often the heartbeat file is written.
    pub heartbeat_seconds: u64,
    /// Alarm when an agent that is always on has been silent for so long.
    pub heartbeat_alarm_minutes: u64,
    /// Alarm when less disk is free.
    pub disk_free_megabytes: u64,
    /// Alarm when the vault is larger.
    pub vault_megabytes: u64,
    /// Alarm when more of the recent tasks failed.
    pub failed_percent: u64,
    /// How many tasks are recent.
    pub failed_window: usize,
    /// Alarm when a channel has not been complete for so long.
    pub watermark_minutes: u64,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            expect: BTreeMap::new(),
            heartbeat_seconds: 30,
            heartbeat_alarm_minutes: 5,
            disk_free_megabytes: 500,
            vault_megabytes: 2_000,
            failed_percent: 20,
            failed_window: 20,
            watermark_minutes: 30,
        }
    }
}

/// A channel that events come from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Mail, whatever the provider.
    Gmail,
    /// LinkedIn
    Linkedin,
    /// Facebook
    Facebook,
    /// Instagram
    Instagram,
    /// X
    X,
    /// WhatsApp, on the owner's machine only.
    Whatsapp,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Channel; 6] = [
        Channel::Gmail,
        Channel::Linkedin,
        Channel::Facebook,
        Channel::Instagram,
        Channel::X,
        Channel::Whatsapp,
    ];

    /// The name, as in tasks and on the dashboard.
    pub fn name(self) -> &'static str {
        match self {
            Channel::Gmail => "gmail",
            Channel::Linkedin => "linkedin",
            Channel::Facebook => "facebook",
            Channel::Instagram => "instagram",
            Channel::X => "x",
            Channel::Whatsapp => "whatsapp",
        }
    }
}

/// `watchers:`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Watchers {
    /// Time between two looks at a source that cannot notify.
    pub poll_seconds: u64,
    /// How many events one look may turn into tasks.
    pub max_per_poll: usize,
    /// How many days back the first look at a mailbox takes up unread mail.
    pub first_days: u32,
    /// Which channels have sample events in mock mode.
    pub mock_channels: Vec<Channel>,
    /// A file with events of your own for mock mode, in place of the sample events.
    pub mock_script: Option<PathBuf>,
}

impl Default for Watchers {
    fn default() -> Self {
        Self {
            poll_seconds: 60,
            max_per_poll: 20,
            first_days: 7,
            mock_channels: Channel::ALL.to_vec(),
            mock_script: None,
        }
    }
}

/// `mcp:`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mcp {
    /// Where the server binaries are; beside the agent's own when absent.
    pub directory: Option<PathBuf>,
    /// How long one tool call may take.
    pub timeout_seconds: u64,
}

impl Default for Mcp {
    fn default() -> Self {
        Self { directory: None, timeout_seconds: 60 }
    }
}
