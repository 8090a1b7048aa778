//! An agent's sign of life, and its look at everybody's health.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use daemon::{Failure, OrFailure as _, Setup};
use health::{
    Alarm, Awake, Coverage, Heartbeat, Incidents, Inputs, Note, Outcomes, Peer, Subject, VaultSize, evaluate,
};
use serde::{Deserialize, Serialize};
use sync::Sync;
use task::{AgentId, Clock, Digest, Role, Stage};
use vault::{Handbook, Vault, durable};
use watchers::Channels;

use crate::{Found, about_handbook, calendar, handbook};

/// What is known of the other agents, kept in the data directory for `status`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Peers(BTreeMap<AgentId, PeerState>);

/// What is known of one other agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerState {
    /// Who.
    pub agent: AgentId,
    /// When its heartbeat was last seen to change, by this machine's clock.
    pub last_sign: DateTime<Utc>,
    /// When the remote was last asked.
    pub listened_until: DateTime<Utc>,
    /// What the heartbeat said of its channels and warnings; see [`health::Note`].
    pub note: String,
}

impl PeerState {
    /// For `status`: the agent, then each of its channels, in a line each.
    pub fn lines(&self, now: DateTime<Utc>) -> Vec<String> {
        let note = Note::decode(&self.note);
        let role = note.role.map(|role| format!(" ({role})")).unwrap_or_default();
        let mut first =
            format!("{}{role}, last sign of life {}", self.agent, health::ago(self.last_sign, now));
        for flag in &note.flags {
            first.push_str(&format!(", {}", health::flag_in_words(flag)));
        }
        let channels = note.channels.iter().map(|(channel, state)| {
            let failing = if state.failing { "; FAILING" } else { "" };
            format!("{:<17} {}{failing}", channel.name(), health::complete(state.complete_until, now))
        });
        std::iter::once(first).chain(channels).collect()
    }
}

/// An agent that was not heard for so long is not waited for.
const FORGOTTEN: TimeDelta = TimeDelta::days(14);

impl Peers {
    fn path(data: &Path) -> PathBuf {
        data.join("peers.json")
    }

