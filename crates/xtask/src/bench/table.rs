//! What was measured, as a table for the terminal and for a Markdown file.

use std::fmt;

use super::stats::{Nanos, Ratio};

/// Whether a figure is what it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// There is no target; the figure is there to be seen.
    Reported,
    /// It could not be measured.
    Failed,
}

impl Verdict {
    fn of(met: bool) -> Self {
        if met { Self::Met } else { Self::Missed }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Met => "met",
            Verdict::Missed => "MISSED",
            Verdict::Reported => "-",
            Verdict::Failed => "NOT MEASURED",
        })
    }
}

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    name: String,
    ours: String,
    against: String,
    ratio: String,
    pub(crate) verdict: Verdict,
}

impl Row {
    /// A figure without a target.
    pub(crate) fn reported(
        name: impl Into<String>,
        ours: impl fmt::Display,
        against: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            ours: ours.to_string(),
            against: against.into(),
            ratio: String::new(),
            verdict: Verdict::Reported,
        }
    }

    /// A time that has a limit.
    pub(crate) fn within(name: impl Into<String>, time: Nanos, limit: Nanos) -> Self {
        Self {
            ratio: Ratio::of(time.0, limit.0).to_string(),
            verdict: Verdict::of(time <= limit),
            ..Self::reported(name, time, format!("at most {limit}"))
        }
    }

    /// An amount of memory that has a limit.
    pub(crate) fn within_kib(name: impl Into<String>, ours: String, kib: u64, limit: u64) -> Self {
        Self {
            ratio: Ratio::of(kib, limit).to_string(),
            verdict: Verdict::of(kib <= limit),
            ..Self::reported(name, ours, format!("at most {}.0 MiB", limit / 1024))
        }
    }

    /// A figure beside another one, with what the ratio should be.
    pub(crate) fn beside(
        name: impl Into<String>,
        ours: impl fmt::Display,
        baseline: impl fmt::Display,
        ratio: Ratio,
        target: Target,
    ) -> Self {
        let (wanted, verdict) = match target {
            Target::None => (String::new(), Verdict::Reported),
            Target::AtLeast(least) => (format!(", at least {least} of it"), Verdict::of(ratio >= least)),
            Target::AtMost(most) => (format!(", at most {most} of it"), Verdict::of(ratio <= most)),
        };
        Self {
            ratio: ratio.to_string(),
            verdict,
            ..Self::reported(name, ours, format!("{baseline}{wanted}"))
        }
    }

    /// A figure that could not be measured.
    pub(crate) fn failed(name: impl Into<String>, reason: &str) -> Self {
        let reason: String = reason.lines().next().unwrap_or_default().chars().take(160).collect();
        Self { verdict: Verdict::Failed, ..Self::reported(name, "", reason) }
    }

    fn cells(&self) -> [String; 5] {
        let Self { name, ours, against, ratio, verdict } = self;
        [name.clone(), ours.clone(), against.clone(), ratio.clone(), verdict.to_string()]
    }
}

/// What a ratio should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    None,
    AtLeast(Ratio),
    AtMost(Ratio),
}

const HEAD: [&str; 5] = ["what", "ours", "baseline or target", "ratio", "verdict"];

/// A Markdown table whose columns also line up in a terminal.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| row.cells().map(|cell| cell.replace('|', "\\|"))));
    let mut widths = [0; 5];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let rule = widths.map(|width| "-".repeat(width));
    lines.insert(1, rule);
    let mut out = String::new();
    for line in &lines {
        let padded: Vec<String> =
            line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out.push_str(&format!("| {} |\n", padded.join(" | ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_follows_from_the_target() {
        let check = |ratio, target, expected| {
            assert_eq!(Row::beside("x", 1, 2, Ratio(ratio), target).verdict, expected);
        };
        check(8_000, Target::AtLeast(Ratio(8_000)), Verdict::Met);
        check(7_999, Target::AtLeast(Ratio(8_000)), Verdict::Missed);
        check(1_000, Target::AtMost(Ratio(1_000)), Verdict::Met);
        check(1_001, Target::AtMost(Ratio(1_000)), Verdict::Missed);
        check(1_001, Target::None, Verdict::Reported);
        assert_eq!(Row::within("x", Nanos::millis(20), Nanos::millis(20)).verdict, Verdict::Met);
    }

    #[test]
    fn the_table_is_markdown_and_lines_up() {
        let rows = [
            Row::within("MCP call", Nanos(350_000), Nanos::millis(1)),
            Row::failed("start|end", "failed to start: no such file\nmore"),
        ];
        let expected = "\
| what       | ours   | baseline or target            | ratio | verdict      |
| ---------- | ------ | ----------------------------- | ----- | ------------ |
| MCP call   | 350 µs | at most 1.00 ms               | 0.35  | met          |
| start\\|end |        | failed to start: no such file |       | NOT MEASURED |
";
        assert_eq!(markdown(&rows), expected);
    }
}
