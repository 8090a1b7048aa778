//! Sample events of every channel, for rehearsals and tests: fixed ones, or those of a script.
//! Offline, deterministic, and each event comes once.

mod gmail;
mod script;
mod social;
mod whatsapp;

use std::path::Path;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use config::Channel;
use serde_json::{Value, json};
use task::Task;

use self::script::ScriptSource;
use crate::{Batch, Source, SourceError, State};

/// The owner's address in the sample mails.
pub(crate) const OWNER: &str = "owner@example.com";

/// A source of sample events for each of the channels.
pub fn mock_sources(channels: &[Channel]) -> Vec<Box<dyn Source>> {
    let source = |channel: &Channel| -> Box<dyn Source> {
        Box::new(MockSource { name: format!("{}:mock", channel.name()), channel: *channel })
    };
    channels.iter().map(source).collect()
}

/// A source for each of the channels, with the events of a script.
pub fn scripted_sources(channels: &[Channel], script: &Path) -> Vec<Box<dyn Source>> {
    let source =
        |channel: &Channel| -> Box<dyn Source> { Box::new(ScriptSource::new(*channel, script.to_owned())) };
    channels.iter().map(source).collect()
}

struct MockSource {
    name: String,
    channel: Channel,
}

#[async_trait]
impl Source for MockSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn channel(&self) -> Channel {
        self.channel
    }

    async fn poll(&mut self, state: &State, max: usize, now: DateTime<Utc>) -> Result<Batch, SourceError> {
        let events = events(self.channel, now);
        let fired = state.cursor.get("fired").and_then(Value::as_u64);
        let fired = fired.and_then(|n| usize::try_from(n).ok()).unwrap_or_default().min(events.len());
        let until = fired.saturating_add(max).min(events.len());
        Ok(Batch {
            complete: until == events.len(),
            tasks: events[fired..until].to_vec(),
            cursor: json!({ "fired": until }),
            notes: Vec::new(),
        })
    }
}

/// All events of a channel, oldest first.
fn events(channel: Channel, now: DateTime<Utc>) -> Vec<Task> {
    match channel {
        Channel::Gmail => gmail::events(now),
        Channel::Whatsapp => whatsapp::events().into_iter().map(|e| e.into_task(now)).collect(),
        _ => social::events(channel).into_iter().map(|e| e.into_task(now)).collect(),
    }
}

/// The moment that all sample dates are counted from: Monday, 23 February 2026, 03:15 UTC.
fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_771_816_500, 0).unwrap_or_default()
}

fn minutes(after: i64) -> DateTime<Utc> {
    start() + TimeDelta::minutes(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use task::{Automated, Priority, TaskKind};

    #[test]
    fn every_channel_has_at_least_three_distinct_valid_events() {
        let now = "2026-03-01T00:00:00Z".parse().expect("now");
        assert_eq!(start().to_rfc3339(), "2026-02-23T03:15:00+00:00");
        for channel in Channel::ALL {
            let tasks = events(channel, now);
            assert!(tasks.len() >= 3, "{channel:?}");
            let ids: BTreeSet<_> = tasks.iter().map(|t| t.front.id.clone()).collect();
            assert_eq!(ids.len(), tasks.len());
            for task in &tasks {
                let again = Task::parse(&task.to_bytes().expect("bytes"), &task.front.id).expect("parse");
                assert_eq!(again, *task);
                assert_eq!(TaskKind::of(&task.front.id), crate::event::kind(channel));
                assert_eq!(task.front.source.as_deref(), Some(channel.name()));
                assert!(task.front.source_id.is_some() && task.front.from.is_some());
                assert!(task.front.received.is_some_and(|at| at >= start()));
            }
            assert_eq!(events(channel, now), tasks, "not deterministic");
        }
    }

    #[test]
    fn the_sample_mails_are_what_they_should_be() {
        let tasks = gmail::events(start());
        let check = |at: usize, from: &str, subject: &str, automated, priority| {
            let front = &tasks[at].front;
            assert_eq!(front.from.as_deref(), Some(from));
            assert_eq!(front.subject.as_deref(), Some(subject));
            assert_eq!((front.automated, front.priority), (automated, priority), "{subject}");
        };
        check(0, "alice@northwind.example", "Question about invoice INV-2026-014", None, Priority::Medium);
        check(
            1,
            "news@freelance-weekly.example",
            "This week: pricing retainers",
            Some(Automated::List),
            Priority::Low,
        );
        check(
            2,
            "bob@contoso.example",
            "Automatic reply: Project kick-off",
            Some(Automated::AutoReply),
            Priority::Low,
        );
        check(
            3,
            "juergen.gruen@beispiel.example",
            "Terminanfrage: Gespräch über die Webseite am Donnerstag",
            None,
            Priority::Medium,
        );
        check(4, "accounts@fabrikam.example", "Invoice 8841 overdue – please settle", None, Priority::High);
        let body = |at: usize| task::Body::parse(&tasks[at].body).original.expect("original");
        assert!(body(3).contains("Grüße aus München"), "{}", body(3));
        assert!(body(4).contains("Invoice 8841\nAmount due EUR 1,190.00"), "{}", body(4));
        assert!(!body(4).contains('<') || body(4).contains("<https://"), "{}", body(4));
        assert_eq!(tasks[0].front.attachments[0].name, "INV-2026-014.pdf");
        assert_eq!(tasks[0].front.authentication.as_ref().and_then(|a| a.dmarc.as_deref()), Some("pass"));
    }
}
