//! The part of an agent's state that travels in the name of its heartbeat ref: characters of
//! `[A-Za-z0-9_.=-]` only, at most 200 of them.
//!
//! `gmail=1771816500.ok_x=0.bad_dry` says: mail is complete up to that second, X never was and is
//! failing, and the flag `dry` is set. `role=cloud` and `schedules=3fa1c08e` say as what the agent
//! runs, and which schedules it keeps. What does not read as that is left out, because it comes
//! from another machine.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use config::Channel;
use task::{Digest, Role};

use crate::Coverage;

const LONGEST: usize = 200;

/// So many digits of a digest tell two configurations apart; nobody gains by making them collide.
const SHORT: usize = 8;

/// How far one channel is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelNote {
    /// Everything up to here has been turned into tasks; `None`: never yet.
    pub complete_until: Option<DateTime<Utc>>,
    /// Whether its last look failed.
    pub failing: bool,
}

/// An agent's state in short.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Note {
    /// By channel; with several accounts, what holds for the one that is furthest behind.
    pub channels: BTreeMap<Channel, ChannelNote>,
    /// As what it runs.
    pub role: Option<Role>,
    /// The digest of its schedules, in short: [`SHORT`] hexadecimal digits.
    pub schedules: Option<String>,
    /// Words of 1 to 20 of `[a-z0-9-]`, such as `dry` or `stopped`.
    pub flags: BTreeSet<String>,
}

impl Note {
    /// Sums up the sources of each channel.
    pub fn of(coverage: &[Coverage], flags: &[&str]) -> Self {
        let mut channels: BTreeMap<Channel, ChannelNote> = BTreeMap::new();
        for source in coverage {
            let own = ChannelNote {
                complete_until: source.complete_until,
                failing: source.failing_since.is_some(),
            };
            channels
                .entry(source.channel)
                .and_modify(|note| {
                    note.complete_until = note.complete_until.min(own.complete_until);
                    note.failing |= own.failing;
                })
                .or_insert(own);
        }
        let flags = flags.iter().filter(|flag| is_flag(flag)).map(|flag| (*flag).to_owned()).collect();
        Self { channels, role: None, schedules: None, flags }
    }

    /// With the agent's role, and the digest of its schedules.
    pub fn of_agent(self, role: Role, schedules: &Digest) -> Self {
        Self { role: Some(role), schedules: Some(schedules.hex()[..SHORT].to_owned()), ..self }
    }

    /// Whether an agent that says this keeps other schedules than `own`; one that says nothing of
    /// them does not count.
    pub fn keeps_other_schedules(&self, own: &Digest) -> bool {
        self.schedules.as_deref().is_some_and(|said| said != &own.hex()[..SHORT])
    }

    /// The text. Flags that no longer fit are left out.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let channels = self.channels.iter().map(|(channel, note)| {
            let until = note.complete_until.map_or(0, |at| at.timestamp().max(0));
            format!("{}={until}.{}", channel.name(), if note.failing { "bad" } else { "ok" })
        });
        let role = self.role.map(|role| format!("role={role}"));
        let schedules = self.schedules.iter().map(|digest| format!("schedules={digest}"));
        for part in channels.chain(role).chain(schedules).chain(self.flags.iter().cloned()) {
            if text.len() + 1 + part.len() <= LONGEST {
                if !text.is_empty() {
                    text.push('_');
                }
                text.push_str(&part);
            }
        }
        text
    }

    /// Reads a text from another machine; parts that mean nothing are left out.
    pub fn decode(text: &str) -> Self {
        let mut note = Self::default();
        for part in text.get(..LONGEST.min(text.len())).unwrap_or_default().split('_') {
            match part.split_once('=') {
                None if is_flag(part) => {
                    note.flags.insert(part.to_owned());
                }
                None => {}
                Some(("role", role)) => note.role = role.parse().ok(),
                Some(("schedules", digest)) => {
                    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                    let fits = digest.len() == SHORT && digest.bytes().all(hex);
                    note.schedules = fits.then(|| digest.to_owned());
                }
                Some((name, state)) => {
                    let channel = Channel::ALL.into_iter().find(|channel| channel.name() == name);
                    let (Some(channel), Some((until, flag))) = (channel, state.split_once('.')) else {
                        continue;
                    };
                    let (Ok(until), true) = (until.parse::<i64>(), matches!(flag, "ok" | "bad")) else {
                        continue;
                    };
                    let complete_until = DateTime::from_timestamp(until, 0).filter(|_| until > 0);
                    note.channels.insert(channel, ChannelNote { complete_until, failing: flag == "bad" });
                }
            }
        }
        note
    }
}

