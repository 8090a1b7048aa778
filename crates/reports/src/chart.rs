//! Charts as Mermaid draws them. What tells two series apart is their shape: a reader may not see their colours, and the
//! colours given here can be seen on a light page and on a dark one.

use std::fmt::Display;

const COLOURS: &str =
    "%%{init: {\"themeVariables\": {\"xyChart\": {\"plotColorPalette\": \"#4a80c4, #d08a1c\"}}}}%%";

/// Bars, and a line over them, by name.
pub(crate) fn per_day(names: &[String], bars: &[usize], line: &[usize]) -> String {
    let most = bars.iter().chain(line).max().copied().unwrap_or_default().max(1);
    format!(
        "```mermaid\n{COLOURS}\nxychart-beta\n    title \"Tasks per day: drafted (bars), carried out (line)\"\n    \
         x-axis [{}]\n    y-axis \"tasks\" 0 --> {most}\n    bar [{}]\n    line [{}]\n```\n",
        listed(names.iter().map(|name| format!("\"{name}\""))),
        listed(bars),
        listed(line)
    )
}

/// Bars that lie, one for each kind.
pub(crate) fn by_kind(counts: &[(&str, usize)]) -> String {
    let most = counts.iter().map(|(_, n)| *n).max().unwrap_or_default().max(1);
    format!(
        "```mermaid\n{COLOURS}\nxychart-beta horizontal\n    title \"Tasks by kind\"\n    \
         x-axis [{}]\n    y-axis \"tasks\" 0 --> {most}\n    bar [{}]\n```\n",
        listed(counts.iter().map(|(kind, _)| format!("\"{kind}\""))),
        listed(counts.iter().map(|(_, n)| n))
    )
}

fn listed(items: impl IntoIterator<Item = impl Display>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
