//! What a cycle did, in numbers and names.

use task::{Stage, TaskId, counted};

/// What one or more cycles found and did.
#[derive(Debug, Default, Clone)]
pub struct Found {
    /// New tasks that sources brought.
    pub events: usize,
    /// Tasks of schedules that became due.
    pub scheduled: Vec<TaskId>,
    /// Files taken in from Inbox.
    pub taken_in: Vec<TaskId>,
    /// Tasks that were claimed, and where each ended.
    pub worked: Vec<(TaskId, Stage)>,
    /// Tasks that another agent took first.
    pub lost: usize,
    /// Tasks that a silent agent had left in work.
    pub reclaimed: Vec<TaskId>,
    /// Files that were set aside, with the reason.
    pub set_aside: Vec<(String, String)>,
    /// What went wrong without stopping the rest.
    pub troubles: Vec<String>,
    /// Orders that were carried out, refused or returned.
    pub orders: usize,
    /// Whether the dashboard was written anew.
    pub page_written: bool,
    /// Files that came from or went to the other machine.
    pub pulled: usize,
    /// See `pulled`.
    pub pushed: usize,
    /// Whether changes wait until pushes may follow one another.
    pub held: bool,
    /// Whether the remote could not be reached or refused.
    pub remote_failed: bool,
    /// Whether the kill switch kept it from working.
    pub stopped: bool,
}

impl Found {
    /// Whether the vault changed, so that there is something to synchronise.
    pub fn changed(&self) -> bool {
        self.events > 0
            || !self.scheduled.is_empty()
            || !self.taken_in.is_empty()
            || !self.worked.is_empty()
            || !self.reclaimed.is_empty()
            || !self.set_aside.is_empty()
            || self.orders > 0
            || self.page_written
    }

    /// Notes what went wrong, and logs it.
    pub fn trouble(&mut self, message: impl Into<String>) {
        let message = message.into();
        tracing::warn!("{message}");
        self.troubles.push(message);
    }

    /// What was found and done, a line each, nothing for what did not happen.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        if self.stopped {
            text.push_str("stopped by the kill switch: no claims, no sends; local-agent resume lifts it\n");
        }
        for (n, noun, whence) in [
            (self.pulled, "change", "from the other machine"),
            (self.events, "new event", ""),
            (self.scheduled.len(), "task", "that a schedule made"),
            (self.taken_in.len(), "file", "taken in from Inbox"),
            (self.reclaimed.len(), "task", "taken back from an agent that has gone silent"),
            (self.lost, "task", "that the other machine took first"),
            (self.pushed, "change", "to the other machine"),
        ] {
            if n > 0 {
                text.push_str(format!("{} {whence}", counted(n, noun)).trim_end());
                text.push('\n');
            }
        }
        for (id, stage) in &self.worked {
            let ended = match stage {
                Stage::PendingApproval => "drafted, waits for the owner",
                Stage::Done { .. } => "done, no answer needed",
                _ => "set aside",
            };
            text.push_str(&format!("  {id}: {ended}\n"));
        }
        for (path, reason) in &self.set_aside {
            text.push_str(&format!("  set aside {path}: {}\n", one_line(reason)));
        }
        for trouble in &self.troubles {
            text.push_str(&format!("  ! {}\n", one_line(trouble)));
        }
        text
    }

    /// Adds what a further cycle did.
    pub fn add(&mut self, other: Found) {
        self.events += other.events;
        self.scheduled.extend(other.scheduled);
        self.taken_in.extend(other.taken_in);
        self.worked.extend(other.worked);
        self.lost += other.lost;
        self.reclaimed.extend(other.reclaimed);
        self.set_aside.extend(other.set_aside);
        self.troubles.extend(other.troubles);
        self.orders += other.orders;
        self.page_written |= other.page_written;
        self.pulled += other.pulled;
        self.pushed += other.pushed;
        self.held = other.held;
        self.remote_failed |= other.remote_failed;
        self.stopped |= other.stopped;
    }
}

/// Reasons quote what is wrong, and some of it was written to look like a line of this summary.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
