//! What was reached, beside what was promised.

/// One promise and what came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Figure {
    what: String,
    reached: String,
    promised: String,
    verdict: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Met,
    Missed,
    NotTried,
}

impl Figure {
    /// A figure; `met` says whether the promise was kept.
    pub(crate) fn new(
        what: impl Into<String>,
        reached: impl Into<String>,
        promised: impl Into<String>,
        met: bool,
    ) -> Self {
        let verdict = if met { Verdict::Met } else { Verdict::Missed };
        Self { what: what.into(), reached: reached.into(), promised: promised.into(), verdict }
    }

    /// A suite that this machine has not the means for; that is not a promise kept.
    pub(crate) fn not_tried(what: impl Into<String>, reason: &str) -> Self {
        Self { verdict: Verdict::NotTried, ..Self::broken_off(what, reason) }
    }

    /// A suite that did not come to its end; that is a promise missed.
    pub(crate) fn broken_off(what: impl Into<String>, reason: &str) -> Self {
        let reason = reason.lines().next().unwrap_or_default().chars().take(160).collect();
        Self { what: what.into(), reached: reason, promised: String::new(), verdict: Verdict::Missed }
    }

    pub(crate) fn was_not_tried(&self) -> bool {
        self.verdict == Verdict::NotTried
    }

    pub(crate) fn is_met(&self) -> bool {
        self.verdict == Verdict::Met
    }
}

/// The figures as a Markdown table.
pub(crate) fn markdown(figures: &[Figure]) -> String {
    let mut out = String::from("| what | reached | promised | verdict |\n|---|---|---|---|\n");
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    for figure in figures {
        let verdict = match figure.verdict {
            Verdict::Met => "met",
            Verdict::Missed => "MISSED",
            Verdict::NotTried => "NOT TRIED",
        };
        let (what, reached, promised) = (cell(&figure.what), cell(&figure.reached), cell(&figure.promised));
        out.push_str(&format!("| {what} | {reached} | {promised} | {verdict} |\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_that_was_not_tried_is_no_promise_kept() {
        let figures =
            [Figure::new("kills", "2,000, 0 lost", "0 lost", true), Figure::not_tried("power", "no root\nx")];
        assert!(figures[0].is_met() && !figures[1].is_met() && figures[1].was_not_tried());
        let broken_off = Figure::broken_off("kills", "init failed");
        assert!(!broken_off.is_met() && !broken_off.was_not_tried());
        let expected = "| what | reached | promised | verdict |\n|---|---|---|---|\n\
                        | kills | 2,000, 0 lost | 0 lost | met |\n| power | no root |  | NOT TRIED |\n";
        assert_eq!(markdown(&figures), expected);
    }
}