/// What a flag in a heartbeat means.
pub fn flag_in_words(flag: &str) -> &str {
    match flag {
        "dry" => "dry run",
        "handbook" => "its handbook is not the one accepted there",
        "acting-credential" => "it holds a credential that may act",
        "token-scopes-unknown" => "what its mail token may do is not known",
        other => other,
    }
}

fn is_flag(text: &str) -> bool {
    (1..=20).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(source: &str, channel: Channel, until: i64, failing: bool) -> Coverage {
        let at = DateTime::from_timestamp(until, 0);
        Coverage {
            source: source.to_owned(),
            channel,
            complete_until: at.filter(|_| until > 0),
            failing_since: at.filter(|_| failing),
            last_error: None,
        }
    }

    #[test]
    fn a_note_says_what_holds_for_the_account_furthest_behind() {
        let note = Note::of(
            &[
                coverage("gmail:a", Channel::Gmail, 1_771_816_500, false),
                coverage("gmail:b", Channel::Gmail, 1_771_816_000, true),
                coverage("x", Channel::X, 0, false),
            ],
            &["dry", "Not A Flag"],
        );
        assert_eq!(note.encode(), "gmail=1771816000.bad_x=0.ok_dry");
        assert_eq!(Note::decode(&note.encode()), note);
        let note = note.of_agent(Role::Cloud, &Digest::of("schedules"));
        let (front, _) =
            note.encode().rsplit_once('_').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("parts");
        assert!(front.starts_with("gmail=1771816000.bad_x=0.ok_role=cloud_schedules="), "{front}");
        assert_eq!(Note::decode(&note.encode()), note);
        assert!(!note.keeps_other_schedules(&Digest::of("schedules")));
        assert!(note.keeps_other_schedules(&Digest::of("others")));
        assert!(!Note::decode("dry").keeps_other_schedules(&Digest::of("others")), "it says nothing of them");
    }

    #[test]
    fn the_fullest_note_fits_a_ref_name() {
        let all: Vec<Coverage> =
            Channel::ALL.map(|c| coverage(c.name(), c, 99_999_999_999, true)).into_iter().collect();
        let note = Note::of(
            &all,
            &["dry", "stopped", "aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbb", "cccccccccccccccccccc"],
        )
        .of_agent(Role::Local, &Digest::of("schedules"));
        let text = note.encode();
        assert!(text.len() <= 200, "{}", text.len());
        assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || "_.=-".contains(c)));
        assert!(!text.contains("..") && !text.ends_with('.'));
        let read = Note::decode(&text);
        assert_eq!((read.channels, read.role, read.schedules), (note.channels, note.role, note.schedules));
    }

    #[test]
    fn a_hostile_note_says_nothing() {
        for text in [
            "",
            "=",
            "gmail",
            "GMAIL=1.ok",
            "gmail=x.ok",
            "gmail=1",
            "gmail=1.maybe",
            "gmail=-5.no",
            "ü".repeat(300).as_str(),
        ] {
            assert!(Note::decode(text).channels.is_empty(), "{text}");
        }
        for text in ["role=emperor", "schedules=xyz", "schedules=0123456789", "schedules=0123456G"] {
            assert_eq!(Note::decode(text), Note::default(), "{text}");
        }
        assert_eq!(
            Note::decode("gmail=9223372036854775807.ok").channels[&Channel::Gmail].complete_until,
            None
        );
    }
}
