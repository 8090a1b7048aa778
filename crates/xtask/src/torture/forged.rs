//! Orders that the owner never gave, or gave for something else, or takes back: none is carried out,
//! each is said once, and the orders among them that are good are carried out all the same.
//!
//! Every case goes through the real programs twice where it can: as a file in the vault, to the agent,
//! and straight to the tool server, as any program on the machine could ask it.

mod direct;
mod forge;
mod owner;

use std::collections::BTreeMap;

use self::direct::Direct;
use self::forge::{Fate, Forge, Forged, Kind};
use self::owner::{Good, Machine};
use super::{Figure, Lab, Outcome};

/// So many forged orders lie in the vault at once, around one good one.
const BATCH: u64 = 100;

/// What was seen.
#[derive(Default)]
struct Seen {
    cases: u64,
    good: u64,
    said_once: u64,
    asked: u64,
    refused: u64,
    wrong: Vec<String>,
    kinds: BTreeMap<&'static str, u64>,
}

impl Seen {
    fn note(&mut self, what: String) {
        if self.wrong.len() < 10 {
            self.wrong.push(what);
        }
    }
}

pub(crate) fn run(lab: &Lab) -> Outcome {
    let cases = lab.cases(200, 10_000);
    let machine = Machine::new(&lab.folder("forged")?, lab)?;
    let mut direct = Direct::start(&machine)?;
    let mut seen = Seen::default();
    // One that was carried out before anything is forged after its likeness.
    let mut past = machine.approved("EMAIL_first")?;
    machine.round()?;
    seen.good += 1;
    while seen.cases < cases {
        let batch = BATCH.min(cases - seen.cases);
        past = round(lab, &machine, &mut direct, batch, &past, &mut seen)?;
        lab.progress(seen.cases, cases, "forged orders");
    }
    drop(direct);
    let effects = machine.sent()?;
    machine.ok(&["log", "verify"])?;
    seen.wrong.iter().for_each(|line| eprintln!("  seed {}, {line}", lab.seed()));
    let executed = effects.saturating_sub(usize::try_from(seen.good).unwrap_or(usize::MAX));
    let good = seen.good;
    Ok(vec![
        Figure::new(
            format!("forged, altered and replayed orders, {} kinds, {} cases", seen.kinds.len(), seen.cases),
            format!(
                "{executed} executed; {} said once; {good} good ones among them: {effects} effects",
                seen.said_once
            ),
            "0 executed, each said once, every good one carried out",
            seen.wrong.is_empty()
                && executed == 0
                && seen.said_once == seen.cases
                && u64::try_from(effects).is_ok_and(|effects| effects == good),
        ),
        Figure::new(
            format!("the same, straight to the tool server, {} calls", seen.asked),
            format!("{} refused", seen.refused),
            "all refused",
            seen.asked > 0 && seen.refused == seen.asked,
        ),
    ])
}

/// One good order among `batch` bad ones, which are made after a good one of the `past`. Gives the good
/// one, for the next round.
fn round(
    lab: &Lab,
    machine: &Machine,
    direct: &mut Direct,
    batch: u64,
    past: &Good,
    seen: &mut Seen,
) -> Outcome<Good> {
    let first = seen.cases;
    let good = machine.approved(&format!("EMAIL_g{first:06}"))?;
    let mut cases = vec![Forged::replayed(past)];
    // One order that the owner took back, whose file comes back from somewhere.
    if first.is_multiple_of(2 * BATCH) && batch > 3 {
        cases.push(machine.taken_back(&format!("EMAIL_u{first:06}"))?);
        // And one that changes between the look and the signature.
        machine.is_not_signed_when_changed(&format!("EMAIL_c{first:06}"))?;
    }
    let forge = Forge::new(machine, past);
    while (cases.len() as u64) < batch {
        let case = first + cases.len() as u64;
        let mut chance = fastrand::Rng::with_seed(lab.seed().wrapping_mul(1_000_003).wrapping_add(case));
        let kind = Kind::ALL[usize::try_from(case).unwrap_or_default() % Kind::ALL.len()];
        cases.push(forge.make(kind, case, &mut chance)?);
    }
    for case in &cases {
        machine.put(case)?;
        *seen.kinds.entry(case.kind).or_default() += 1;
    }
    let said = machine.round()?;
    if machine.folder_of(&good.id)? != Some(Fate::Done) {
        seen.note(format!("the good order {} was not carried out: {said}", good.id));
    }
    seen.good += 1;
    for case in &cases {
        let found = machine.folder_of(&case.id)?;
        // What was carried out before, or taken back, has its own file still; the second one goes.
        let fits = found == Some(case.fate);
        let times = said.lines().filter(|line| line.contains(&case.id)).count();
        seen.said_once += u64::from(times == 1);
        if !fits || times != 1 {
            let lines: Vec<_> = said.lines().filter(|line| line.contains(&case.id)).collect();
            seen.note(format!("{} ({}): in {found:?}, said {times} times: {lines:?}", case.id, case.kind));
        }
        if let Some(call) = case.call() {
            seen.asked += 1;
            let answer = direct.ask(&call)?;
            seen.refused += u64::from(answer.refused);
            if !answer.refused {
                seen.note(format!("{} ({}): the tool server: {}", case.id, case.kind, answer.said));
            }
        }
        machine.sweep(case)?;
    }
    seen.cases += cases.len() as u64;
    let again = machine.round()?;
    for case in &cases {
        if again.contains(&case.id) {
            seen.note(format!("{} ({}) is said again: {again}", case.id, case.kind));
        }
    }
    Ok(good)
}
