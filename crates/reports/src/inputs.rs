//! What the dashboard shows.

use chrono::{DateTime, TimeDelta, Utc};
use config::{Channel, Expectation, Health};
use health::{Coverage, Heartbeat, Note};
use task::{AgentId, Role};

use crate::Week;

/// Everything on the page.
#[derive(Clone, PartialEq, Debug)]
pub struct Inputs {
    /// When it is written.
    pub now: DateTime<Utc>,
    /// By whom.
    pub agent: AgentId,
    /// What stands in `STOP`, when there is one.
    pub stopped: Option<String>,
    /// Drafts and questions in `Pending_Approval`.
    pub waiting: Vec<TaskLine>,
    /// More of them than are listed.
    pub waiting_more: usize,
    /// Open `ERROR_HEALTH_` tasks.
    pub alarms: Vec<TaskLine>,
    /// What was set aside in `Errors`.
    pub errors: Vec<TaskLine>,
    /// More of them than are listed.
    pub errors_more: usize,
    /// Signed, and not carried out yet.
    pub approved: Vec<TaskLine>,
    /// Claimed, with the agent in [`TaskLine::who`].
    pub in_work: Vec<TaskLine>,
    /// How many wait for an agent.
    pub new: usize,
    /// Names of files in `Conflicts`.
    pub conflicts: Vec<String>,
    /// The agents that are expected or have been seen.
    pub agents: Vec<AgentLine>,
    /// Their channels.
    pub channels: Vec<ChannelLine>,
    /// The last tasks that ended, newest first.
    pub results: Vec<Result>,
    /// What stays so until somebody changes it.
    pub warnings: Vec<String>,
    /// The last seven days.
    pub week: Week,
}

/// One task.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TaskLine {
    /// The file's name without `.md`, for the link.
    pub file: String,
    /// What is shown in the link.
    pub id: String,
    /// Subject, or question.
    pub subject: String,
    /// Sender, agent, or why it was set aside.
    pub who: String,
    /// What is proposed, or that a person is needed.
    pub what: String,
    /// What happens to it without the owner, in words.
    pub by_itself: Option<String>,
    /// Since when; a date.
    pub since: Option<DateTime<Utc>>,
    /// Whether it is urgent.
    pub urgent: bool,
}

/// What is known of an agent, from its heartbeat file or its remote beat.
#[derive(Clone, PartialEq, Debug)]
pub struct AgentSign {
    /// Who.
    pub agent: AgentId,
    /// As what, if it said so.
    pub role: Option<Role>,
    /// When its sign last changed, by this machine's clock.
    pub last_sign: DateTime<Utc>,
    /// Its channels.
    pub channels: Vec<Coverage>,
    /// Words it says of itself, such as `dry`.
    pub flags: Vec<String>,
    /// What it wants the owner to know.
    pub warnings: Vec<String>,
}

impl From<&Heartbeat> for AgentSign {
    fn from(beat: &Heartbeat) -> Self {
        Self {
            agent: beat.agent.clone(),
            role: Some(beat.role),
            last_sign: beat.at,
            channels: beat.channels.clone(),
            flags: if beat.dry_run { vec!["dry".to_owned()] } else { Vec::new() },
            warnings: beat.warnings.clone(),
        }
    }
}

impl AgentSign {
    /// From a beat that came over the remote. `changed_at` is by this machine's clock.
    pub fn remote(agent: AgentId, note: &str, changed_at: DateTime<Utc>) -> Self {
        let note = Note::decode(note);
        let channels = note.channels.iter().map(|(channel, state)| Coverage {
            source: channel.name().to_owned(),
            channel: *channel,
            complete_until: state.complete_until,
            // Since when is not in the note; that it fails is.
            failing_since: state.failing.then_some(changed_at),
            last_error: None,
        });
        Self {
            agent,
            role: note.role,
            last_sign: changed_at,
            channels: channels.collect(),
            flags: note.flags.into_iter().collect(),
            warnings: Vec::new(),
        }
    }
}

/// How an agent is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AgentState {
    /// It gave a sign lately.
    Alive,
    /// It should, and does not.
    Silent,
    /// It does not, and need not.
    Off,
}

/// One agent.
#[derive(Clone, PartialEq, Debug)]
pub struct AgentLine {
    /// Who.
    pub agent: AgentId,
    /// As what.
    pub role: Option<Role>,
    /// How it is.
    pub state: AgentState,
    /// When it last gave a sign.
    pub last_sign: Option<DateTime<Utc>>,
    /// Words it says of itself.
    pub flags: Vec<String>,
}

/// How a channel is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChannelState {
    /// Complete up to a moment ago.
    Ok,
    /// Its last look failed.
    Failing,
    /// Complete up to too long ago.
    Behind,
    /// Its agent is not there to look.
    Off,
}

