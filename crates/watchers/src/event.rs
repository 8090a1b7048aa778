//! What every channel's events have in common on their way to a task.

use chrono::{DateTime, Datelike, Utc};
use config::Channel;
use task::{Body, Digest, FrontMatter, Priority, Task, TaskId, TaskKind, slug};

use crate::text;

/// The longest subject of a task, in characters.
pub(crate) const SUBJECT: usize = 300;
/// The longest name of a person, in characters.
pub(crate) const NAME: usize = 200;
/// The longest text that a task quotes, in bytes.
pub(crate) const TEXT: usize = 200 * 1024;

/// The kind of task that a channel's events become.
pub(crate) fn kind(channel: Channel) -> TaskKind {
    match channel {
        Channel::Gmail => TaskKind::Email,
        Channel::Linkedin => TaskKind::Linkedin,
        Channel::Facebook => TaskKind::Facebook,
        Channel::Instagram => TaskKind::Instagram,
        Channel::X => TaskKind::Twitter,
        Channel::Whatsapp => TaskKind::Whatsapp,
    }
}

/// The id of an event's task: `EMAIL_20260223_alice_1a2b3c4d`. It is made of the event alone, so
/// that the same event, seen again by whatever machine, is the same task.
pub(crate) fn task_id(kind: TaskKind, date: DateTime<Utc>, who: &str, key: &Digest) -> TaskId {
    let day = match date.year() {
        1..=9999 => date.format("%Y%m%d").to_string(),
        _ => "00000000".to_owned(),
    };
    let hex = key.hex();
    let id = format!("{}{day}_{}_{}", kind.prefix(), slug(who, 30), &hex[..8]);
    TaskId::new(id).expect("a prefix, digits, a slug and hexadecimal digits are a task id")
}

/// An event of a channel other than mail: a comment, a direct message, a mention.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) channel: Channel,
    /// The platform's own id of the event; also what an answer refers to.
    pub(crate) id: String,
    /// `comment`, `direct_message`, `mention`, `review`.
    pub(crate) what: &'static str,
    /// The owner's account on the platform.
    pub(crate) account: String,
    /// The writer's handle or number.
    pub(crate) from: String,
    /// The writer's name.
    pub(crate) name: String,
    /// The post that it is about, by the platform's id.
    pub(crate) post: Option<String>,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) priority: Priority,
    pub(crate) at: DateTime<Utc>,
}

impl Event {
    pub(crate) fn into_task(self, now: DateTime<Utc>) -> Task {
        let key = Digest::of(format!("{}\n{}", self.channel.name(), self.id));
        let id = task_id(kind(self.channel), self.at, &self.from, &key);
        let mut front = FrontMatter::new(id, now);
        front.source = Some(self.channel.name().to_owned());
        front.source_id = Some(text::line(&self.id, NAME));
        front.account = Some(text::line(&self.account, NAME));
        front.received = Some(self.at);
        front.priority = self.priority;
        front.from = Some(text::line(&self.from, NAME));
        front.to = vec![text::line(&self.account, NAME)];
        front.subject = Some(text::line(&self.subject, SUBJECT));
        front.extra.insert("from_name".into(), text::line(&self.name, NAME).into());
        front.extra.insert("event".into(), self.what.into());
        if let Some(post) = &self.post {
            front.extra.insert("post_id".into(), text::line(post, NAME).into());
        }
        let (body, _) = text::block(&self.text, TEXT);
        Task::new(front, Body::of_original(body).to_markdown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_event_is_the_same_task() {
        let key = Digest::of("x");
        let check = |date: &str, who: &str, expected: &str| {
            let date = date.parse().expect("date");
            assert_eq!(task_id(TaskKind::Email, date, who, &key).as_str(), expected);
        };
        check("2026-02-23T03:15:00Z", "alice", "EMAIL_20260223_alice_2d711642");
        check("2026-02-23T03:15:00Z", "../../etc/passwd\n", "EMAIL_20260223_etc-passwd_2d711642");
        check("2026-02-23T03:15:00Z", "", "EMAIL_20260223_x_2d711642");
        check("+12026-02-23T03:15:00Z", "alice", "EMAIL_00000000_alice_2d711642");
    }
}
