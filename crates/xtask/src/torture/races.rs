//! Many processes, one vault: each task has exactly one owner, none is lost and none doubled.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use task::TaskId;

use super::contestant::{self, Witness};
use super::{Figure, Lab, Outcome};
use crate::bench::samples;

/// How many processes race.
const RACERS: u64 = 8;

pub(crate) fn run(lab: &Lab) -> Outcome {
    let tasks = lab.cases(4_000, 100_000);
    let home = lab.folder("races")?;
    let vault = home.join("vault");
    let ids = fill(&vault, tasks)?;
    eprintln!("  {tasks} tasks made");
    let witness = |n: u64| home.join(format!("racer-{n}"));
    let mut racers = Vec::new();
    for n in 0..RACERS {
        let mut command = contestant::command(lab, "race");
        command.arg("--vault").arg(&vault).arg("--agent").arg(agent(n));
        command.arg("--seed").arg(lab.seed().wrapping_add(n).to_string()).arg("--witness").arg(witness(n));
        racers.push(contestant::start(command)?);
    }
    let begun = Instant::now();
    racers.iter_mut().for_each(contestant::go);
    let mut trouble = Vec::new();
    for (n, mut racer) in racers.into_iter().enumerate() {
        let status = racer.wait().map_err(|e| format!("failed to wait for a racer: {e}"))?;
        if !status.success() {
            trouble.push(format!("racer {n} ended with {status}"));
        }
    }
    let elapsed = begun.elapsed();

    let mut owners: BTreeMap<TaskId, Vec<u64>> = ids.into_iter().map(|id| (id, Vec::new())).collect();
    for n in 0..RACERS {
        for owned in Witness::read(&witness(n))? {
            match owners.get_mut(&owned.id) {
                Some(owners) => owners.push(n),
                None => trouble.push(format!("{} was owned and never existed", owned.id)),
            }
        }
    }
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in std::iter::once("Needs_Action".to_owned())
        .chain((0..RACERS).map(|n| format!("In_Progress/{}", agent(n))))
    {
        for name in names(&vault.join(&folder))? {
            places.entry(name).or_default().push(folder.clone());
        }
    }
    let (mut doubled, mut lost) = (0, 0);
    for (id, owners) in &owners {
        let at = places.remove(&format!("{id}.md")).unwrap_or_default();
        let expected: Vec<String> = owners.iter().map(|n| format!("In_Progress/{}", agent(*n))).collect();
        doubled += u64::from(owners.len() > 1 || at.len() > 1);
        lost += u64::from(owners.is_empty() || at.is_empty());
        if at != expected && trouble.len() < 5 {
            trouble.push(format!("{id} is in {at:?}, and owned it said {expected:?}"));
        }
    }
    if let Some(name) = places.keys().next() {
        trouble.push(format!("{} files too many, such as {name}", places.len()));
    }
    trouble.iter().take(5).for_each(|what| eprintln!("  {what}, seed {}", lab.seed()));
    let most = (0..RACERS).map(|n| owners.values().filter(|o| o.contains(&n)).count()).collect::<Vec<_>>();
    eprintln!("  tasks by racer: {most:?}");
    let met = doubled == 0 && lost == 0 && trouble.is_empty();
    Ok(vec![Figure::new(
        format!("local races, {RACERS} processes for {tasks} tasks"),
        format!(
            "{lost} lost, {doubled} doubled, {} said wrong, {:.1} s",
            trouble.len(),
            elapsed.as_secs_f64()
        ),
        "exactly one owner each",
        met,
    )])
}

fn agent(n: u64) -> String {
    format!("racer-{n:03}")
}

/// Puts `count` tasks into a new vault, without a thought of durability: they are the stage, not
/// the play.
fn fill(vault: &Path, count: u64) -> Outcome<Vec<TaskId>> {
    let folder: PathBuf = vault.join("Needs_Action");
    std::fs::create_dir_all(&folder).map_err(|e| format!("failed to make {}: {e}", folder.display()))?;
    let mut ids = Vec::new();
    for n in 0..usize::try_from(count).unwrap_or(usize::MAX) {
        let id = samples::id(n)?;
        // Claims do not read tasks; what these say need only fit.
        let text = format!("---\nid: {id}\ntype: email\ncreated: 2026-02-23T03:15:00Z\n---\n");
        let path = folder.join(format!("{id}.md"));
        std::fs::write(&path, text).map_err(|e| format!("failed to write {}: {e}", path.display()))?;
        ids.push(id);
    }
    let opened =
        std::fs::File::open(&folder).map_err(|e| format!("failed to open {}: {e}", folder.display()))?;
    rustix::fs::syncfs(&opened).map_err(|e| format!("failed to sync {}: {e}", folder.display()))?;
    Ok(ids)
}

/// The names of the tasks in a folder; hidden files are none.
fn names(folder: &Path) -> Outcome<Vec<String>> {
    let fail = |e: std::io::Error| format!("failed to list {}: {e}", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(fail(e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(fail)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    Ok(names)
}
