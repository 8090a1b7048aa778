//! Events of the owner's own for rehearsals: a file with one event a line, each with the moment from
//! which it is there.
//!
//! A line is a JSON object with `at`, `channel` and either `mail` (the message's source) or, on any
//! other channel, `id`, `from`, `text` and what else is known of the event. Lines stand in the order
//! of their times. The file is read at every look, so that lines can be added while an agent runs; a
//! line that does not read stops its channel, which says so, until it is mended.

use std::path::PathBuf;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use config::Channel;
use serde::Deserialize;
use serde_json::{Value, json};
use task::{Priority, Task};

use super::OWNER;
use crate::event::Event;
use crate::{Arrival, Batch, Source, SourceError, State, parse_mail};

/// The longest script, in bytes: years of mail fit.
const LONGEST: u64 = 64 << 20;

/// One line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    at: DateTime<Utc>,
    channel: Channel,
    /// A mail's source, headers and all.
    #[serde(default)]
    mail: Option<String>,
    #[serde(default)]
    id: String,
    #[serde(default)]
    what: What,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    from: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    post: Option<String>,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    priority: Priority,
}

/// What an event is on its platform.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    #[default]
    Comment,
    DirectMessage,
    Mention,
    Review,
}

/// Why a script cannot be followed.
#[derive(Debug, thiserror::Error)]
enum ScriptError {
    #[error("read the events of watchers.mock_script {path}: {source}", path = path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("watchers.mock_script {path} has more than {LONGEST} bytes", path = path.display())]
    Long { path: PathBuf },
    #[error("line {line} of watchers.mock_script {path} is no event: {reason}", path = path.display())]
    Line { path: PathBuf, line: usize, reason: String },
}

/// A source of the events of one channel in a script.
pub(super) struct ScriptSource {
    name: String,
    channel: Channel,
    path: PathBuf,
}

impl ScriptSource {
    pub(super) fn new(channel: Channel, path: PathBuf) -> Self {
        Self { name: format!("{}:mock", channel.name()), channel, path }
    }
}

#[async_trait]
impl Source for ScriptSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn channel(&self) -> Channel {
        self.channel
    }

    async fn poll(&mut self, state: &State, max: usize, now: DateTime<Utc>) -> Result<Batch, SourceError> {
        let (path, channel) = (self.path.clone(), self.channel);
        let fired = state.cursor.get("fired").and_then(Value::as_u64);
        let fired = fired.and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
        let read = tokio::task::spawn_blocking(move || due(path, channel, now));
        let due = read.await.map_err(|e| SourceError::Other(e.into()))?;
        let due = due.map_err(|e| SourceError::Other(e.into()))?;
        let from = fired.min(due.len());
        let until = from.saturating_add(max).min(due.len());
        let complete = until == due.len();
        let tasks = due.into_iter().skip(from).take(until - from).map(|line| line.into_task(now)).collect();
        Ok(Batch { complete, tasks, cursor: json!({ "fired": until }), notes: Vec::new() })
    }
}

/// The events of a channel whose time has come, in the file's order.
fn due(path: PathBuf, channel: Channel, now: DateTime<Utc>) -> Result<Vec<Line>, ScriptError> {
    let read = std::fs::metadata(&path).and_then(|meta| match meta.len() {
        0..=LONGEST => std::fs::read_to_string(&path).map(Some),
        _ => Ok(None),
    });
    let text = match read {
        Ok(Some(text)) => text,
        Ok(None) => return Err(ScriptError::Long { path }),
        Err(source) => return Err(ScriptError::Read { path, source }),
    };
    let mut due = Vec::new();
    let mut last = DateTime::<Utc>::MIN_UTC;
    for (n, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let no_event = |reason: String| ScriptError::Line { path: path.clone(), line: n + 1, reason };
        let line: Line = serde_json::from_str(text).map_err(|e| no_event(e.to_string()))?;
        line.check().map_err(no_event)?;
        if line.at < last {
            return Err(no_event(format!("its time {} is before that of the line above", line.at)));
        }
        last = line.at;
        if line.at > now {
            break;
        }
        if line.channel == channel {
            due.push(line);
        }
    }
    Ok(due)
}

