//! What becomes of an order that is over a limit.

use chrono::{DateTime, SecondsFormat, Utc};
use policy::{Ruling, Window};
use vault::TaskFile;

use crate::Row;
use crate::admit::Objection;
use crate::core::{Core, Problem};
use crate::report::Report;

impl Core {
    /// What is too much for this hour waits, while its order is good; everything else goes back to
    /// the owner.
    pub(crate) fn over(
        &self,
        file: &TaskFile,
        row: &Row,
        ruling: Ruling,
        report: &mut Report,
    ) -> Result<(), Problem> {
        let reason = match ruling {
            Ruling::Allowed => return Ok(()),
            Ruling::NotNow { until, window: Window::Hour, why } if until < row.order.expires => {
                let reason = format!("over a limit until {}: {why}", time(until));
                report.merge(self.hold(row, until, reason)?);
                return Ok(());
            }
            Ruling::NotNow { until, why, .. } => format!(
                "over a limit: {why}. Approve it again after {}, or raise that limit in config.yaml or in the handbook",
                time(until)
            ),
            Ruling::Refused { why } => format!(
                "over a limit: {why}. No waiting helps: change what is asked for, or raise that limit in config.yaml or in the handbook"
            ),
        };
        self.object_to_accepted(file, row, Objection::Returned(reason), report)
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
