use super::*;
use std::collections::BTreeMap;

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-02-23T{text}:00Z").parse().expect("time")
}

fn agent(text: &str) -> AgentId {
    text.parse().expect("agent")
}

fn limits() -> Health {
    Health {
        expect: BTreeMap::from([
            (agent("cloud-001"), Expectation::Always),
            (agent("local-001"), Expectation::OnDemand),
        ]),
        ..Health::default()
    }
}

struct Scene {
    agent: AgentId,
    awake_since: DateTime<Utc>,
    peers: Vec<Peer>,
    disk_free: Option<u64>,
    vault_size: Option<u64>,
    outcomes: Outcomes,
    channels: Vec<Coverage>,
}

/// Evaluates at 12:00 what is fine but for what `change` changes.
fn check(change: impl FnOnce(&mut Scene), expected: &[&str]) {
    let mut scene = Scene {
        agent: agent("local-001"),
        awake_since: at("08:00"),
        peers: peer(Some("11:58"), "12:00"),
        disk_free: Some(10 << 30),
        vault_size: Some(1 << 20),
        outcomes: Outcomes::new(20),
        channels: vec![],
    };
    change(&mut scene);
    let inputs = Inputs {
        agent: &scene.agent,
        now: at("12:00"),
        awake_since: scene.awake_since,
        peers: &scene.peers,
        disk_free: scene.disk_free,
        vault_size: scene.vault_size,
        outcomes: &scene.outcomes,
        channels: &scene.channels,
    };
    let alarms = evaluate(&inputs, &limits());
    let subjects: Vec<String> = alarms.iter().map(|alarm| alarm.subject.to_string()).collect();
    assert_eq!(subjects, expected);
}

fn peer(last_sign: Option<&str>, listened_until: &str) -> Vec<Peer> {
    vec![Peer { agent: agent("cloud-001"), last_sign: last_sign.map(at), listened_until: at(listened_until) }]
}

#[test]
fn an_agent_that_should_be_on_and_is_silent_alarms() {
    check(|_| {}, &[]);
    check(|s| s.peers = peer(Some("11:54"), "12:00"), &["silent-cloud-001"]);
    check(|s| s.peers = peer(None, "12:00"), &["silent-cloud-001"]);
    check(|s| s.peers = vec![], &["silent-cloud-001"]);
}

#[test]
fn a_laptop_that_sleeps_is_no_incident() {
    // Nobody listened since 11:00, so nobody was silent.
    check(|s| s.peers = peer(Some("10:59"), "11:00"), &[]);
    // Just woken up: what was seen before the night is not held against anybody.
    let woken = |s: &mut Scene| {
        s.peers = peer(Some("01:00"), "12:00");
        s.awake_since = at("11:58");
    };
    check(woken, &[]);
    // The local agent itself is on demand, seen from the cloud.
    let from_the_cloud = |s: &mut Scene| {
        s.agent = agent("cloud-001");
        s.peers = vec![];
    };
    check(from_the_cloud, &[]);
}

#[test]
fn a_full_disk_and_a_large_vault_alarm() {
    check(|s| s.disk_free = Some((500 << 20) - 1), &["disk-local-001"]);
    check(|s| s.disk_free = Some(500 << 20), &[]);
    check(|s| s.vault_size = Some((2000 << 20) + 1), &["vault-size-local-001"]);
    check(|s| (s.disk_free, s.vault_size) = (None, None), &[]);
}

#[test]
fn more_than_a_fifth_of_recent_tasks_failed() {
    let failed =
        |failed: usize, all: usize| move |s: &mut Scene| (0..all).for_each(|n| s.outcomes.record(n < failed));
    check(failed(4, 4), &[]);
    check(failed(4, 20), &[]);
    check(failed(5, 20), &["failures-local-001"]);
    // Older ones are forgotten.
    check(failed(20, 40), &[]);
}

#[test]
fn a_channel_that_falls_behind_alarms_even_if_the_process_restarts() {
    let source = |until: Option<&str>, failing: Option<&str>, awake: &str| {
        let (until, failing, awake) = (until.map(at), failing.map(at), at(awake));
        move |s: &mut Scene| {
            s.awake_since = awake;
            s.channels = vec![Coverage {
                source: "gmail:Work & Co".to_owned(),
                channel: Channel::Gmail,
                complete_until: until,
                failing_since: failing,
                last_error: Some("AUTHENTICATIONFAILED".to_owned()),
            }];
        }
    };
    let behind = ["behind-local-001-gmail-work-co"];
    check(source(Some("11:31"), None, "08:00"), &[]);
    check(source(Some("11:29"), None, "08:00"), &behind);
    check(source(None, None, "08:00"), &behind);
    check(source(Some("11:29"), None, "11:50"), &[]);
    check(source(Some("09:00"), Some("11:20"), "11:50"), &behind);
}