impl Line {
    fn check(&self) -> Result<(), String> {
        match (self.channel, &self.mail) {
            (Channel::Gmail, None) => Err("a mail needs `mail`, its source".into()),
            (Channel::Gmail, Some(_)) => Ok(()),
            (channel, Some(_)) => Err(format!("`mail` is for gmail, not for {}", channel.name())),
            _ if self.id.is_empty() || self.from.is_empty() => Err("it needs `id` and `from`".into()),
            _ => Ok(()),
        }
    }

    fn into_task(self, now: DateTime<Utc>) -> Task {
        if let Some(mail) = self.mail {
            let account = self.account.as_deref().unwrap_or(OWNER);
            let arrival = Arrival { account, authserv_id: None, received: Some(self.at), now };
            return parse_mail(mail.as_bytes(), &arrival);
        }
        let what = match self.what {
            What::Comment => "comment",
            What::DirectMessage => "direct_message",
            What::Mention => "mention",
            What::Review => "review",
        };
        let account = self.account.unwrap_or_else(|| "owner".into());
        let Self { channel, id, from, name, post, subject, text, priority, at, .. } = self;
        Event { channel, id, what, account, from, name, post, subject, text, priority, at }.into_task(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = r#"{"at":"2026-11-23T08:00:00Z","channel":"gmail","mail":"From: Alice <alice@example.com>\r\nMessage-ID: <1@example.com>\r\nSubject: Hello\r\n\r\nCan we meet?\r\n"}
{"at":"2026-11-23T08:00:00Z","channel":"x","id":"7","from":"@ben","text":"Nice!","what":"mention"}

{"at":"2026-11-23T09:00:00Z","channel":"x","id":"8","from":"@ben","text":"And this?"}
"#;

    async fn look(
        path: &std::path::Path,
        channel: Channel,
        fired: usize,
        now: &str,
    ) -> Result<Batch, String> {
        let mut state = State::default();
        state.cursor = json!({ "fired": fired });
        let mut source = ScriptSource::new(channel, path.to_owned());
        source.poll(&state, 20, now.parse().expect("time")).await.map_err(|e| e.to_string())
    }

    #[tokio::test]
    async fn an_event_is_there_from_its_time_on_and_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        std::fs::write(&path, SCRIPT).expect("write");
        let check = async |channel, fired, now: &str, expected: &[&str]| {
            let batch = look(&path, channel, fired, now).await.expect("a batch");
            let texts: Vec<_> =
                batch.tasks.iter().map(|t| t.front.source_id.clone().unwrap_or_default()).collect();
            assert_eq!(texts, expected, "{channel:?} {now}");
            assert_eq!(batch.cursor["fired"], fired + expected.len());
        };
        check(Channel::X, 0, "2026-11-23T07:59:59Z", &[]).await;
        check(Channel::X, 0, "2026-11-23T08:00:00Z", &["7"]).await;
        check(Channel::X, 1, "2026-11-23T10:00:00Z", &["8"]).await;
        check(Channel::X, 2, "2026-11-23T10:00:00Z", &[]).await;
        check(Channel::Instagram, 0, "2026-11-23T10:00:00Z", &[]).await;
        let mails = look(&path, Channel::Gmail, 0, "2026-11-23T10:00:00Z").await.expect("a batch").tasks;
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].front.from.as_deref(), Some("alice@example.com"));
        assert!(mails[0].front.received.is_some_and(|at| at.to_rfc3339().starts_with("2026-11-23T08:00")));
    }

    #[tokio::test]
    async fn a_line_that_is_no_event_is_named_and_nothing_of_the_script_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        let check = async |text: &str, expected: &str| {
            std::fs::write(&path, text).expect("write");
            let error = look(&path, Channel::X, 0, "2026-11-24T00:00:00Z").await.expect_err(text);
            assert!(error.contains(expected), "{error}");
        };
        check("{\"at\":\"2026-11-23T08:00:00Z\",\"channel\":\"x\",\"id\":\"7\",\"form\":\"b\"}", "line 1")
            .await;
        check(&SCRIPT.replace("09:00", "07:00"), "line 4").await;
        check(&SCRIPT.replace(r#""id":"8","#, ""), "needs `id` and `from`").await;
        check(&SCRIPT.replace(r#""mail":"#, r#""text":"#), "needs `mail`").await;
        std::fs::remove_file(&path).expect("removed");
        let error = look(&path, Channel::X, 0, "2026-11-24T00:00:00Z").await.expect_err("no file");
        assert!(error.contains("events.jsonl"), "{error}");
    }
}
