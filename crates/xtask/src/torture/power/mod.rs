//! Power cuts: both machines' disks lose their power right before a state-changing step, or right
//! after a program has said that it is done. The remote and the bank are elsewhere and go on.

mod disk;

use std::path::Path;
use std::time::Duration;

use self::disk::{Disk, Kind};
use super::bounded::{self, Bounded};
use super::judge::{Verdict, judge};
use super::scene::{Act, Scene};
use super::{Figure, Lab, Outcome, processes};

/// A program takes some seconds, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks whether it stands still.
const LOOK: Duration = Duration::from_millis(1);
/// What the programs read their plan from.
const PLAN: &str = "AI_EMPLOYEE_FAULT";
/// What they say in the end when they only counted.
const REACHED: &str = "fault points reached: ";
/// Of a hundred cuts, at least so many come before the program's end.
const INSIDE: usize = 60;

pub(crate) fn run(lab: &Lab) -> Outcome {
    if !rustix::process::geteuid().is_root() {
        return Ok(vec![Figure::not_tried("power cuts", "they need root, for loop devices and mounts")]);
    }
    Kind::ALL.into_iter().map(|kind| cuts(lab, kind)).collect()
}

/// The power goes before step `n` of an act; after its end, where it has fewer steps.
#[derive(Clone, Copy)]
struct Case {
    act: Act,
    n: u64,
}

fn cuts(lab: &Lab, kind: Kind) -> Outcome<Figure> {
    let elsewhere = lab.folder(&format!("power-{}", kind.name()))?;
    let mut disk = match Disk::new(kind, &elsewhere) {
        Ok(disk) => disk,
        Err(reason) => return Ok(Figure::not_tried(format!("power cuts, {}", kind.name()), &reason)),
    };
    let scene = Scene::set(disk.root(), &elsewhere, lab.bin())?;
    let wanted = usize::try_from(lab.cases(4, 200)).unwrap_or(usize::MAX);
    let cases = cases(lab, &scene, wanted)?;
    let (mut verdict, mut inside) = (Verdict::default(), 0);
    for (n, case) in cases.iter().enumerate() {
        let (found, was_inside) = cut(&mut disk, &scene, *case, &elsewhere)?;
        inside += usize::from(was_inside);
        for finding in found.findings().take(5) {
            eprintln!("  {}, {}, cut before step {}: {finding}", kind.name(), case.act.name(), case.n);
        }
        verdict.absorb(found);
        lab.progress(n as u64 + 1, cases.len() as u64, "power cuts");
    }
    let cut = cases.len();
    Ok(Figure::new(
        format!("{cut} power cuts, {}, {inside} of them before a step of the program", kind.name()),
        format!("{verdict}; {} effects", verdict.effects),
        format!("everything acknowledged present, 0 of each; at least {INSIDE} % before a step"),
        verdict.is_sound() && inside * 100 >= INSIDE * cut && cut >= wanted,
    ))
}

/// So many cases, spread evenly over all steps of all acts and their ends.
fn cases(lab: &Lab, scene: &Scene, wanted: usize) -> Outcome<Vec<Case>> {
    let mut all = Vec::new();
    for act in Act::ALL {
        scene.reset()?;
        let mut command = scene.command(act, &[]);
        command.env(PLAN, "count");
        let ended = bounded::run(command, LIMIT)?;
        let count =
            ended.err.lines().rev().find_map(|line| line.split_once(REACHED)?.1.trim().parse::<u64>().ok());
        let Some(count) = count.filter(|_| ended.succeeded()) else {
            return Err(format!("{} counted no fault points: {}", act.name(), ended.said()));
        };
        all.extend((1..=count + 1).map(|n| Case { act, n }));
    }
    let mut chance = fastrand::Rng::with_seed(lab.seed());
    chance.shuffle(&mut all);
    // Where there are fewer steps than cuts, they are met again: what is not yet on the disk
    // differs from run to run.
    Ok(all.iter().copied().cycle().take(wanted).collect())
}

/// One cut, and what is there afterwards; also whether the program was still at work.
fn cut(disk: &mut Disk, scene: &Scene, case: Case, scratch: &Path) -> Outcome<(Verdict, bool)> {
    scene.reset()?;
    disk.flush()?;
    let mut command = scene.command(case.act, &[]);
    command.env(PLAN, format!(":{}:stop", case.n));
    let mut running = Bounded::start(command, LIMIT)?;
    let pid = running.pid();
    let mut stands = false;
    while !stands && !running.is_over()? {
        std::thread::sleep(LOOK);
        // A tool server that stands still holds up its agent.
        stands =
            processes::is_stopped(pid) || processes::descendants(pid).into_iter().any(processes::is_stopped);
    }
    disk.cut(pid)?;
    let ended = if stands { running.kill()? } else { running.wait()? };
    disk.boot()?;
    let mut verdict = judge(&scene.world, &scene.ledger(case.act, ended.succeeded()), scratch)?;
    if ended.hung() {
        verdict.wrong.push(format!("it hung: {}", ended.said()));
    }
    Ok((verdict, stands))
}
