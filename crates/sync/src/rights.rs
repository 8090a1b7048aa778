//! What a change that another machine made may do on the owner's. Pure: it decides on states and
//! on contents that are handed in.
//!
//! The other machine reads mail from strangers and may have been taken over by one. It may bring
//! work and draft it. It may not touch what waits for the owner or what the owner has decided,
//! this agent's log and claims, or what belongs to the owner's machine.

use git2::Oid;
use task::{AgentId, Stage, TaskId, TaskKind};

use crate::integrate::{State, live};
use crate::place::Place;

/// What decides.
pub(crate) struct Rights<'a> {
    /// The agent on the owner's machine.
    pub(crate) me: &'a AgentId,
    /// Reads a content; what is missing is empty.
    pub(crate) read: &'a dyn Fn(Oid) -> Vec<u8>,
}

impl Rights<'_> {
    /// Whether a task may go from `base` to `remote`; the error says what was tried.
    pub(crate) fn task(&self, id: &TaskId, base: &State, remote: &State) -> Result<(), String> {
        moved(id, self.me, base, remote)?;
        let (Some(from), Some(to)) = (live(base), live(remote)) else { return Ok(()) };
        // The content, wherever it went: one that is unread may say anything.
        if from.blob != to.blob && task::lifts_approval(id, &(self.read)(from.blob), &(self.read)(to.blob)) {
            return Err("it takes back that the owner must see it (requires_approval)".to_owned());
        }
        Ok(())
    }

    /// Whether a path that is no task's may change from `base` to `remote`.
    pub(crate) fn path(&self, place: &Place, base: Option<Oid>, remote: Option<Oid>) -> Result<(), String> {
        path(place, self.me, base.is_some(), remote.is_some())?;
        match (place, remote) {
            (Place::Log(agent), Some(after)) => {
                let before = base.map(|id| (self.read)(id)).unwrap_or_default();
                task::log_goes_on(agent, &before, &(self.read)(after)).map_err(str::to_owned)
            }
            _ => Ok(()),
        }
    }
}

fn moved(id: &TaskId, me: &AgentId, base: &State, remote: &State) -> Result<(), String> {
    for (path, (place, blob)) in remote {
        let mine = matches!(place, Place::Claim { agent, .. } if agent == me);
        if mine && base.get(path).map(|(_, old)| old) != Some(blob) {
            return Err("it writes a claim in this agent's name".to_owned());
        }
    }
    let count = |state: &State| state.values().filter(|(place, _)| matches!(place, Place::Task(_))).count();
    if count(remote) > 1 {
        return Err("it puts the task in two places".to_owned());
    }
    let (from, to) = match (live(base), live(remote)) {
        (None, None) => return Ok(()),
        (Some(_), None) => return Err("it deletes the task".to_owned()),
        (from, Some(to)) => (from, to),
    };
    if from.as_ref().is_some_and(|from| from.stage == to.stage && from.blob == to.blob) {
        return Ok(());
    }
    let from = from.map(|from| from.stage);
    match from {
        None | Some(Stage::NeedsAction | Stage::InProgress(_)) => {}
        Some(stage) => return Err(format!("it changes a task in {}", shown(stage))),
    }
    let shared = !router::one_claimant(TaskKind::of(id));
    match (from, to.stage) {
        (None, Stage::NeedsAction) => Ok(()),
        _ if !shared => Err("this kind of task is the executor's alone".to_owned()),
        (_, Stage::InProgress(agent)) if agent == me => {
            Err("it claims the task in this agent's name".to_owned())
        }
        (
            _,
            Stage::NeedsAction
            | Stage::InProgress(_)
            | Stage::PendingApproval
            | Stage::Done { .. }
            | Stage::Errors,
        ) => Ok(()),
        (_, stage) => Err(format!("it moves a task to {}", shown(stage))),
    }
}

fn path(place: &Place, me: &AgentId, had: bool, has: bool) -> Result<(), String> {
    let create_only = |what: &str| match (had, has) {
        (false, true) => Ok(()),
        (true, true) => Err(format!("it changes {what}")),
        (_, false) => Err(format!("it deletes {what}")),
    };
    match place {
        // Deleting is how the other machine takes a file in; the caller looks for the new task.
        Place::Inbox if had && !has => Ok(()),
        Place::Inbox => create_only("a file in Inbox"),
        Place::SetAside => create_only("what was set aside"),
        Place::Conflict => create_only("what was kept"),
        Place::Stop => create_only("STOP"),
        Place::Log(agent) if agent == me => Err("it writes this agent's log".to_owned()),
        Place::Log(_) if has => Ok(()),
        Place::Log(_) => Err("it deletes a log".to_owned()),
        Place::Dashboard => Err("it writes the dashboard".to_owned()),
        Place::Handbook => Err("it writes the handbook".to_owned()),
        Place::Ignore => Err("it writes .gitignore".to_owned()),
        Place::Page => Err("it writes a page of the owner's machine".to_owned()),
        // Settled with the task.
        Place::Task(_) | Place::Claim { .. } => Ok(()),
    }
}

