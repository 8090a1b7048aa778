//! The page itself: Markdown that reads well in Obsidian and in any text editor.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use task::Digest;

use crate::chart;
use crate::text::{is_visible, shown};
use crate::{AgentState, BOTTLENECK, ChannelState, Inputs, ResultKind, TaskLine};

/// The page. Its last line names the state that it shows, see [`state_of`].
pub fn dashboard(inputs: &Inputs) -> String {
    let mut page = Page { text: String::new(), still: false };
    page.write(inputs);
    let state = state(inputs);
    page.text.push_str(&format!("%% state {state} %%\n"));
    page.text
}

/// The state that a page shows: equal for two pages that differ in times and counts only.
pub fn state_of(page: &str) -> Option<&str> {
    page.trim_end().rsplit_once('\n')?.1.strip_prefix("%% state ")?.strip_suffix(" %%")
}

/// The page with its times and counts left out, in short.
pub(crate) fn state(inputs: &Inputs) -> String {
    let mut page = Page { text: String::new(), still: true };
    page.write(inputs);
    Digest::of(&page.text).hex()[..16].to_owned()
}

struct Page {
    text: String,
    /// Leave out what ticks by itself.
    still: bool,
}

impl Page {
    fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// A time or a count: not part of the state.
    fn tick(&self, value: impl ToString) -> String {
        if self.still { String::new() } else { value.to_string() }
    }

    fn time(&self, at: Option<DateTime<Utc>>, otherwise: &str) -> String {
        at.map_or_else(|| otherwise.to_owned(), |at| self.tick(at.format("%Y-%m-%d %H:%M UTC")))
    }

    fn write(&mut self, inputs: &Inputs) {
        self.line("# Dashboard\n");
        self.summary(inputs);
        self.waiting(inputs);
        self.alarms(inputs);
        self.errors(inputs);
        self.work(inputs);
        self.agents(inputs);
        self.channels(inputs);
        self.results(inputs);
        self.warnings(inputs);
        self.week(inputs);
    }

    fn summary(&mut self, inputs: &Inputs) {
        if let Some(reason) = &inputs.stopped {
            self.line("> [!danger] Stopped");
            self.line(format!("> Nothing is claimed and nothing is sent. {}", sentence(reason)));
            self.line("> `local-agent resume` lifts it.\n");
        }
        let (waiting, errors) =
            (inputs.waiting.len() + inputs.waiting_more, inputs.errors.len() + inputs.errors_more);
        let idle = waiting == 0 && errors == 0 && inputs.alarms.is_empty();
        let callout = if idle { "success" } else { "todo" };
        let title = if idle { "Nothing waits for you" } else { "Something waits for you" };
        self.line(format!("> [!{callout}] {title}"));
        let counts = format!(
            "{waiting} to decide · {errors} set aside · {} in work · {} new",
            inputs.in_work.len() + inputs.approved.len(),
            inputs.new
        );
        let counts = self.tick(counts);
        self.line(format!("> {counts}"));
        let now = self.time(Some(inputs.now), "");
        self.line(format!("> As of {now}, by {}. Times and counts alone do not rewrite this page; `local-agent status` has them fresh.\n", inputs.agent));
    }

    fn waiting(&mut self, inputs: &Inputs) {
        if inputs.waiting.is_empty() {
            return;
        }
        self.line("## Waits for you\n");
        self.line("| task | subject | from | proposed | since |");
        self.line("|---|---|---|---|---|");
        let mut late = false;
        for task in &inputs.waiting {
            let stale = task.since.is_some_and(|since| inputs.now - since > BOTTLENECK);
            late |= stale;
            let urgent =
                format!("{}{}", if task.urgent { " ❗" } else { "" }, if stale { " ⏳" } else { "" });
            let since = task.since.map_or(String::new(), |at| at.format("%Y-%m-%d").to_string());
            self.line(format!(
                "| {}{urgent} | {} | {} | {} | {since} |",
                cell_link(task),
                cell(&task.subject),
                cell(&task.who),
                cell(&task.what)
            ));
        }
        self.more(inputs.waiting_more);
        if late {
            self.line("\n> [!warning] ⏳ has waited for more than 48 h for your decision");
        }
        self.line("\n`local-agent review` shows each of them and takes your decision.\n");
    }

    fn alarms(&mut self, inputs: &Inputs) {
        if inputs.alarms.is_empty() {
            return;
        }
        self.line("> [!bug] Alarms");
        for task in &inputs.alarms {
            let over =
                if task.who.is_empty() { String::new() } else { format!(" ({})", shown(&task.who, 80)) };
            self.line(format!("> - {} {}{over}", link(task), shown(&task.subject, 120)));
        }
        self.line("");
    }

    fn errors(&mut self, inputs: &Inputs) {
        if inputs.errors.is_empty() {
            return;
        }
        self.line("## Set aside\n");
        for task in &inputs.errors {
            self.line(format!("- {} {}", link(task), shown(&task.subject, 80)));
            if !task.who.is_empty() {
                self.line(format!("    - {}", shown(&task.who, 200)));
            }
            if let Some(said) = &task.by_itself {
                self.line(format!("    - {said}"));
            }
            if !task.what.is_empty() {
                // Only tasks have something to do about them, and a note.
                self.line(format!(
                    "    - next: `{}`, or on [[ERROR_{}.reason|its note]]",
                    code(&task.what),
                    task.id
                ));
            }
        }
        self.more(inputs.errors_more);
        self.line(
            "\nThe note `ERROR_…` beside each task says what happened and takes your tick: try again, drop, ask tomorrow. \
             `local-agent resolve ID` settles what nobody knows.\n",
        );
    }

