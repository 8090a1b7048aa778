//! The same as one HTML page that needs nothing else: no script, no font, no picture from anywhere.

use std::fmt::Write as _;

use super::page::{span, summary, sums};
use super::{Briefing, Had, KindLine};
use crate::text::{Age, plain};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;\
color:#222;background:#fff}h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px solid #ddd}\
table{border-collapse:collapse;width:100%}th,td{padding:.25rem .5rem;text-align:right;border-bottom:1px solid #eee}\
th:first-child,td:first-child{text-align:left}.box{background:#eef4fb;border-left:4px solid #4a80c4;padding:.5rem 1rem}\
.warn{background:#fdf3e1;border-left:4px solid #d08a1c;padding:.5rem 1rem}.src{color:#777;font-size:.85rem}\
code{background:#f3f3f3;padding:0 .2rem}svg{width:100%;max-width:36rem;height:auto}\
@media(max-width:30rem){body{margin:1rem auto}th,td{padding:.2rem .1rem;font-size:.7rem}}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}.box{background:#1d2a38}.warn{background:#332811}\
code{background:#2a2a2a}h2,th,td{border-color:#333}svg text{fill:#ddd}}";

/// So many of each are named; the rest is counted.
const NAMED: usize = 20;

/// A column's title, and its figure for a kind of task.
type Column = (&'static str, fn(&KindLine) -> usize);

/// The whole page.
pub fn html(briefing: &Briefing) -> String {
    let mut page = Page(String::new());
    page.write(briefing);
    page.0
}

struct Page(String);

impl Page {
    fn put(&mut self, text: impl AsRef<str>) {
        self.0.push_str(text.as_ref());
        self.0.push('\n');
    }

    fn head(&mut self, title: &str) {
        self.put(format!("<h2>{}</h2>", safe(title, 100)));
    }

    fn source(&mut self, from: &str) {
        self.put(format!("<p class=src>Source: {}.</p>", safe(from, 200)));
    }

    fn missing(&mut self, why: &str) {
        self.put(format!("<p class=warn>Not had: {}</p>", safe(why, 300)));
    }

    fn list<T>(&mut self, rows: &[T], line: impl Fn(&T) -> String) {
        if rows.is_empty() {
            return;
        }
        self.put("<ul>");
        rows.iter().take(NAMED).for_each(|row| self.put(format!("<li>{}</li>", line(row))));
        if rows.len() > NAMED {
            self.put(format!("<li>… and {} more</li>", rows.len() - NAMED));
        }
        self.put("</ul>");
    }

    fn write(&mut self, briefing: &Briefing) {
        let title = format!("Monday briefing, {}", briefing.period.monday.format("%-d %B %Y"));
        self.put("<!doctype html>\n<html lang=en><head><meta charset=utf-8>");
        self.put("<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">");
        self.put("<meta name=viewport content=\"width=device-width,initial-scale=1\">");
        self.put(format!("<title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>"));
        let time = "%Y-%m-%d %H:%M UTC";
        let (from, until) = (briefing.period.from.format(time), briefing.period.until.format(time));
        self.put(format!(
            "<div class=box><p>The week from {from} to {until}, written {}.</p>",
            briefing.now.format(time)
        ));
        for line in summary(briefing) {
            self.put(format!("<p>{}</p>", safe(&line, 400)));
        }
        if briefing.now < briefing.period.until {
            self.put("<p>The week is not over: these are its figures so far.</p>");
        }
        if briefing.sample {
            self.put("<p>Books and pages are <b>sample data</b>: this machine runs with mock servers.</p>");
        }
        self.put("</div>");
        self.head("Suggestions");
        self.list(&briefing.suggestions, |suggestion| safe(&suggestion.text, 240));
        self.put(match briefing.suggestions.is_empty() {
            true => "<p>None.</p>",
            false => "<p class=src>To take one, tick it on the page of the same name in the vault.</p>",
        });
        self.work(briefing);
        self.waiting(briefing);
        self.money(briefing);
        self.rest(briefing);
        self.put("</body></html>");
    }

    fn work(&mut self, briefing: &Briefing) {
        let activity = &briefing.activity;
        self.head("What was done");
        if activity.records == 0 {
            self.put("<p>Nothing: no log has a record of this week.</p>");
            return self.source("Logs/");
        }
        let columns: [Column; 7] = [
            ("drafted", |line| line.drafted),
            ("no answer needed", |line| line.closed),
            ("approved", |line| line.approved),
            ("rejected", |line| line.rejected),
            ("carried out", |line| line.done),
            ("rehearsed", |line| line.dry),
            ("failed", |line| line.failed),
        ];
        // A column of zeros says no more than the sentence above, and a telephone has no room for it.
        let total = activity.total();
        let columns: Vec<_> = columns.into_iter().filter(|(_, of)| of(&total) > 0).collect();
        self.put(format!("<table><tr><th>kind{}</tr>", cells("th", columns.iter().map(|(name, _)| name))));
        let row = |name: &str, line: &KindLine| {
            format!("<tr><td>{name}{}</tr>", cells("td", columns.iter().map(|(_, of)| of(line))))
        };
        for (kind, line) in &activity.kinds {
            self.put(row(kind.name(), line));
        }
        self.put(row("<b>all</b>", &total));
        self.put("</table>");
        self.put(format!("<p>From arrival to draft: {}.<br>", span(activity.to_draft.as_ref())));
        self.put(format!("From draft to your decision: {}.</p>", span(activity.to_decision.as_ref())));
        self.put(chart(briefing));
        self.source("Logs/, and the front matter of the tasks' files");
        match &briefing.orders {
            Had::Yes(orders) => {
                self.put(format!(
                    "<p>Orders that ended: {} carried out, {} rehearsed, {} without effect, {} of unknown outcome.</p>",
                    orders.done, orders.dry, orders.failed, orders.unknown
                ));
                self.source("the executor's journal on this machine");
            }
            Had::No(why) => self.missing(why),
        }
    }

    fn waiting(&mut self, briefing: &Briefing) {
        let standing = &briefing.standing;
        self.head("What waits");
        let stuck: Vec<_> = standing.bottlenecks().collect();
        self.put(match stuck.len() {
            0 => "<p>Nothing has waited for more than 48 h.</p>".to_owned(),
            1 => "<p>1 task has waited for more than 48 h.</p>".to_owned(),
            n => format!("<p>{n} tasks have waited for more than 48 h.</p>"),
        });
        self.list(&stuck, |waiting| {
            let age = Age(standing.at - waiting.since);
            format!(
                "<code>{}</code> {age}, waits for {}: {}",
                waiting.id,
                safe(&waiting.on, 40),
                safe(&waiting.about, 80)
            )
        });
        self.put(format!("<p>{}.</p>", safe(&standing.summary(), 400)));
        self.source("the vault's folders");
    }

    fn money(&mut self, briefing: &Briefing) {
        self.head("Money");
        let books = match &briefing.books {
            Had::No(why) => return self.missing(why),
            Had::Yes(books) => books,
        };
        self.put("<table>");
        for (name, sum) in [
            ("collected this week", &books.collected),
            ("outstanding", &books.outstanding),
            ("of it overdue", &books.overdue),
        ] {
            self.put(format!("<tr><td>{name}<td>{}</tr>", safe(&sums(sum), 200)));
        }
        self.put("</table>");
        self.list(&books.late, |late| {
            format!(
                "{}, {}: {}, due {}",
                safe(&late.number, 40),
                safe(&late.partner, 60),
                late.amount,
                late.due
            )
        });
        if books.cut {
            self.put(
                "<p>A list was as long as the tool gives: there may be more, and these are at least.</p>",
            );
        }
        if books.unreadable > 0 {
            self.put(format!("<p>{} entries made no sense and are in no sum.</p>", books.unreadable));
        }
        self.source("odoo: list_invoices, read_transactions");
    }

    fn rest(&mut self, briefing: &Briefing) {
        self.head("Pages");
        match &briefing.social {
            Had::No(why) => self.missing(why),
            Had::Yes(social) => {
                self.put("<table><tr><th>page<th>followers<th>new<th>reactions<th>comments</tr>");
                let number = |n: Option<u64>| n.map_or_else(|| "not said".to_owned(), |n| n.to_string());
                for line in &social.lines {
                    let (name, followers, new) =
                        (safe(&line.platform, 30), number(line.followers), number(line.gained));
                    self.put(format!(
                        "<tr><td>{name}<td>{followers}<td>{new}<td>{}<td>{}</tr>",
                        line.reactions, line.comments
                    ));
                }
                self.put("</table>");
                self.source("social: get_social_summary");
            }
        }
        self.head("Errors and incidents");
        let (activity, standing) = (&briefing.activity, &briefing.standing);
        self.put(format!(
            "<p>{} tries failed, {} files were set aside, {} incidents began; {} tasks are in Errors now.</p>",
            activity.failed_tries,
            activity.set_aside,
            activity.incidents.len(),
            standing.errors.len()
        ));
        self.list(&standing.errors, |error| {
            let next = error.remedy.command(&error.id);
            format!("<code>{}</code> {} — <code>{next}</code>", error.id, safe(error.why(), 120))
        });
        self.source("Logs/ for the week, the folder Errors for now");
    }
}

fn cells(tag: &str, of: impl Iterator<Item = impl std::fmt::Display>) -> String {
    of.map(|text| format!("<{tag}>{text}")).collect()
}

/// Seven days as bars: drafted beside carried out.
fn chart(briefing: &Briefing) -> String {
    let counts: Vec<_> = briefing
        .period
        .days()
        .map(|day| (day, briefing.activity.days.get(&day).copied().unwrap_or_default()))
        .collect();
    let most =
        counts.iter().map(|(_, (drafted, done, _))| (*drafted).max(*done)).max().unwrap_or_default().max(1);
    let mut svg = String::from("<svg viewBox=\"0 0 490 180\" role=img aria-label=\"Tasks per day\">");
    for (at, (day, (drafted, done, _))) in counts.iter().enumerate() {
        let left = at * 70 + 9;
        for (offset, count, colour, name) in
            [(0, drafted, "#4a80c4", "drafted"), (27, done, "#5aa469", "carried out")]
        {
            let height = count * 130 / most;
            // Writing to a String cannot fail.
            let _ = write!(
                svg,
                "<rect x={} y={} width=24 height={height} fill=\"{colour}\"><title>{count} {name}</title></rect>\
                 <text x={} y={} font-size=12 text-anchor=middle>{count}</text>",
                left + offset,
                150 - height,
                left + offset + 12,
                145 - height
            );
        }
        let _ = write!(
            svg,
            "<text x={} y=170 font-size=13 text-anchor=middle>{}</text>",
            left + 25,
            day.format("%a %-d")
        );
    }
    svg.push_str("</svg><p class=src>Of each day, left (blue): drafted or closed; right (green): carried out or rehearsed.</p>");
    svg
}

/// Text of strangers: short, and no markup.
fn safe(text: &str, most: usize) -> String {
    let mut out = String::new();
    for c in plain(text, most).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