fn shown(stage: &Stage) -> String {
    match stage {
        Stage::Approved => "approval (EXECUTE_)".to_owned(),
        Stage::Executing(_) => "execution (EXECUTE_)".to_owned(),
        stage => stage.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(paths: &[&str]) -> State {
        let entry = |text: &&str| {
            let (path, content) = text.split_once('=').unwrap_or((text, "x"));
            let blob = Oid::hash_object(git2::ObjectType::Blob, content.as_bytes()).expect("hash");
            (path.to_owned(), (Place::parse(path).expect("place"), blob))
        };
        paths.iter().map(entry).collect()
    }

    fn check(id: &str, from: &[&str], to: &[&str], allowed: bool) {
        let id = id.parse().expect("id");
        let me = "local-001".parse().expect("agent");
        let rights = Rights { me: &me, read: &|_| Vec::new() };
        let verdict = rights.task(&id, &state(from), &state(to));
        assert_eq!(verdict.is_ok(), allowed, "{id}: {from:?} -> {to:?}: {verdict:?}");
    }

    #[test]
    fn another_machine_may_bring_and_draft_work() {
        let claimed = ["In_Progress/cloud-001/EMAIL_1.md", "In_Progress/cloud-001/EMAIL_1.claim.json"];
        check("EMAIL_1", &[], &["Needs_Action/EMAIL_1.md"], true);
        check("PAYMENT_1", &[], &["Needs_Action/PAYMENT_1.md"], true);
        check("EMAIL_1", &["Needs_Action/EMAIL_1.md"], &claimed, true);
        check("EMAIL_1", &claimed, &["Needs_Action/EMAIL_1.md"], true);
        check("EMAIL_1", &claimed, &["Pending_Approval/APPROVE_EMAIL_1.md=drafted"], true);
        check("EMAIL_1", &[], &["Pending_Approval/APPROVE_EMAIL_1.md"], true);
        check("EMAIL_1", &claimed, &["Done/2026/02/EMAIL_1.md"], true);
        check("EMAIL_1", &claimed, &["Errors/EMAIL_1.md"], true);
        // A stale claim of ours that it took back.
        check("EMAIL_1", &["In_Progress/local-001/EMAIL_1.md"], &["Needs_Action/EMAIL_1.md"], true);
    }

    #[test]
    fn it_may_not_touch_what_the_owner_sees_or_has_decided() {
        let pending = ["Pending_Approval/APPROVE_EMAIL_1.md"];
        check("EMAIL_1", &pending, &["Pending_Approval/APPROVE_EMAIL_1.md=swapped"], false);
        check("EMAIL_1", &pending, &["Needs_Action/EXECUTE_EMAIL_1.md"], false);
        check("EMAIL_1", &pending, &[], false);
        check("EMAIL_1", &pending, &["Done/2026/02/EMAIL_1.md"], false);
        check("EMAIL_1", &[], &["Needs_Action/EXECUTE_EMAIL_1.md"], false);
        check("EMAIL_1", &["Needs_Action/EMAIL_1.md"], &["In_Progress/cloud-001/EXECUTE_EMAIL_1.md"], false);
        check("EMAIL_1", &["Needs_Action/EXECUTE_EMAIL_1.md"], &["Needs_Action/EXECUTE_EMAIL_1.md=y"], false);
        check("EMAIL_1", &["Needs_Action/EXECUTE_EMAIL_1.md"], &["Done/2026/02/EMAIL_1.md"], false);
        check("EMAIL_1", &["Rejected/EMAIL_1.md"], &["Needs_Action/EMAIL_1.md"], false);
        check("EMAIL_1", &["Done/2026/02/EMAIL_1.md"], &["Done/2026/02/EMAIL_1.md=y"], false);
        check("EMAIL_1", &["Needs_Action/EMAIL_1.md"], &["Rejected/EMAIL_1.md"], false);
        check("EMAIL_1", &["Needs_Action/EMAIL_1.md"], &[], false);
        check("EMAIL_1", &["Needs_Action/EMAIL_1.md"], &["In_Progress/local-001/EMAIL_1.md"], false);
        check("PAYMENT_1", &["Needs_Action/PAYMENT_1.md"], &["In_Progress/cloud-001/PAYMENT_1.md"], false);
        check("PAYMENT_1", &["Needs_Action/PAYMENT_1.md"], &["Needs_Action/PAYMENT_1.md=more"], false);
        check(
            "EMAIL_1",
            &["Needs_Action/EMAIL_1.md"],
            &["Needs_Action/EMAIL_1.md", "Pending_Approval/APPROVE_EMAIL_1.md"],
            false,
        );
        check(
            "EMAIL_1",
            &["Needs_Action/EMAIL_1.md"],
            &["Needs_Action/EMAIL_1.md", "In_Progress/local-001/EMAIL_1.claim.json"],
            false,
        );
    }

    #[test]
    fn other_files_have_their_owners() {
        let me = "local-001".parse().expect("agent");
        let check = |at: &str, had, has, allowed: bool| {
            let verdict = path(&Place::parse(at).expect("place"), &me, had, has);
            assert_eq!(verdict.is_ok(), allowed, "{at} {had} {has}: {verdict:?}");
        };
        check("Logs/2026-02-23_cloud-001.jsonl", true, true, true);
        check("Logs/2026-02-23_cloud-001.jsonl", true, false, false);
        check("Logs/2026-02-23_local-001.jsonl", false, true, false);
        check("Conflicts/x.md", false, true, true);
        check("Conflicts/x.md", true, false, false);
        check("STOP", false, true, true);
        check("STOP", true, false, false);
        check("Dashboard.md", false, true, false);
        check("Company_Handbook.md", true, true, false);
        check(".gitignore", true, true, false);
        check("Templates/New_task.md", true, true, false);
        check("Templates/New_task.md", false, true, false);
        check("Inbox/note.md", false, true, true);
        check("Inbox/note.md", true, true, false);
    }
}
