//! From what was measured to what the owner must hear of.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use config::{Channel, Expectation, Health};
use serde::{Deserialize, Serialize};
use task::AgentId;

use crate::Outcomes;

/// How far one source of a channel is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Coverage {
    /// The source's name, such as `gmail:work`.
    pub source: String,
    /// Its channel.
    pub channel: Channel,
    /// Everything up to here has been turned into tasks; `None`: never yet.
    pub complete_until: Option<DateTime<Utc>>,
    /// Since when every look has failed.
    pub failing_since: Option<DateTime<Utc>>,
    /// What the last failure said.
    pub last_error: Option<String>,
}

impl Coverage {
    /// The source's name as people read it: one of samples says so.
    pub fn name(&self) -> String {
        self.source
            .strip_suffix(":mock")
            .map_or_else(|| self.source.clone(), |name| format!("{name} (sample)"))
    }
}

/// What is known of another agent's life, all by the observer's own clock.
#[derive(Clone, PartialEq, Debug)]
pub struct Peer {
    /// Who.
    pub agent: AgentId,
    /// When its sign of life was last seen to change.
    pub last_sign: Option<DateTime<Utc>>,
    /// Until when it was listened to: now for a file on this machine, the last successful fetch
    /// for a remote. Silence while nobody listened is nobody's fault.
    pub listened_until: DateTime<Utc>,
}

/// Everything that [`evaluate`] looks at.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// Who observes.
    pub agent: &'a AgentId,
    /// Now, by the observer's clock.
    pub now: DateTime<Utc>,
    /// Since when the observer has been awake ([`crate::Awake`]): what happened before it is not
    /// held against anybody.
    pub awake_since: DateTime<Utc>,
    /// The other agents.
    pub peers: &'a [Peer],
    /// Free bytes where the vault is; `None` when it could not be measured.
    pub disk_free: Option<u64>,
    /// The vault's size in bytes.
    pub vault_size: Option<u64>,
    /// How the last tasks ended.
    pub outcomes: &'a Outcomes,
    /// The observer's own channels.
    pub channels: &'a [Coverage],
}

/// What an alarm is about. Two alarms about the same are the same incident.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Subject {
    /// An agent that should always be on gives no sign of life.
    Silent(AgentId),
    /// The observer's disk.
    Disk(AgentId),
    /// The vault's size on the observer's machine.
    VaultSize(AgentId),
    /// The observer's tasks fail.
    Failures(AgentId),
    /// One of the observer's sources falls behind.
    Behind(AgentId, String),
    /// A file of the observer's is not sent because of a secret in it.
    Withheld(AgentId, String),
    /// Another machine tried what it may not, and the observer did not take it.
    Foreign(AgentId, String),
    /// An audit log is not what the observer has seen of it.
    Log(AgentId),
}

impl fmt::Display for Subject {
    /// The middle part of the task's id: different for each machine, so that two observers never
    /// make the same task.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Silent(agent) => write!(f, "silent-{agent}"),
            Subject::Disk(agent) => write!(f, "disk-{agent}"),
            Subject::VaultSize(agent) => write!(f, "vault-size-{agent}"),
            Subject::Failures(agent) => write!(f, "failures-{agent}"),
            Subject::Log(agent) => write!(f, "log-{agent}"),
            Subject::Behind(agent, source) => write!(f, "behind-{agent}-{}", task::slug(source, 24)),
            Subject::Withheld(agent, path) => write!(f, "withheld-{agent}-{}", name(path)),
            Subject::Foreign(agent, path) => write!(f, "foreign-{agent}-{}", name(path)),
        }
    }
}

fn name(path: &str) -> String {
    task::slug(path.rsplit('/').next().unwrap_or(path), 24)
}

/// Something that the owner must hear of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    /// About what.
    pub subject: Subject,
    /// In a line.
    pub title: String,
    /// The figures.
    pub detail: String,
    /// What to do.
    pub remedy: &'static str,
}

/// Looks at everything and says what is wrong, in a fixed order.
pub fn evaluate(inputs: &Inputs<'_>, limits: &Health) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    for (agent, expectation) in &limits.expect {
        if *expectation == Expectation::Always && agent != inputs.agent {
            alarms.extend(silent(agent, inputs, limits));
        }
    }
    alarms.extend(inputs.disk_free.and_then(|free| disk(free, inputs, limits)));
    alarms.extend(inputs.vault_size.and_then(|size| vault_size(size, inputs, limits)));
    alarms.extend(failures(inputs, limits));
    alarms.extend(inputs.channels.iter().filter_map(|source| behind(source, inputs, limits)));
    alarms
}

