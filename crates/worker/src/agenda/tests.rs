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

    async fn perform(&self, _: Duty, due: DateTime<Utc>, _: &[Step]) -> Result<Performed, ClerkError> {
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

/// Audits in three steps, of which the second fails as often as it is told to.
#[derive(Default)]
struct Audits {
    fails: std::sync::atomic::AtomicU32,
    asked: Mutex<Vec<usize>>,
}

#[async_trait]
impl Clerk for Audits {
    fn does(&self, duty: Duty) -> bool {
        duty == Duty::Audit
    }

    fn steps(&self, _: Duty) -> Vec<&'static str> {
        vec!["read the logs", "read the books", "read the pages", "write"]
    }

    async fn gather(&self, _: Duty, _: DateTime<Utc>, step: usize) -> Result<(String, Value), ClerkError> {
        self.asked.lock().expect("asked").push(step);
        let less = |left: u32| left.checked_sub(1);
        let order = std::sync::atomic::Ordering::SeqCst;
        if step == 1 && self.fails.fetch_update(order, order, less).is_ok() {
            return Err("the books are away".into());
        }
        Ok((format!("source {step}"), serde_json::json!({ "step": step })))
    }

    async fn perform(&self, _: Duty, _: DateTime<Utc>, made: &[Step]) -> Result<Performed, ClerkError> {
        let had = |step: &Step| step.outcome()["step"].to_string();
        Ok(Performed { summary: made.iter().map(had).collect::<Vec<_>>().join(" "), notes: String::new() })
    }
}

const AUDIT: &str = "AUDIT_weekly-audit_20260222T2300Z";

/// A machine on which the Sunday audit waits, and who does it.
fn audited(fails: u32) -> (Machine, Arc<Audits>) {
    let machine = Machine::new();
    machine.put(AUDIT);
    (machine, Arc::new(Audits { fails: fails.into(), ..Audits::default() }))
}

/// One cycle of the program, started anew.
async fn once(machine: &Machine, clerk: &Arc<Audits>) -> crate::Found {
    let mut worker = machine.worker(at_once(), None);
    let calendar = Calendar::new(&Schedules::default()).expect("calendar");
    let diary = Diary::open(machine.temp.path().join("schedules.json"));
    worker.keep(Agenda::new(calendar, diary).done_by(clerk.clone()));
    worker.resume().await;
    let found = worker.cycle(&CancellationToken::new()).await;
    machine.clock.advance(TimeDelta::minutes(5));
    found
}

fn text(machine: &Machine, path: &str) -> String {
    std::fs::read_to_string(machine.temp.path().join("vault").join(path)).expect(path)
}

#[tokio::test]
async fn a_source_that_is_away_loses_no_others_work_and_is_asked_again_over_a_restart() {
    let (machine, clerk) = audited(1);
    once(&machine, &clerk).await;
    let waiting = text(&machine, &format!("Needs_Action/{AUDIT}.md"));
    assert!(waiting.contains("- [x] read the pages: source 2"), "{waiting}");
    assert!(
        waiting.contains("- [ ] read the books (did not work; it is tried again): the books are away"),
        "{waiting}"
    );
    once(&machine, &clerk).await;
    assert_eq!(*clerk.asked.lock().expect("asked"), [0, 1, 2, 1], "what was read is not read again");
    let done = text(&machine, &format!("Done/2026/02/{AUDIT}.md"));
    assert!(done.contains("reason: 0 1 2 null"), "{done}");
    assert!(done.contains("- [x] write: 0 1 2 null") && !done.contains("attempts"), "{done}");
}

#[tokio::test]
async fn after_the_last_try_an_audit_is_written_without_what_was_not_to_be_had() {
    let (machine, clerk) = audited(u32::MAX);
    for _ in 0..3 {
        once(&machine, &clerk).await;
    }
    assert_eq!(*clerk.asked.lock().expect("asked"), [0, 1, 2, 1, 1]);
    let done = text(&machine, &format!("Done/2026/02/{AUDIT}.md"));
    assert!(done.contains("reason: 0 null 2 null"), "{done}");
    assert!(done.contains("failures: 3") && done.contains("the books are away"), "{done}");
}

#[tokio::test]
async fn an_audit_can_be_stopped_in_its_plan_and_goes_on_from_there() {
    let (machine, clerk) = audited(1);
    once(&machine, &clerk).await;
    let path = machine.temp.path().join("vault/Needs_Action").join(format!("{AUDIT}.md"));
    let before = std::fs::read_to_string(&path).expect("the task");
    std::fs::write(&path, before.replace("- [ ] Stop here", "- [x] Stop here")).expect("write");
    once(&machine, &clerk).await;
    let stopped = text(&machine, &format!("Pending_Approval/APPROVE_{AUDIT}.md"));
    assert!(stopped.contains("stopped in its Plan after 2 step"), "{stopped}");
    assert_eq!(*clerk.asked.lock().expect("asked"), [0, 1, 2]);
}