    /// What was known last; nothing when there is nothing, or nothing readable.
    pub fn load(data: &Path) -> Self {
        let bytes = std::fs::read(Self::path(data)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// When another agent keeps other schedules than `own`: that it does, and what is to be done. One that was not heard
    /// for weeks may be gone for good.
    pub fn other_schedules(&self, own: &Digest, now: DateTime<Utc>) -> Option<(String, &'static str)> {
        let others = self.iter().filter(|peer| {
            now - peer.last_sign < FORGOTTEN && Note::decode(&peer.note).keeps_other_schedules(own)
        });
        let names: Vec<&str> = others.map(|peer| peer.agent.as_str()).collect();
        (!names.is_empty()).then(|| {
            let names = names.join(" and ");
            (
                format!("the schedules here are not those of {names}: what comes again may be done twice, or at another hour"),
                "make schedules: in config.yaml the same on both machines, and restart both agents",
            )
        })
    }

    /// One by one, by name.
    pub fn iter(&self) -> impl Iterator<Item = &PeerState> {
        self.0.values()
    }
}

/// The sign of life and the look at health, at each heartbeat.
pub struct Vitals {
    vault: Vault,
    sync: Option<Arc<Sync>>,
    agent: AgentId,
    role: Role,
    dry_run: bool,
    data: PathBuf,
    channels: Channels,
    warnings: Vec<String>,
    /// The same in words that fit into a heartbeat ref.
    flags: Vec<&'static str>,
    handbook: Handbook,
    /// What is to be said of the handbook, as of the last heartbeat.
    of_handbook: Option<String>,
    /// Of this agent's schedules.
    schedules: Digest,
    /// What is to be said of the other agents' schedules.
    of_schedules: Option<String>,
    limits: config::Health,
    remote_gap: TimeDelta,
    remote_at: Option<DateTime<Utc>>,
    peers: Peers,
    incidents: Incidents,
    outcomes: Outcomes,
    size: VaultSize,
    awake: Awake,
    started: DateTime<Utc>,
    clock: Arc<dyn Clock>,
}

impl Vitals {
    /// For a setup; `warnings` stand for as long as the agent runs.
    pub fn open(
        setup: &Setup,
        vault: Vault,
        sync: Option<Arc<Sync>>,
        channels: Channels,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let now = clock.now();
        let handbook = handbook(setup, &vault);
        let limits = setup.config.health.clone();
        let beat = i64::try_from(limits.heartbeat_seconds).unwrap_or(30);
        let remote_gap = i64::try_from(setup.config.sync.heartbeat_seconds).unwrap_or(120);
        let warnings = setup.warnings.iter().map(|w| format!("{}: {}", w.place, w.message)).collect();
        Ok(Self {
            size: VaultSize::new(vault.root()),
            incidents: Incidents::open(setup.data.root().join("incidents.json"))
                .or_failed("cannot read what is known of incidents")?,
            outcomes: Outcomes::new(limits.failed_window),
            awake: Awake::new(now, TimeDelta::seconds(beat.saturating_mul(4))),
            peers: Peers::load(setup.data.root()),
            agent: setup.agent.clone(),
            role: setup.role,
            dry_run: setup.modes.dry_run,
            data: setup.data.root().to_owned(),
            remote_gap: TimeDelta::seconds(remote_gap),
            remote_at: None,
            started: now,
            vault,
            sync,
            channels,
            warnings,
            flags: setup.warnings.iter().map(|warning| warning.flag).collect(),
            of_handbook: about_handbook(&handbook),
            schedules: calendar(setup)?.digest(),
            of_schedules: None,
            handbook,
            limits,
            clock,
        })
    }

    /// Counts how tasks ended.
    pub fn count(&mut self, found: &Found) {
        for (_, stage) in &found.worked {
            self.outcomes.record(*stage == Stage::Errors);
        }
        for _ in &found.set_aside {
            self.outcomes.record(true);
        }
    }

    /// Counts one order that was carried out, or not.
    pub fn count_order(&mut self, failed: bool) {
        self.outcomes.record(failed);
    }

    /// What stands for as long as the agent runs, and what keeps it from the other machine.
    pub fn warnings(&self) -> Vec<String> {
        let trouble = self.sync.as_ref().and_then(|sync| sync.status().trouble);
        let trouble = trouble.map(|trouble| format!("cannot synchronise: {trouble}"));
        self.warnings
            .iter()
            .cloned()
            .chain(self.of_handbook.clone())
            .chain(self.of_schedules.clone())
            .chain(trouble)
            .collect()
    }

    /// The other agents.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// This agent's channels.
    pub fn coverage(&self) -> Vec<Coverage> {
        let states = self.channels.snapshot();
        let coverage = states.into_iter().map(|state| Coverage {
            source: state.source,
            channel: state.channel,
            complete_until: state.complete_until,
            failing_since: state.failing_since,
            last_error: state.last_error,
        });
        coverage.collect()
    }

    /// The sign of life, here and at the remote, and the look at health. Whether a task was made
    /// or changed by it.
    pub async fn beat(&mut self) -> bool {
        let now = self.clock.now();
        let awake_since = self.awake.tick(now);
        let handbook = self.handbook.clone();
        if let Ok(said) = tokio::task::spawn_blocking(move || about_handbook(&handbook)).await {
            self.of_handbook = said;
        }
        let coverage = self.coverage();
        let heartbeat = Heartbeat {
            agent: self.agent.clone(),
            role: self.role,
            pid: std::process::id(),
            at: now,
            started: self.started,
            dry_run: self.dry_run,
            memory: health::resident_memory(),
            channels: coverage.clone(),
            warnings: self.warnings(),
        };
        if let Err(error) = heartbeat.write(&self.vault) {
            tracing::warn!("{error}");
        }
        self.beat_remote(now, &coverage).await;
        let peers: Vec<Peer> = self
            .peers
            .iter()
            .map(|peer| Peer {
                agent: peer.agent.clone(),
                last_sign: Some(peer.last_sign),
                listened_until: peer.listened_until,
            })
            .collect();
        let mut alarms = evaluate(
            &Inputs {
                agent: &self.agent,
                now,
                awake_since,
                peers: &peers,
                disk_free: health::disk_free(self.vault.root()).ok(),
                vault_size: self.size.bytes(now).ok(),
                outcomes: &self.outcomes,
                channels: &coverage,
            },
            &self.limits,
        );
        alarms.extend(self.look_at_logs().await);
        if let Some(status) = self.sync.as_ref().map(|sync| sync.status()) {
            alarms.extend(health::withheld(&self.agent, &status.withheld));
            alarms.extend(health::foreign(&self.agent, &status.foreign));
        }
        let changes = self.incidents.update(&self.vault, &self.agent, &alarms, now);
        for error in &changes.failed {
            tracing::warn!("{error}");
        }
        !changes.opened.is_empty() || !changes.recovered.is_empty()
    }

    /// Whether the other agents' logs go on from where they were seen last.
    async fn look_at_logs(&self) -> Option<Alarm> {
        let (vault, agent) = (self.vault.clone(), self.agent.clone());
        let noted = tokio::task::spawn_blocking(move || vault.note_heads(&agent)).await;
        let bad = match noted {
            Ok(Ok(bad)) => bad.into_iter().next()?,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the other agents' logs were not looked at");
                return None;
            }
            // It has panicked, which has been said, or the runtime is ending.
            Err(_) => return None,
        };
        let reason = bad.result.err()?;
        Some(Alarm {
            subject: Subject::Log(self.agent.clone()),
            title: "an audit log was cut or rewritten".to_owned(),
            detail: format!("{}, {reason}", bad.path.display()),
            remedy: "run local-agent log verify, and find out what had access to the other machine or to the \
                     repository; until then trust neither",
        })
    }

    async fn beat_remote(&mut self, now: DateTime<Utc>, coverage: &[Coverage]) {
        let Some(sync) = self.sync.clone() else { return };
        if self.remote_at.is_some_and(|at| now >= at && now - at < self.remote_gap) {
            return;
        }
        self.remote_at = Some(now);
        let mut flags = self.flags.clone();
        if self.of_handbook.is_some() {
            flags.push("handbook");
        }
        if self.dry_run {
            flags.push("dry");
        }
        let note = Note::of(coverage, &flags).of_agent(self.role, &self.schedules).encode();
        if let Err(error) = sync.beat(&note).await {
            tracing::debug!("no heartbeat at the remote: {error}");
            return;
        }
        let listened_until = sync.status().last_seen.unwrap_or(self.started);
        for beat in sync.beats().await.into_iter().filter(|beat| beat.agent != self.agent) {
            let state = PeerState {
                agent: beat.agent.clone(),
                last_sign: beat.changed_at,
                listened_until,
                note: beat.note,
            };
            self.peers.0.insert(beat.agent, state);
        }
        let other = self.peers.other_schedules(&self.schedules, now);
        let of_schedules = other.map(|(what, remedy)| format!("{what}; {remedy}"));
        if of_schedules != self.of_schedules {
            match &of_schedules {
                Some(said) => tracing::warn!("{said}"),
                None => tracing::info!("all agents keep the same schedules again"),
            }
            self.of_schedules = of_schedules;
        }
        let path = Peers::path(&self.data);
        let saved = serde_json::to_vec(&self.peers).map(|bytes| durable::replace(&path, &bytes));
        if let Ok(Err(error)) = saved {
            tracing::warn!("cannot keep what is known of the other agents: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_of_another_machine_that_differ_are_said_and_those_of_one_that_is_gone_are_not() {
        let now: DateTime<Utc> = "2026-02-23T12:00:00Z".parse().expect("time");
        let (own, other) = (Digest::of("every Monday"), Digest::of("every Tuesday"));
        let peers = |schedules: &Digest, days: i64| {
            let agent: AgentId = "cloud-001".parse().expect("agent");
            let last_sign = now - TimeDelta::days(days);
            let note = Note::default().of_agent(Role::Cloud, schedules).encode();
            let state = PeerState { agent: agent.clone(), last_sign, listened_until: now, note };
            Peers(BTreeMap::from([(agent, state)]))
        };
        assert_eq!(peers(&own, 0).other_schedules(&own, now), None);
        let (what, remedy) = peers(&other, 0).other_schedules(&own, now).expect("they differ");
        assert!(what.contains("not those of cloud-001"), "{what}");
        assert!(remedy.contains("schedules: in config.yaml"), "{remedy}");
        assert_eq!(peers(&other, 20).other_schedules(&own, now), None);
    }

    #[test]
    fn another_agent_is_told_in_a_line_and_each_of_its_channels_in_one() {
        let now: DateTime<Utc> = "2026-02-23T12:00:00Z".parse().expect("time");
        let peer = PeerState {
            agent: "cloud-001".parse().expect("agent"),
            last_sign: now - TimeDelta::seconds(47),
            listened_until: now,
            note: format!("gmail={}.ok_x=0.bad_role=cloud_dry", now.timestamp() - 600),
        };
        assert_eq!(
            peer.lines(now),
            [
                "cloud-001 (cloud), last sign of life 47 s ago, dry run",
                "gmail             complete up to 10 min ago",
                "x                 never complete yet; FAILING"
            ]
        );
    }
}
