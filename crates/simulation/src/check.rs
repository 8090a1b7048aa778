//! What must be true when everything has settled.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use task::{Location, Stage, TaskId};

use crate::agent::Agent;
use crate::owner::tasks;
use crate::world::{World, locked};

/// Whether nothing is in work on this machine.
pub(crate) fn is_idle(agent: &Agent) -> bool {
    tasks(&agent.vault).iter().all(|at| !matches!(at.stage, Stage::InProgress(_) | Stage::Executing(_)))
}

/// Adds what is not true to the model's violations.
pub(crate) fn all(world: &World) {
    let mut wrong = Vec::new();
    let remote = match contents(world) {
        Ok(remote) => remote,
        Err(error) => {
            world.shared.model().violated(format!("the remote cannot be read: {error}"));
            return;
        }
    };
    one_place(world, &remote, &mut wrong);
    for slot in &world.agents {
        let agent = locked(slot);
        agreement(&agent, &remote, &mut wrong);
        wrong.extend(agent.trouble().map(|said| format!("{} still says: {said}", agent.id)));
    }
    words(world, &remote, &mut wrong);
    let mut model = world.shared.model();
    wrong.into_iter().for_each(|what| model.violated(what));
}

/// How many files are not the same on all machines and at the remote.
pub(crate) fn apart(world: &World) -> usize {
    let Ok(remote) = contents(world) else { return usize::MAX };
    let mut wrong = Vec::new();
    world.agents.iter().for_each(|slot| agreement(&locked(slot), &remote, &mut wrong));
    wrong.len()
}

type Contents = BTreeMap<String, Vec<u8>>;

fn contents(world: &World) -> Result<Contents, String> {
    let files = world.remote.files().map_err(|error| error.to_string())?;
    let read = |(path, name): (String, String)| {
        world.remote.content(&name).map(|bytes| (path, bytes)).map_err(|error| error.to_string())
    };
    files.into_iter().map(read).collect()
}

/// Each task that was acknowledged is in one place, and nothing is left in work.
fn one_place(world: &World, remote: &Contents, wrong: &mut Vec<String>) {
    let mut places: BTreeMap<TaskId, Vec<Location>> = BTreeMap::new();
    for location in remote.keys().filter_map(|path| Location::parse(path).ok()) {
        places.entry(location.id.clone()).or_default().push(location);
    }
    let model = world.shared.model();
    for id in &model.created {
        match places.get(id).map(Vec::as_slice) {
            None => wrong.push(format!("{id} is lost")),
            Some([_]) => {}
            Some(many) => wrong.push(format!("{id} ended in {} places", many.len())),
        }
    }
    for (id, at) in places.iter().flat_map(|(id, many)| many.iter().map(move |at| (id, at))) {
        if matches!(at.stage, Stage::InProgress(_) | Stage::Executing(_)) {
            wrong.push(format!("{id} is stranded in {}", at.path()));
        }
    }
    for path in remote.keys().filter(|path| path.ends_with(".claim.json")) {
        wrong.push(format!("{path} is left over"));
    }
    let undone =
        |stage: &Stage| matches!(stage, Stage::NeedsAction | Stage::PendingApproval | Stage::Rejected);
    for id in model.executed() {
        let at = places.get(id).and_then(|many| many.first());
        if at.is_some_and(|at| undone(&at.stage)) {
            wrong.push(format!(
                "{id} had its effect and is in {}",
                at.map(Location::path).unwrap_or_default()
            ));
        }
    }
}

/// The vault has what the remote has.
fn agreement(agent: &Agent, remote: &Contents, wrong: &mut Vec<String>) {
    let mut here = Contents::new();
    if let Err(error) = collect(agent.vault.root(), agent.vault.root(), &mut here) {
        wrong.push(format!("{}'s vault cannot be read: {error}", agent.id));
        return;
    }
    let paths: BTreeSet<&String> = here.keys().chain(remote.keys()).collect();
    for path in paths {
        let differs = match (here.get(path), remote.get(path)) {
            (Some(_), None) => "only there",
            (None, Some(_)) => "not there",
            (here, there) if here != there => "different there",
            _ => continue,
        };
        wrong.push(format!("{} does not agree with the remote: {path} is {differs}", agent.id));
    }
}

/// Hidden names are git's and the programs' own, but for those that travel.
fn collect(root: &Path, folder: &Path, found: &mut Contents) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') && name != ".gitignore" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(root, &entry.path(), found)?;
        } else {
            let path = entry.path();
            let relative = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            found.insert(relative, std::fs::read(&path)?);
        }
    }
    Ok(())
}

/// Every word that a person wrote is somewhere.
fn words(world: &World, remote: &Contents, wrong: &mut Vec<String>) {
    let model = world.shared.model();
    for word in &model.words {
        let has = |bytes: &Vec<u8>| bytes.windows(word.len()).any(|part| part == word.as_bytes());
        if !remote.iter().any(|(path, bytes)| !path.starts_with("Logs/") && has(bytes)) {
            wrong.push(format!("the words {word} are gone"));
        }
    }
}
