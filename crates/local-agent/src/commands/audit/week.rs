//! `local-agent audit`: the week's briefing, now.

use std::sync::Arc;

use chrono::NaiveTime;
use daemon::{Failure, OrFailure as _, Setup};
use local_agent::{Answers, Writer, summary};
use mcp_client::Sessions;
use serde_json::json;
use task::{AuditEvent, Clock as _, SystemClock};
use worker::{calendar, open_vault};

use crate::cli::Audit;
use crate::commands::{print, print_json};
use worker::session_settings;

/// Writes the briefing of the week of a day, today's when none is named.
pub(crate) async fn run(setup: &Setup, arguments: &Audit) -> Result<(), Failure> {
    let (vault, calendar) = (open_vault(setup)?, calendar(setup)?);
    let clock = Arc::new(SystemClock);
    let moment = match arguments.week {
        // Noon is on that day in every time zone's reckoning of it.
        Some(day) => day
            .and_time(NaiveTime::from_hms_opt(12, 0, 0).unwrap_or_default())
            .and_local_timezone(calendar.zone())
            .earliest()
            .map_or_else(|| clock.now(), |at| at.to_utc()),
        None => clock.now(),
    };
    let sessions = Arc::new(Sessions::new(session_settings(setup, policy::Class::Safe)?));
    let writer = Writer::new(setup, vault.clone(), calendar, sessions.clone(), clock.clone());
    let written = writer.write(moment, Answers::default()).await;
    sessions.close().await;
    let (briefing, written) = written.or_failed("cannot write the briefing")?;
    let event = AuditEvent::new("audit", None).with("page", written.path.as_str());
    vault.log(&setup.agent, event, clock.now()).or_failed("cannot write the audit log")?;
    if arguments.json {
        let suggestions: Vec<&str> = briefing.suggestions.iter().map(|s| s.text.as_str()).collect();
        return print_json(&json!({
            "page": written.path, "html": format!("{}.html", briefing.period.stem()), "kept": written.kept,
            "from": briefing.period.from, "until": briefing.period.until, "suggestions": suggestions,
        }));
    }
    print(&format!("{}\n", summary(&briefing, &written)))
}
