//! Partitions: an hour of the test clock in which no machine reaches the remote and all work on.

use std::time::Duration;

use simulation::Office;

use super::{Figure, Lab, Outcome, schedules};

/// What is promised, in seconds.
const PROMISED: i64 = 30;

/// How many are tried; each is some hundred cycles of every machine.
const FULL: u64 = 50;

pub(crate) fn run(lab: &Lab) -> Outcome {
    let office = Office::new(&lab.folder("office of the partition")?)?;
    let place = schedules::Place::new()?;
    let count = lab.cases(2, FULL).min(FULL);
    let (mut slowest, mut work, mut apart, mut broken) = (0, Duration::ZERO, 0, 0);
    for n in 0..count {
        let seed = lab.seed().wrapping_add(n);
        let ended = place
            .within(&format!("partition-{seed}"), |folder| simulation::partition(&office, folder, seed))?;
        if !ended.ran.violations.is_empty() {
            broken += 1;
            eprintln!("  seed {seed}: {}", ended.ran.violations.join("; "));
        }
        slowest = slowest.max(ended.seconds);
        work = work.max(ended.work);
        apart += ended.apart;
        lab.progress(n + 1, count, "partitions");
    }
    Ok(vec![Figure::new(
        format!("{count} partitions of an hour of the test clock"),
        format!(
            "agreed within {slowest} s of that clock, {} ms of work; {apart} files had differed; {broken} without agreement",
            work.as_millis()
        ),
        format!("{PROMISED} s, no manual repair"),
        broken == 0 && apart > 0 && slowest <= PROMISED,
    )])
}
