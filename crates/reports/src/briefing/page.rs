//! The page in Markdown, for Obsidian and for any text editor.

use std::fmt::Write as _;

use chrono::TimeDelta;
use rust_decimal::Decimal;

use super::{Briefing, Had, KindLine, Span, Sums};
use crate::chart;
use crate::text::{Age, shown};

/// So many of each are named; the rest is counted.
const NAMED: usize = 20;

/// The whole page.
pub fn markdown(briefing: &Briefing) -> String {
    let mut page = Page(String::new());
    page.write(briefing);
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, line: impl AsRef<str>) {
        self.0.push_str(line.as_ref());
        self.0.push('\n');
    }

    fn source(&mut self, from: &str) {
        self.line(format!("\n*Source: {from}.*\n"));
    }

    fn missing(&mut self, why: &str) {
        self.line(format!("> [!warning] Not had\n> {}\n", shown(why, 300)));
    }

    fn write(&mut self, briefing: &Briefing) {
        let Briefing { period, now, .. } = briefing;
        self.line(format!("---\ntype: briefing\nmonday: {}\nwritten: {}\n---", period.monday, stamp(*now)));
        self.line(format!("# Monday briefing, {}\n", period.monday.format("%-d %B %Y")));
        self.line(format!("> [!abstract] The week from {} to {}", stamp(period.from), stamp(period.until)));
        for line in summary(briefing) {
            self.line(format!("> {line}"));
        }
        if *now < period.until {
            self.line("> The week is not over: these are its figures so far.");
        }
        if briefing.sample {
            self.line("> Books and pages are **sample data**: this machine runs with mock servers.");
        }
        self.line("");
        self.suggestions(briefing);
        self.work(briefing);
        self.waiting(briefing);
        self.books(briefing);
        self.social(briefing);
        self.spending(briefing);
        self.errors(briefing);
    }

    fn suggestions(&mut self, briefing: &Briefing) {
        self.line("## Suggestions\n");
        if briefing.suggestions.is_empty() {
            self.line("None.\n");
            return;
        }
        self.line("Tick one, and it becomes a task.\n");
        for suggestion in &briefing.suggestions {
            self.line(format!("- [ ] {} ^{}", shown(&suggestion.text, 240), suggestion.mark));
        }
        self.source("rules over the figures below");
    }

    fn work(&mut self, briefing: &Briefing) {
        let activity = &briefing.activity;
        self.line("## What was done\n");
        if activity.records == 0 {
            self.line("Nothing: no log has a record of this week.");
            self.source("Logs/");
            return;
        }
        self.line(
            "| kind | drafted | no answer needed | approved | rejected | carried out | rehearsed | failed |",
        );
        self.line("|---|--:|--:|--:|--:|--:|--:|--:|");
        let row = |name: &str, line: &KindLine| {
            let KindLine { drafted, closed, approved, rejected, done, dry, failed } = line;
            format!("| {name} | {drafted} | {closed} | {approved} | {rejected} | {done} | {dry} | {failed} |")
        };
        for (kind, line) in &activity.kinds {
            self.line(row(kind.name(), line));
        }
        self.line(row("**all**", &activity.total()));
        self.line(format!("\nFrom arrival to draft: {}.", span(activity.to_draft.as_ref())));
        self.line(format!("From draft to your decision: {}.", span(activity.to_decision.as_ref())));
        if activity.duties + activity.suggestions > 0 {
            self.line(format!(
                "Duties done: {}; suggestions that became tasks: {}.",
                activity.duties, activity.suggestions
            ));
        }
        self.source("Logs/, and the front matter of the tasks' files");
        let days: Vec<_> = briefing.period.days().collect();
        let of = |at: fn(&(usize, usize, usize)) -> usize| -> Vec<usize> {
            days.iter().map(|day| activity.days.get(day).map_or(0, at)).collect()
        };
        let names: Vec<String> = days.iter().map(|day| day.format("%a %-d").to_string()).collect();
        self.line(chart::per_day(&names, &of(|day| day.0), &of(|day| day.1)));
        let kinds: Vec<(&str, usize)> = activity
            .kinds
            .iter()
            .map(|(kind, line)| (kind.name(), line.drafted + line.closed))
            .filter(|(_, n)| *n > 0)
            .collect();
        if !kinds.is_empty() {
            self.line(chart::by_kind(&kinds));
        }
        match &briefing.orders {
            Had::Yes(orders) => {
                self.line(format!(
                    "Orders that ended: {} carried out, {} rehearsed, {} without effect, {} of unknown outcome.",
                    orders.done, orders.dry, orders.failed, orders.unknown
                ));
                self.source("the executor's journal on this machine");
            }
            Had::No(why) => self.missing(why),
        }
    }

    fn waiting(&mut self, briefing: &Briefing) {
        let standing = &briefing.standing;
        self.line("## What waits\n");
        let stuck: Vec<_> = standing.bottlenecks().collect();
        if stuck.is_empty() {
            self.line("Nothing has waited for more than 48 h.");
        } else {
            let (tasks, have) = if stuck.len() == 1 { ("task", "has") } else { ("tasks", "have") };
            self.line(format!("**{}** {tasks} {have} waited for more than 48 h:\n", stuck.len()));
        }
        for waiting in stuck.iter().take(NAMED) {
            let link = if waiting.on == "you" { "APPROVE_" } else { "" };
            self.line(format!(
                "- [[{link}{}]] {}, waits for {}: {}",
                waiting.id,
                Age(standing.at - waiting.since),
                waiting.on,
                shown(&waiting.about, 80)
            ));
        }
        self.more(stuck.len());
        let since = standing.waiting.first().map(|oldest| stamp(oldest.since));
        self.line(format!(
            "\n{} tasks wait in all{}; {}.",
            standing.waiting.len(),
            since.map_or_else(String::new, |at| format!(", the oldest since {at}")),
            standing.summary()
        ));
        self.source(&format!("the vault's folders at {}", stamp(standing.at)));
    }

    fn books(&mut self, briefing: &Briefing) {
        self.line("## Money\n");
        let books = match &briefing.books {
            Had::No(why) => return self.missing(why),
            Had::Yes(books) => books,
        };
        self.line("| | |\n|---|--:|");
        self.line(format!("| collected this week | {} |", sums(&books.collected)));
        self.line(format!("| outstanding | {} |", sums(&books.outstanding)));
        self.line(format!("| of it overdue | {} |", sums(&books.overdue)));
        if !books.late.is_empty() {
            self.line("");
        }
        for late in books.late.iter().take(NAMED) {
            self.line(format!(
                "- {}, {}: {}, due {}",
                shown(&late.number, 40),
                shown(&late.partner, 60),
                late.amount,
                late.due
            ));
        }
        self.more(books.late.len());
        if books.cut {
            self.line("\nA list was as long as the tool gives: there may be more, and these are at least.");
        }
        if books.unreadable > 0 {
            self.line(format!("\n{} entries made no sense and are in no sum.", books.unreadable));
        }
        self.source("odoo: list_invoices (posted), read_transactions (money that came in)");
    }

    fn social(&mut self, briefing: &Briefing) {
        self.line("## Pages\n");
        let social = match &briefing.social {
            Had::No(why) => return self.missing(why),
            Had::Yes(social) => social,
        };
        self.line(
            "| page | followers | new | reactions | comments | posts looked at |\n|---|--:|--:|--:|--:|--:|",
        );
        let number = |n: Option<u64>| n.map_or_else(|| "not said".to_owned(), |n| n.to_string());
        for line in &social.lines {
            self.line(format!(
                "| {} | {} | {} | {} | {} | {} |",
                shown(&line.platform, 30),
                number(line.followers),
                number(line.gained),
                line.reactions,
                line.comments,
                line.posts
            ));
        }
        if social.unreadable > 0 {
            self.line(format!("\n{} entries made no sense and are left out.", social.unreadable));
        }
        self.source("social: get_social_summary");
    }

    fn spending(&mut self, briefing: &Briefing) {
        self.line("## Spending on models\n");
        let spent = match &briefing.spending {
            Had::No(why) => return self.missing(why),
            Had::Yes(spent) => spent,
        };
        let mut money = Sums::new();
        for day in spent {
            let sum = money.entry(day.currency.clone()).or_insert(Decimal::ZERO);
            *sum = sum.saturating_add(day.money);
        }
        let tokens = spent.iter().map(|day| day.tokens).fold(0, u64::saturating_add);
        if tokens == 0 {
            self.line("None was used on this machine.");
        } else {
            self.line(format!("{tokens} tokens, {} on this machine.", sums(&money)));
        }
        self.source("the budget's file on this machine; what the cloud machine spent is not in it");
    }

    fn errors(&mut self, briefing: &Briefing) {
        let (activity, standing) = (&briefing.activity, &briefing.standing);
        self.line("## Errors and incidents\n");
        self.line(format!(
            "{} tries failed, {} files were set aside, {} incidents began; {} tasks are in Errors now.",
            activity.failed_tries,
            activity.set_aside,
            activity.incidents.len(),
            standing.errors.len()
        ));
        for id in activity.incidents.iter().take(NAMED) {
            self.line(format!("- [[{id}]]"));
        }
        self.more(activity.incidents.len());
        for error in standing.errors.iter().take(NAMED) {
            let (why, next) = (shown(error.why(), 120), error.remedy.command(&error.id));
            self.line(format!("- [[{}]]: {why} — `{next}`", error.id));
        }
        self.more(standing.errors.len());
        self.source("Logs/ for the week, the folder Errors for now");
    }

    fn more(&mut self, all: usize) {
        if all > NAMED {
            self.line(format!("- … and {} more", all - NAMED));
        }
    }
}

