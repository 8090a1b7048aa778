//! The duties that the owner's machine does by itself: all of them.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use config::Duty;
use reports::Standing;
use reports::briefing::{Briefing, Had, Written};
use serde::de::DeserializeOwned;
use serde_json::Value;
use task::{Clock, Step, counted};
use vault::Vault;
use worker::{Clerk, ClerkError, Performed};

use crate::briefing::{Answers, Source, Writer};

/// Does them.
pub struct OwnersClerk {
    vault: Vault,
    writer: Writer,
    clock: Arc<dyn Clock>,
}

impl OwnersClerk {
    /// Briefings are the writer's.
    pub fn new(vault: Vault, writer: Writer, clock: Arc<dyn Clock>) -> Self {
        Self { vault, writer, clock }
    }
}

#[async_trait]
impl Clerk for OwnersClerk {
    fn does(&self, duty: Duty) -> bool {
        match duty {
            Duty::Scan | Duty::Briefing | Duty::Audit => true,
            Duty::Task => false,
        }
    }

    fn steps(&self, duty: Duty) -> Vec<&'static str> {
        match duty {
            Duty::Briefing | Duty::Audit => {
                SOURCES.iter().map(|(what, _)| *what).chain(["write the briefing"]).collect()
            }
            Duty::Scan | Duty::Task => Vec::new(),
        }
    }

    async fn gather(
        &self,
        _duty: Duty,
        due: DateTime<Utc>,
        step: usize,
    ) -> Result<(String, Value), ClerkError> {
        let (_, source) = SOURCES.get(step).ok_or("there is no such step")?;
        self.writer.ask_source(*source, due).await
    }

    async fn perform(&self, duty: Duty, due: DateTime<Utc>, made: &[Step]) -> Result<Performed, ClerkError> {
        if duty == Duty::Scan {
            let (vault, now) = (self.vault.clone(), self.clock.now());
            let standing = tokio::task::spawn_blocking(move || Standing::look(&vault, now)).await??;
            return Ok(Performed { summary: standing.summary(), notes: standing.markdown() });
        }
        let had = Answers { books: answer(made, Source::Books), social: answer(made, Source::Pages) };
        // An audit that is done late tells of the week in which it was due.
        let (briefing, written) = self.writer.write(due, had).await?;
        Ok(Performed { summary: summary(&briefing, &written), notes: format!("[[{}]]", link(&written)) })
    }
}

/// The steps of a briefing before it is written, in order.
const SOURCES: [(&str, Source); 4] = [
    ("look at the folders and the logs", Source::Vault),
    ("look into the journal", Source::Journal),
    ("read the books", Source::Books),
    ("read the pages", Source::Pages),
];

/// What a source said when its step was made; `None`: it is to be asked, because the answer was too
/// long to keep, or is not as this program would have written it.
fn answer<T: DeserializeOwned>(made: &[Step], source: Source) -> Option<Had<T>> {
    let at = SOURCES.iter().position(|(_, known)| *known == source)?;
    let step = made.get(at)?;
    match step.failures {
        Some(_) => Some(Had::No(step.said.clone().unwrap_or_default())),
        None => serde_json::from_value(step.outcome()).ok().map(Had::Yes),
    }
}

/// What was written, in a line.
pub fn summary(briefing: &Briefing, written: &Written) -> String {
    let total = briefing.activity.total();
    let kept = written
        .kept
        .as_ref()
        .map_or_else(String::new, |kept| format!("; what was written on the page before is kept in {kept}"));
    format!(
        "{}: {} drafted, {} approved, {} carried out, {}{kept}",
        written.path,
        counted(total.drafted, "task"),
        total.approved,
        total.done,
        counted(briefing.suggestions.len(), "suggestion")
    )
}

/// The page's name, as Obsidian links it.
fn link(written: &Written) -> &str {
    let name = written.path.rsplit('/').next().unwrap_or(&written.path);
    name.strip_suffix(".md").unwrap_or(name)
}
