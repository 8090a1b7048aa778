use super::*;
use crate::{AgentLine, ChannelLine, Day, Result};
use config::Channel;
use task::Role;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("time")
}

fn line(file: &str, subject: &str, who: &str, what: &str) -> TaskLine {
    TaskLine {
        file: file.to_owned(),
        id: file.trim_start_matches("APPROVE_").to_owned(),
        subject: subject.to_owned(),
        who: who.to_owned(),
        what: what.to_owned(),
        by_itself: None,
        since: Some(at("2026-02-23T03:15:02Z")),
        urgent: false,
    }
}

fn busy() -> Inputs {
    let now = at("2026-02-23T12:00:00Z");
    let first: chrono::NaiveDate = "2026-02-17".parse().expect("day");
    Inputs {
        now,
        agent: "local-001".parse().expect("agent"),
        stopped: None,
        waiting: vec![
            TaskLine {
                urgent: true,
                ..line(
                    "APPROVE_EMAIL_20260223_alice",
                    "Q1 invoice",
                    "alice@example.com",
                    "mail to alice@example.com",
                )
            },
            line(
                "APPROVE_SOCIAL_1",
                "![x](http://evil) [[Home]] | # <img>\n\u{202e}txt",
                "<b>Bob</b>",
                "needs you: Which date?",
            ),
        ],
        waiting_more: 0,
        alarms: vec![line("ERROR_HEALTH_silent-cloud-001_20260223", "cloud-001 is silent", "", "")],
        errors: vec![
            TaskLine {
                by_itself: Some("comes back by itself at 2026-02-23 13:07 UTC".to_owned()),
                ..line("ODOO_1", "March", "the books are away", "local-agent retry ODOO_1")
            },
            line("note.txt", "", "its name does not end in .md", ""),
            line("böse`datei", "", "", ""),
        ],
        errors_more: 3,
        approved: vec![],
        in_work: vec![line("EMAIL_2", "Hello", "cloud-001", "")],
        new: 4,
        conflicts: vec!["APPROVE_EMAIL_1_0123456789ab.md".to_owned()],
        agents: vec![
            AgentLine {
                agent: "cloud-001".parse().expect("agent"),
                role: Some(Role::Cloud),
                state: AgentState::Silent,
                last_sign: Some(at("2026-02-23T11:50:00Z")),
                flags: vec![],
            },
            AgentLine {
                agent: "local-001".parse().expect("agent"),
                role: Some(Role::Local),
                state: AgentState::Alive,
                last_sign: Some(now),
                flags: vec!["dry".to_owned()],
            },
        ],
        channels: vec![ChannelLine {
            agent: "cloud-001".parse().expect("agent"),
            source: "gmail:work".to_owned(),
            channel: Channel::Gmail,
            state: ChannelState::Failing,
            complete_until: Some(at("2026-02-23T11:00:00Z")),
            error: Some("[AUTHENTICATIONFAILED]".to_owned()),
        }],
        results: vec![Result {
            id: "EMAIL_1".to_owned(),
            subject: "Offer".to_owned(),
            kind: ResultKind::Sent,
            at: at("2026-02-23T10:00:00Z"),
        }],
        warnings: vec!["cloud-001: the IMAP password opens SMTP too".to_owned()],
        week: first
            .iter_days()
            .take(7)
            .zip([0, 3, 1, 0, 0, 2, 5])
            .map(|(day, n)| (day, Day { drafted: n, executed: n / 2, failed: n / 5 }))
            .collect(),
    }
}

#[test]
fn the_page_shows_what_the_owner_needs() {
    insta::assert_snapshot!(dashboard(&busy()));
}

#[test]
fn an_idle_page_is_short() {
    let busy = busy();
    let idle = Inputs {
        waiting: vec![],
        alarms: vec![],
        errors: vec![],
        errors_more: 0,
        in_work: vec![],
        conflicts: vec![],
        agents: vec![],
        channels: vec![],
        results: vec![],
        warnings: vec![],
        stopped: Some("by the owner".to_owned()),
        ..busy
    };
    insta::assert_snapshot!(dashboard(&idle));
}

#[test]
fn times_and_counts_alone_are_not_another_state() {
    let same = |change: fn(&mut Inputs)| {
        let mut other = busy();
        change(&mut other);
        let (page, changed) = (dashboard(&busy()), dashboard(&other));
        assert_ne!(page, changed);
        state_of(&page).expect("a state") == state_of(&changed).expect("a state")
    };
    assert!(same(|i| i.now = at("2026-02-24T00:00:00Z")));
    // What has waited for two days is marked, once.
    assert!(!same(|i| i.now = at("2026-03-01T00:00:00Z")));
    assert!(same(|i| i.new = 5));
    assert!(same(|i| i.week[0].1.drafted = 9));
    assert!(same(|i| i.agents[0].last_sign = Some(i.now)));
    assert!(same(|i| i.channels[0].complete_until = Some(i.now)));
    assert!(!same(|i| i.agents[0].last_sign = None));
    assert!(!same(|i| i.agents[0].state = AgentState::Alive));
    assert!(!same(|i| i.waiting.truncate(1)));
    assert!(!same(|i| i.channels[0].error = None));
    assert!(!same(|i| i.warnings.clear()));
    assert_eq!(state_of("anything else"), None);
    assert_eq!(state_of(crate::DASHBOARD_TEMPLATE), None);
}
