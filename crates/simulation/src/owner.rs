//! The owner: decides, edits, writes notes, and drags files about, on the local machine.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use approval::Desk;
use signature::Register;
use task::{Location, Mode, Stage, StageName, action_digest};
use vault::{Folder, Vault};

use crate::Office;
use crate::agent::{Agent, EXECUTOR};
use crate::process::{Ended, step};
use crate::world::World;

/// No time to take an order back: the schedules have other worries.
pub(crate) fn rules() -> config::Approval {
    config::Approval { undo_seconds: config::UndoSeconds::none(), ..config::Approval::default() }
}

/// Limits that no schedule reaches.
pub(crate) fn limits() -> config::Limits {
    config::Limits {
        per_recipient_per_day: 1000,
        first_contacts_per_day: 1000,
        tool_per_hour: 1000,
        tool_per_day: 1000,
        ..config::Limits::default()
    }
}

fn desk(agent: &Agent, office: &Office) -> Desk {
    Desk {
        vault: agent.vault.clone(),
        vault_id: office.vault_id.clone(),
        agent: agent.id.clone(),
        executor: agent.id.clone(),
        mode: Mode::Live,
        limits: rules(),
        approvers: office.approvers.clone(),
        register: Register::new(&agent.data),
        paid: Arc::new(|_| Ok(Vec::new())),
        own: approval::Own::default(),
        clock: agent.clock.clone(),
    }
}

/// Every task that lies in the vault.
pub(crate) fn tasks(vault: &Vault) -> Vec<Location> {
    let mut folders = vec![
        Folder::NeedsAction,
        Folder::AllInProgress,
        Folder::PendingApproval,
        Folder::Rejected,
        Folder::Errors,
    ];
    folders.extend(
        vault.months_done().unwrap_or_default().into_iter().map(|(year, month)| Folder::Done { year, month }),
    );
    let listed = folders.iter().filter_map(|folder| vault.list(folder).ok());
    listed.flat_map(|listing| listing.tasks).map(|entry| entry.location).collect()
}

fn in_stage(vault: &Vault, wanted: StageName) -> Vec<Location> {
    tasks(vault).into_iter().filter(|at| at.stage.name() == wanted).collect()
}

/// Looks at one draft and decides.
pub(crate) fn review(world: &World, agent: &Agent, office: &Office) {
    let pending = in_stage(&agent.vault, StageName::PendingApproval);
    let Some(at) = world.shared.pick(&pending) else { return };
    let desk = desk(agent, office);
    let reject = world.shared.draw(100) < 15;
    let (plan, _) = world.shared.plan();
    let shared = world.shared.clone();
    let (ended, _) = step(plan, world.shared.incarnation(), || -> Result<String, String> {
        if reject {
            return desk.reject(&at.id, "no").map(|_| "rejects".to_owned()).map_err(|e| e.to_string());
        }
        let file = desk.open(&at.id).map_err(|e| e.to_string())?;
        let review = desk.review(&file.task).map_err(|e| e.to_string())?;
        let (Some(seen), Some(action)) = (review.digest, file.task.front.action.as_ref()) else {
            return Err("there is nothing to approve".to_owned());
        };
        let action = action_digest(&desk.vault_id, &at.id, action).map_err(|e| e.to_string())?;
        shared.model().intends(&at.id, action);
        desk.approve(&at.id, &seen, &office.signer())
            .map(|_| "approves".to_owned())
            .map_err(|e| e.to_string())
    });
    let said = match ended {
        Ended::With(Ok(said)) => said,
        Ended::With(Err(error)) => format!("does not decide: {error}"),
        Ended::Crashed => {
            world.shared.model().crashes += 1;
            "decides, and the program crashes".to_owned()
        }
        Ended::Panicked(words) => {
            world.shared.model().violated(format!("the review panics: {words}"));
            return;
        }
    };
    world.shared.model().note(format!("the owner {said}: {}", at.id));
}

/// Writes a line into a task, as an editor does that saves in place.
pub(crate) fn edit(world: &World, agent: &Agent, n: u32) {
    let all = tasks(&agent.vault);
    let Some(at) = world.shared.pick(&all) else { return };
    let word = format!("edit-{n}-of-{}", at.id);
    if append(&agent.vault.path_of(&at.path()), &word) {
        let mut model = world.shared.model();
        model.note(format!("the owner edits {}", at.path()));
        model.edits(&at.id, word);
    }
}

/// Drops a note into Inbox.
pub(crate) fn note(world: &World, agent: &Agent, n: u32) {
    let word = format!("note-{n}-here");
    let inbox = agent.vault.path_of("Inbox");
    if std::fs::create_dir_all(&inbox).is_ok() && append(&inbox.join(format!("note {n}.md")), &word) {
        let mut model = world.shared.model();
        model.note(format!("the owner writes note {n}"));
        model.words.push(word);
    }
}

fn append(path: &Path, word: &str) -> bool {
    let file = std::fs::File::options().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(format!("\n{word}\n").as_bytes())).is_ok()
}

/// Drags a file to where approved orders lie: a draft that nobody signed, or an order that was
/// carried out. Neither may have an effect.
pub(crate) fn drag(world: &World, agent: &Agent) {
    let from = if world.shared.draw(2) == 0 { StageName::PendingApproval } else { StageName::Done };
    let candidates = in_stage(&agent.vault, from);
    let Some(at) = world.shared.pick(&candidates) else { return };
    let to = Location::new(Stage::Approved, at.id.clone());
    let moved = std::fs::rename(agent.vault.path_of(&at.path()), agent.vault.path_of(&to.path())).is_ok();
    if moved {
        world.shared.model().note(format!("{EXECUTOR}'s owner drags {} to {}", at.path(), to.path()));
    }
}