    fn work(&mut self, inputs: &Inputs) {
        if inputs.in_work.is_empty() && inputs.approved.is_empty() {
            return;
        }
        self.line("## In work\n");
        for task in &inputs.approved {
            self.line(format!("- approved, to be carried out: {} {}", link(task), shown(&task.subject, 80)));
        }
        for task in &inputs.in_work {
            self.line(format!("- {}: {} {}", shown(&task.who, 40), link(task), shown(&task.subject, 80)));
        }
        self.line("");
    }

    fn agents(&mut self, inputs: &Inputs) {
        self.line("## Agents\n");
        if inputs.agents.is_empty() {
            self.line("None has given a sign of life, and `health.expect` names none.\n");
            return;
        }
        self.line("| agent | role | state | last sign of life |");
        self.line("|---|---|---|---|");
        for agent in &inputs.agents {
            let state = match agent.state {
                AgentState::Alive => "🟢 alive",
                AgentState::Silent => "🔴 **silent**",
                AgentState::Off => "⚪ off",
            };
            let flags: String =
                agent.flags.iter().map(|flag| format!(", {}", cell(health::flag_in_words(flag)))).collect();
            let role = agent.role.map_or(String::new(), |role| role.to_string());
            let last = self.time(agent.last_sign, "never");
            self.line(format!("| {} | {role} | {state}{flags} | {last} |", agent.agent));
        }
        self.line("");
    }

    fn channels(&mut self, inputs: &Inputs) {
        if inputs.channels.is_empty() {
            return;
        }
        self.line("## Channels\n");
        self.line("| channel | agent | state | complete up to |");
        self.line("|---|---|---|---|");
        for channel in &inputs.channels {
            let state = match channel.state {
                ChannelState::Ok => "🟢 complete",
                ChannelState::Failing => "🔴 **failing**",
                ChannelState::Behind => "🟠 **behind**",
                ChannelState::Off => "⚪ off",
            };
            let error = channel.error.as_ref().map_or(String::new(), |e| format!(": {}", cell(e)));
            let until = self.time(channel.complete_until, "never yet");
            self.line(format!(
                "| {} | {} | {state}{error} | {until} |",
                cell(&channel.source),
                channel.agent
            ));
        }
        self.line("");
    }

    fn results(&mut self, inputs: &Inputs) {
        if inputs.results.is_empty() {
            return;
        }
        self.line("## Last results\n");
        for result in &inputs.results {
            let (mark, word) = match result.kind {
                ResultKind::Sent => ("✅", "carried out"),
                ResultKind::Dry => ("🧪", "rehearsed, nothing was sent"),
                ResultKind::NothingToDo => ("☑️", "no answer needed"),
                ResultKind::Rejected => ("🚫", "rejected"),
                ResultKind::Failed => ("❌", "failed"),
                ResultKind::Unknown => ("❓", "**outcome unknown**"),
            };
            let at = self.time(Some(result.at), "");
            self.line(format!("- {mark} [[{}]] {} — {word}, {at}", result.id, shown(&result.subject, 80)));
        }
        self.line("");
    }

    fn warnings(&mut self, inputs: &Inputs) {
        if inputs.warnings.is_empty() && inputs.conflicts.is_empty() {
            return;
        }
        self.line("> [!warning] Standing warnings");
        for warning in &inputs.warnings {
            self.line(format!("> - {}", sentence(warning)));
        }
        for name in &inputs.conflicts {
            self.line(format!(
                "> - Two edits met; the version that lost is kept in `Conflicts/{}`.",
                code(name)
            ));
        }
        self.line("");
    }

    fn week(&mut self, inputs: &Inputs) {
        self.line("## The week\n");
        if self.still {
            return;
        }
        let series = |count: fn(&crate::Day) -> u32| -> Vec<usize> {
            inputs.week.iter().map(|(_, day)| count(day) as usize).collect()
        };
        let days: Vec<String> = inputs.week.iter().map(|(day, _)| day.format("%a %-d").to_string()).collect();
        self.line(chart::per_day(&days, &series(|day| day.drafted), &series(|day| day.executed)));
        // In words: a second line in the chart would differ by its colour alone.
        let failed: Vec<String> = (inputs.week.iter().filter(|(_, day)| day.failed > 0))
            .map(|(date, day)| format!("{} on {}", day.failed, date.format("%a %-d")))
            .collect();
        if !failed.is_empty() {
            self.line(format!("Failed: {}.\n", failed.join(", ")));
        }
    }

    fn more(&mut self, more: usize) {
        if more > 0 {
            // Writing to a String cannot fail.
            let _ = writeln!(self.text, "\n… and {} more", self.tick(more));
        }
    }
}

/// A link by file name, which Obsidian finds in whatever folder the task is. Names of tasks have
/// no characters that mean anything to it; other names stand as code.
fn link(task: &TaskLine) -> String {
    match (is_plain(&task.file), task.file == task.id) {
        (true, true) => format!("[[{}]]", task.id),
        (true, false) => format!("[[{}|{}]]", task.file, task.id),
        (false, _) => format!("`{}`", code(&task.file)),
    }
}

/// The same within a table, where the bar must be escaped.
fn cell_link(task: &TaskLine) -> String {
    link(task).replace('|', "\\|")
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

fn code(text: &str) -> String {
    text.chars()
        .take(120)
        .map(|c| if c == '`' || c == '|' || !is_visible(c) { '\u{fffd}' } else { c })
        .collect()
}

fn cell(text: &str) -> String {
    shown(text, 60)
}

fn sentence(text: &str) -> String {
    shown(text, 300)
}

#[cfg(test)]
mod tests;