/// The week in three lines.
pub(crate) fn summary(briefing: &Briefing) -> Vec<String> {
    let total = briefing.activity.total();
    let mut lines = vec![format!(
        "{} tasks drafted, {} closed without an answer, {} approved, {} rejected, {} carried out, {} failed.",
        total.drafted, total.closed, total.approved, total.rejected, total.done, total.failed
    )];
    lines.push(format!(
        "{} wait for more than 48 h; {} in Errors.",
        briefing.standing.bottlenecks().count(),
        briefing.standing.errors.len()
    ));
    lines.push(match &briefing.books {
        Had::Yes(books) => format!(
            "Collected {}, outstanding {}, overdue {}.",
            sums(&books.collected),
            sums(&books.outstanding),
            sums(&books.overdue)
        ),
        Had::No(_) => "The books could not be read; see below.".to_owned(),
    });
    lines
}

pub(crate) fn sums(sums: &Sums) -> String {
    let parts: Vec<String> = sums.iter().map(|(currency, sum)| format!("{sum} {currency}")).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(" + ") }
}

pub(crate) fn span(span: Option<&Span>) -> String {
    match span {
        None => "no task of which both times are known".to_owned(),
        Some(Span { of, median, ninetieth }) => {
            let age = |time: &TimeDelta| Age(*time).to_string();
            let mut text = String::new();
            // Writing to a String cannot fail.
            let _ =
                write!(text, "median {}, 90th percentile {} (of {of} tasks)", age(median), age(ninetieth));
            text
        }
    }
}

fn stamp(at: chrono::DateTime<chrono::Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}
