//! Seeded schedules: agents, owner and remote in one process, with faults, under
//! [`simulation`]'s model; and the same with programs that have a mistake, which must be noticed.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use simulation::{Case, Flaw, Office, Ran};

use super::{Figure, Lab, Outcome};

/// How many steps a schedule has before everything may settle.
const STEPS: u32 = 60;
/// A mistake that so many schedules do not bring to light counts as unnoticed.
const TRIES: u64 = 400;
/// So many mistakes take hundreds of schedules to come to light: claims laid on top of others', and
/// a first synchronisation that believes a fetch.
const RARE: usize = 2;
/// So many broken schedules are shown; the others are counted.
const SHOWN: usize = 3;

pub(crate) fn run(lab: &Lab) -> Outcome {
    let office_folder = lab.folder("office")?;
    let office = Office::new(&office_folder)?;
    let place = Place::new()?;
    if lab.is_alone() {
        return one(&office, &place, lab.seed());
    }
    let count = lab.cases(60, 100_000);
    let start = Instant::now();
    let total = Mutex::new(Total::default());
    let next = AtomicU64::new(0);
    let first = lab.seed();
    let work = || -> Result<(), String> {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                return Ok(());
            }
            let seed = first.wrapping_add(n);
            let ran = place.run(&office, Case { seed, steps: STEPS, flaw: None })?;
            let mut total = total.lock().map_err(|_| "a schedule panicked".to_owned())?;
            total.add(seed, &ran);
            if total.schedules.is_multiple_of((count / 20).max(1)) {
                eprintln!("  {} of {count} schedules, {} s", total.schedules, start.elapsed().as_secs());
            }
        }
    };
    in_parallel(&work)?;
    let total = total.into_inner().map_err(|_| "a schedule panicked".to_owned())?;
    let took = start.elapsed();
    let noticed = flaws(&office, &place, lab)?;
    Ok(vec![
        Figure::new(
            format!("{} seeded schedules of {STEPS} steps", total.schedules),
            format!(
                "{} violations; {} tasks, {} effects, {} crashes, {} failed steps; {} s",
                total.broken,
                total.tasks,
                total.effects,
                total.crashes,
                total.failures,
                took.as_secs()
            ),
            "0 violations",
            total.broken == 0 && total.effects > 0 && total.crashes > 0,
        ),
        noticed,
    ])
}

/// One schedule, with everything that happened.
fn one(office: &Office, place: &Place, seed: u64) -> Outcome {
    let ran = place.run(office, Case { seed, steps: STEPS, flaw: None })?;
    for line in &ran.trace {
        eprintln!("  {line}");
    }
    Ok(vec![Figure::new(
        format!("the schedule of seed {seed}"),
        if ran.violations.is_empty() { "0 violations".to_owned() } else { ran.violations.join("; ") },
        "0 violations",
        ran.violations.is_empty(),
    )])
}

/// Each mistake, until a schedule brings it to light.
fn flaws(office: &Office, place: &Place, lab: &Lab) -> Outcome<Figure> {
    if !cfg!(debug_assertions) {
        return Ok(Figure::not_tried("deliberate flaws", "this build has none"));
    }
    let (first, tries) = (lab.seed(), lab.cases(250, TRIES));
    let mut unnoticed = Vec::new();
    let mut said = Vec::new();
    for flaw in Flaw::ALL {
        let found = AtomicU64::new(u64::MAX);
        let next = AtomicU64::new(0);
        let work = || -> Result<(), String> {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= tries || found.load(Ordering::Relaxed) != u64::MAX {
                    return Ok(());
                }
                let seed = first.wrapping_add(n);
                if !place.run(office, Case { seed, steps: STEPS, flaw: Some(*flaw) })?.violations.is_empty() {
                    found.fetch_min(n + 1, Ordering::Relaxed);
                }
            }
        };
        in_parallel(&work)?;
        match found.into_inner() {
            u64::MAX => unnoticed.push(flaw.name()),
            tries => said.push(format!("{} after {tries}", flaw.name())),
        }
    }
    eprintln!("  noticed: {}", said.join(", "));
    Ok(Figure::new(
        "deliberate flaws in the programs noticed",
        format!("{} of {}; unnoticed: {unnoticed:?}", said.len(), Flaw::ALL.len()),
        if lab.is_share() { format!("all but {RARE} in a share") } else { "all of them".to_owned() },
        unnoticed.len() <= if lab.is_share() { RARE } else { 0 },
    ))
}

/// The same work on every core.
fn in_parallel(work: &(dyn Fn() -> Result<(), String> + Sync)) -> Result<(), String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut ended = workers.into_iter().map(|worker| worker.join());
        ended.try_for_each(|end| end.unwrap_or_else(|_| Err("a schedule panicked".to_owned())))
    })
}

#[derive(Default)]
struct Total {
    schedules: u64,
    broken: u64,
    tasks: usize,
    effects: u32,
    crashes: u32,
    failures: u32,
}

impl Total {
    fn add(&mut self, seed: u64, ran: &Ran) {
        self.schedules += 1;
        self.tasks += ran.tasks;
        self.effects += ran.effects;
        self.crashes += ran.crashes;
        self.failures += ran.failures;
        if ran.violations.is_empty() {
            return;
        }
        self.broken += 1;
        if self.broken <= SHOWN as u64 {
            eprintln!("  seed {seed}: {}", ran.violations.join("; "));
            eprintln!("  again: cargo xtask torture --only schedules --alone --seed {seed}");
        }
    }
}

/// Where the machines of a schedule have their folders: in memory, because no power fails here and
/// what an fsync costs on a disk would be most of the time.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Result<Self, String> {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("schedules-").tempdir_in(&base);
        folder.map(Self).map_err(|error| format!("failed to make a folder in {}: {error}", base.display()))
    }

    fn run(&self, office: &Office, case: Case) -> Result<Ran, String> {
        let name = format!("{}-{}", case.seed, case.flaw.map_or("", Flaw::name));
        self.within(&name, |folder| simulation::run(office, folder, case))
    }

    /// Works in a folder of its own, which goes afterwards.
    pub(crate) fn within<T>(
        &self,
        name: &str,
        work: impl FnOnce(&Path) -> Result<T, String>,
    ) -> Result<T, String> {
        let folder = self.0.path().join(name);
        let done = work(&folder);
        std::fs::remove_dir_all(&folder)
            .map_err(|error| format!("failed to tidy up {}: {error}", folder.display()))?;
        done
    }
}
