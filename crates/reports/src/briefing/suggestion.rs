//! What could be done next: derived from the figures by rules, each one a check-box that becomes a
//! task when it is ticked.

use std::fmt;
use std::str::FromStr;

use task::{Digest, TaskKind};

use super::{Briefing, Had};
use crate::text::{Age, plain};

/// One suggestion.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suggestion {
    /// Its name on the page and in its task's id.
    pub mark: Mark,
    /// What to do, in a sentence.
    pub text: String,
}

/// A suggestion's name: the kind of its task, and a digest of what it is about, so that the same
/// suggestion has the same name when the page is written anew. Stands as an Obsidian block id at
/// the end of its line.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mark {
    /// What becomes of it.
    pub kind: TaskKind,
    digest: String,
}

/// Kinds that suggestions may become: nothing that acts by itself, nothing of money.
const KINDS: [TaskKind; 3] = [TaskKind::Odoo, TaskKind::Schedule, TaskKind::Salespost];

impl Mark {
    fn new(kind: TaskKind, about: &str) -> Self {
        Self { kind, digest: Digest::of(about).hex()[..12].to_owned() }
    }

    /// The digest's part.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "do-{}-{}", self.kind.name(), self.digest)
    }
}

impl FromStr for Mark {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (kind, digest) = text.strip_prefix("do-").and_then(|rest| rest.split_once('-')).ok_or(())?;
        let kind = KINDS.into_iter().find(|known| known.name() == kind).ok_or(())?;
        let fits =
            digest.len() == 12 && digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if fits { Ok(Self { kind, digest: digest.to_owned() }) } else { Err(()) }
    }
}

/// So many of a sort at most.
const OF_A_SORT: usize = 5;

/// What the figures suggest, the most urgent first.
pub fn suggest(briefing: &Briefing) -> Vec<Suggestion> {
    let mut suggestions = Vec::new();
    let mut add = |kind, about: &str, text: String| {
        suggestions.push(Suggestion { mark: Mark::new(kind, about), text: plain(&text, 240) });
    };
    let late = briefing.books.get().map(|books| books.late.as_slice()).unwrap_or_default();
    for invoice in late.iter().take(OF_A_SORT) {
        add(
            TaskKind::Odoo,
            &format!("late {}", invoice.number),
            format!(
                "Write a reminder to {} for invoice {}: {}, due {}",
                invoice.partner, invoice.number, invoice.amount, invoice.due
            ),
        );
    }
    for waiting in briefing.standing.stale().take(OF_A_SORT) {
        add(
            TaskKind::Schedule,
            &format!("stale {}", waiting.id),
            format!(
                "Decide on {} ({}), which has waited for {}",
                waiting.id,
                waiting.about,
                Age(briefing.now - waiting.since)
            ),
        );
    }
    if !briefing.standing.errors.is_empty() {
        add(
            TaskKind::Schedule,
            &format!("errors {}", briefing.period.monday),
            format!(
                "Go through the {} tasks in Errors: retry, resolve or close each",
                briefing.standing.errors.len()
            ),
        );
    }
    if let Had::No(why) = &briefing.books {
        add(
            TaskKind::Schedule,
            &format!("books {}", briefing.period.monday),
            format!("Find out why the books could not be read: {why}"),
        );
    }
    let posts = [TaskKind::Linkedin, TaskKind::Salespost, TaskKind::Social]
        .iter()
        .filter_map(|kind| briefing.activity.kinds.get(kind))
        .any(|line| line.done > 0);
    if !posts {
        add(
            TaskKind::Salespost,
            &format!("post {}", briefing.period.monday),
            "Nothing was posted this week: draft a post about what was finished".to_owned(),
        );
    }
    suggestions
}
