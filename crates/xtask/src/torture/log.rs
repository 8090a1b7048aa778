//! The audit log under attack: every change to it is found and the first record that is wrong is
//! named, and a long one is verified quickly.

mod tamper;
mod world;

use std::time::{Duration, Instant};

use self::tamper::{Harm, Tampering};
use self::world::{Found, World, long_log};
use super::{Figure, Lab, Outcome};

/// Every so many cases the tampering is committed as well, as a hostile machine would push it.
const COMMITTED: u64 = 20;
/// Every so many cases the command that the owner types is asked besides.
const BY_COMMAND: u64 = 250;

/// How many records are verified within [`LIMIT`].
const RECORDS: u64 = 100_000;
const LIMIT: Duration = Duration::from_secs(1);

pub(crate) fn run(lab: &Lab) -> Outcome {
    Ok(vec![tamperings(lab)?, speed(lab)?])
}

fn tamperings(lab: &Lab) -> Outcome<Figure> {
    let cases = lab.cases(600, 10_000);
    let world = World::build(&lab.folder("log")?, &lab.program("local-agent"))?;
    if let Some(found) = world.verify()? {
        return Err(format!("the untouched log is said to be bad: {found}"));
    }
    let (mut found, mut named, mut wrong) = (0, 0, Vec::new());
    for case in 0..cases {
        let mut chance = fastrand::Rng::with_seed(lab.seed().wrapping_mul(1_000_003).wrapping_add(case));
        let harm = Harm::ALL[usize::try_from(case).unwrap_or_default() % Harm::ALL.len()];
        let tampering = Tampering::make(harm, world.logs(), &mut chance);
        let committed = case % COMMITTED == COMMITTED - 1;
        let said = world.after(&tampering, committed)?;
        found += u64::from(said.is_some());
        named += u64::from(said.as_ref().is_some_and(|said| said.is(&tampering)));
        if said.as_ref().is_none_or(|said| !said.is(&tampering)) && wrong.len() < 5 {
            let said = said.as_ref().map_or_else(|| "nothing".to_owned(), Found::to_string);
            wrong.push(format!("case {case}, {tampering}: the verification says {said}"));
        }
        if case % BY_COMMAND == 0 {
            world.command_names(&tampering)?;
        }
        lab.progress(case + 1, cases, "tamperings");
    }
    wrong.iter().for_each(|line| eprintln!("  seed {}, {line}", lab.seed()));
    if let Some(found) = world.verify()? {
        return Err(format!("the log that was put back is said to be bad: {found}"));
    }
    Ok(Figure::new(
        format!("log tampering, {} kinds, {cases} cases", Harm::ALL.len()),
        format!("{found} found, {named} with the first bad record named"),
        format!("{cases} of {cases}"),
        found == cases && named == cases,
    ))
}

fn speed(lab: &Lab) -> Outcome<Figure> {
    let long = long_log(&lab.folder("long-log")?, RECORDS, &lab.program("local-agent"))?;
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        long.command_says_sound(RECORDS)?;
        best = best.min(start.elapsed());
    }
    // Programs as `cargo test` builds them are not optimised: there the figure is only shown.
    let optimised = lab.is_optimised();
    let promised = if optimised { "within 1 s" } else { "within 1 s (optimised; here 20 s)" };
    let limit = if optimised { LIMIT } else { LIMIT * 20 };
    Ok(Figure::new(
        format!("{RECORDS} records verified by local-agent log verify, against 40 commits"),
        format!("{} ms", best.as_millis()),
        promised,
        best <= limit,
    ))
}