/// One source of a channel.
#[derive(Clone, PartialEq, Debug)]
pub struct ChannelLine {
    /// Whose.
    pub agent: AgentId,
    /// Its name.
    pub source: String,
    /// Its channel.
    pub channel: Channel,
    /// How it is.
    pub state: ChannelState,
    /// Up to when it is complete.
    pub complete_until: Option<DateTime<Utc>>,
    /// What the last failure said.
    pub error: Option<String>,
}

/// How a task ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResultKind {
    /// Carried out.
    Sent,
    /// Carried out as a rehearsal.
    Dry,
    /// No action needed.
    NothingToDo,
    /// The owner said no.
    Rejected,
    /// It went wrong.
    Failed,
    /// Nobody knows whether it was carried out.
    Unknown,
}

/// A task that ended.
#[derive(Clone, PartialEq, Debug)]
pub struct Result {
    /// The task's id.
    pub id: String,
    /// Its subject, where the file still says it.
    pub subject: String,
    /// How.
    pub kind: ResultKind,
    /// When.
    pub at: DateTime<Utc>,
}

fn minutes(n: u64) -> TimeDelta {
    i64::try_from(n).ok().and_then(TimeDelta::try_minutes).unwrap_or(TimeDelta::MAX)
}

/// Brings expectations and signs together, in the order of the agents' names.
pub(crate) fn agent_lines(signs: &[AgentSign], limits: &Health, now: DateTime<Utc>) -> Vec<AgentLine> {
    let mut names: Vec<&AgentId> = limits.expect.keys().chain(signs.iter().map(|sign| &sign.agent)).collect();
    names.sort();
    names.dedup();
    let lines = names.into_iter().map(|agent| {
        let sign = newest(signs, agent);
        let lately = sign.is_some_and(|s| now - s.last_sign <= minutes(limits.heartbeat_alarm_minutes));
        let always = limits.expect.get(agent) == Some(&Expectation::Always);
        AgentLine {
            agent: agent.clone(),
            role: sign.and_then(|sign| sign.role),
            state: match (lately, always) {
                (true, _) => AgentState::Alive,
                (false, true) => AgentState::Silent,
                (false, false) => AgentState::Off,
            },
            last_sign: sign.map(|sign| sign.last_sign),
            flags: sign.map(|sign| sign.flags.clone()).unwrap_or_default(),
        }
    });
    lines.collect()
}

/// All agents' channels, by agent and source.
pub(crate) fn channel_lines(
    signs: &[AgentSign],
    agents: &[AgentLine],
    limits: &Health,
    now: DateTime<Utc>,
) -> Vec<ChannelLine> {
    let mut lines = Vec::new();
    for agent in agents {
        let Some(sign) = newest(signs, &agent.agent) else { continue };
        for source in &sign.channels {
            let late = source.complete_until.is_none_or(|at| now - at > minutes(limits.watermark_minutes));
            let state = match agent.state {
                _ if source.failing_since.is_some() => ChannelState::Failing,
                AgentState::Off => ChannelState::Off,
                _ if late => ChannelState::Behind,
                _ => ChannelState::Ok,
            };
            lines.push(ChannelLine {
                agent: agent.agent.clone(),
                source: source.name(),
                channel: source.channel,
                state,
                complete_until: source.complete_until,
                error: source.last_error.clone().filter(|_| state == ChannelState::Failing),
            });
        }
    }
    lines.sort_by(|a, b| (&a.agent, &a.source).cmp(&(&b.agent, &b.source)));
    lines
}

/// An agent on this machine may be known by its file and by its remote beat.
fn newest<'a>(signs: &'a [AgentSign], agent: &AgentId) -> Option<&'a AgentSign> {
    signs.iter().filter(|sign| sign.agent == *agent).max_by_key(|sign| sign.last_sign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn silence_is_told_from_being_off() {
        let now: DateTime<Utc> = "2026-02-23T12:00:00Z".parse().expect("time");
        let agent = |text: &str| text.parse::<AgentId>().expect("agent");
        let limits = Health {
            expect: BTreeMap::from([
                (agent("cloud-001"), Expectation::Always),
                (agent("local-001"), Expectation::OnDemand),
            ]),
            ..Health::default()
        };
        let check = |minutes: i64, cloud: AgentState, local: AgentState, channel: ChannelState| {
            let at = now - TimeDelta::minutes(minutes);
            let note = format!("gmail={}.ok", at.timestamp());
            let signs = [
                AgentSign::remote(agent("cloud-001"), &note, at),
                AgentSign::remote(agent("local-001"), "", at),
            ];
            let agents = agent_lines(&signs, &limits, now);
            assert_eq!([agents[0].state, agents[1].state], [cloud, local]);
            assert_eq!(channel_lines(&signs, &agents, &limits, now)[0].state, channel);
        };
        check(1, AgentState::Alive, AgentState::Alive, ChannelState::Ok);
        check(6, AgentState::Silent, AgentState::Off, ChannelState::Ok);
        check(31, AgentState::Silent, AgentState::Off, ChannelState::Behind);
        assert_eq!(agent_lines(&[], &limits, now)[0].state, AgentState::Silent);
    }
}
