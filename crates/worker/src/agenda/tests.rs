//! What an agent does of its calendar.

use chrono::TimeDelta;
use config::Schedules;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::tests::{Machine, at_once};

/// Does scans alone, as the cloud machine does.
struct Scans;

#[async_trait]
impl Clerk for Scans {
    fn does(&self, duty: Duty) -> bool {
        duty == Duty::Scan
    }

    async fn perform(&self, _: Duty, due: DateTime<Utc>) -> Result<Performed, ClerkError> {
        Ok(Performed { summary: format!("scan of {due}"), notes: "### Folders\n\nall empty".into() })
    }
}

/// The clock of a [`Machine`] starts on Monday, 2026-02-23, at 03:15.
#[tokio::test]
async fn a_duty_is_done_by_who_does_it_left_to_the_other_otherwise_and_the_rest_is_drafted() {
    let machine = Machine::new();
    let mut worker = machine.worker(at_once(), None);
    let calendar = Calendar::new(&Schedules::default()).expect("calendar");
    let diary = Diary::open(machine.temp.path().join("schedules.json"));
    worker.keep(Agenda::new(calendar, diary).done_by(Arc::new(Scans)));
    let cancel = CancellationToken::new();

    assert!(worker.cycle(&cancel).await.scheduled.is_empty(), "nothing is due at the first start");
    machine.clock.advance(TimeDelta::hours(6));
    let found = worker.cycle(&cancel).await;
    assert_eq!(found.scheduled.len(), 2, "the briefing at 08:00, the scan at 09:00");
    assert!(machine.has("Done/2026/02/SCHEDULE_daily-scan_20260223T0900Z.md"));
    assert!(machine.has("Needs_Action/SCHEDULE_monday-briefing_20260223T0800Z.md"));
    let done = machine.temp.path().join("vault/Done/2026/02/SCHEDULE_daily-scan_20260223T0900Z.md");
    let text = std::fs::read_to_string(done).expect("the scan");
    assert!(text.contains("scan of 2026-02-23 09:00:00 UTC") && text.contains("all empty"), "{text}");

    // Friday, 16:00.
    machine.clock.advance(TimeDelta::days(4) + TimeDelta::hours(7));
    worker.cycle(&cancel).await;
    assert!(machine.has("Pending_Approval/APPROVE_SALESPOST_linkedin-post_20260227T1600Z.md"));
    // Four days of sleep: one scan, of the last day.
    assert!(machine.has("Done/2026/02/SCHEDULE_daily-scan_20260227T0900Z.md"));
    assert!(!machine.has("Done/2026/02/SCHEDULE_daily-scan_20260226T0900Z.md"));
}