fn minutes(n: u64) -> TimeDelta {
    i64::try_from(n).ok().and_then(TimeDelta::try_minutes).unwrap_or(TimeDelta::MAX)
}

fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn silent(agent: &AgentId, inputs: &Inputs<'_>, limits: &Health) -> Option<Alarm> {
    let peer = inputs.peers.iter().find(|peer| peer.agent == *agent);
    let last_sign = peer.and_then(|peer| peer.last_sign);
    // An agent of which nobody has ever heard is listened for all the same.
    let listened_until = peer.map_or(inputs.now, |peer| peer.listened_until);
    let since = last_sign.unwrap_or(inputs.awake_since).max(inputs.awake_since);
    if listened_until - since <= minutes(limits.heartbeat_alarm_minutes) {
        return None;
    }
    let detail = match last_sign {
        Some(at) => format!("its last sign of life was seen at {}", stamp(at)),
        None => "no sign of life was ever seen".to_owned(),
    };
    Some(Alarm {
        subject: Subject::Silent(agent.clone()),
        title: format!("{agent} is silent"),
        detail,
        remedy: "look whether the machine is up and the service runs (systemctl status, pm2 status); \
                 new mail and messages wait at their source meanwhile",
    })
}

const MEGABYTE: u64 = 1 << 20;

fn disk(free: u64, inputs: &Inputs<'_>, limits: &Health) -> Option<Alarm> {
    (free < limits.disk_free_megabytes.saturating_mul(MEGABYTE)).then(|| Alarm {
        subject: Subject::Disk(inputs.agent.clone()),
        title: format!("the disk of {} is almost full", inputs.agent),
        detail: format!("{} MB are free; the limit is {} MB", free / MEGABYTE, limits.disk_free_megabytes),
        remedy: "make room on that disk; without it no task can be written safely",
    })
}

fn vault_size(size: u64, inputs: &Inputs<'_>, limits: &Health) -> Option<Alarm> {
    (size > limits.vault_megabytes.saturating_mul(MEGABYTE)).then(|| Alarm {
        subject: Subject::VaultSize(inputs.agent.clone()),
        title: format!("the vault on the machine of {} is large", inputs.agent),
        detail: format!("it takes {} MB; the limit is {} MB", size / MEGABYTE, limits.vault_megabytes),
        remedy: "archive old months of Done, or raise health.vault_megabytes",
    })
}

fn failures(inputs: &Inputs<'_>, limits: &Health) -> Option<Alarm> {
    let (failed, all) = inputs.outcomes.share()?;
    let percent = failed * 100 / all;
    (percent > usize::try_from(limits.failed_percent).unwrap_or(usize::MAX)).then(|| Alarm {
        subject: Subject::Failures(inputs.agent.clone()),
        title: format!("tasks of {} fail", inputs.agent),
        detail: format!("{failed} of the last {all} failed; the limit is {} %", limits.failed_percent),
        remedy: "the reasons are in Errors, beside or in each task; fix the cause, then `local-agent retry ID`",
    })
}

fn behind(source: &Coverage, inputs: &Inputs<'_>, limits: &Health) -> Option<Alarm> {
    let since = source.complete_until.unwrap_or(inputs.awake_since).max(inputs.awake_since);
    // A restart does not make a failing source young again.
    let since = source.failing_since.map_or(since, |failing| since.min(failing));
    if inputs.now - since <= minutes(limits.watermark_minutes) {
        return None;
    }
    let until = source
        .complete_until
        .map_or("never yet complete".to_owned(), |at| format!("complete up to {}", stamp(at)));
    let error = source.last_error.as_ref().map_or(String::new(), |error| {
        format!("; the last look said: {}", error.chars().take(300).collect::<String>())
    });
    Some(Alarm {
        subject: Subject::Behind(inputs.agent.clone(), source.source.clone()),
        title: format!("{} falls behind on {}", source.source, inputs.agent),
        detail: format!("{until}{error}"),
        remedy: "if a password or token has expired, renew it; nothing is lost, it is read when the source answers again",
    })
}

#[cfg(test)]
mod tests;
