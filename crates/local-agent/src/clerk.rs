//! The duties that the owner's machine does by itself: all of them.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use config::Duty;
use reports::Standing;
use reports::briefing::{Briefing, Written};
use task::{Clock, counted};
use vault::Vault;
use worker::{Clerk, ClerkError, Performed};

use crate::briefing::Writer;

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

    async fn perform(&self, duty: Duty, due: DateTime<Utc>) -> Result<Performed, ClerkError> {
        if duty == Duty::Scan {
            let (vault, now) = (self.vault.clone(), self.clock.now());
            let standing = tokio::task::spawn_blocking(move || Standing::look(&vault, now)).await??;
            return Ok(Performed { summary: standing.summary(), notes: standing.markdown() });
        }
        // An audit that is done late tells of the week in which it was due.
        let (briefing, written) = self.writer.write(due).await?;
        Ok(Performed { summary: summary(&briefing, &written), notes: format!("[[{}]]", link(&written)) })
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
