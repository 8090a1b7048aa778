//! `list`, `show`, `status`: what there is, for people and for scripts.

use std::fmt::Write as _;

use approval::visible;
use chrono::Utc;
use daemon::{Failure, Holder, InstanceLock, OrFailure as _, Setup};
use health::{Heartbeat, ago, complete};
use serde_json::{Value, json};
use task::{AgentId, Order, Priority, Stage, Task, TaskId};
use vault::{Folder, Vault};
use worker::Peers;

use super::{desk, mode, open_vault, print, print_json};

pub(crate) fn list(setup: &Setup, as_json: bool) -> Result<(), Failure> {
    let vault = open_vault(setup)?;
    // Before `init` there is no vault id, so nothing has a digest yet; it can be looked at all the same.
    let desk = if setup.data.vault_id().exists() { Some(desk(setup)?) } else { None };
    let listing = vault.list(&Folder::PendingApproval).or_failed("cannot list what waits for you")?;
    let mut rows = Vec::new();
    let mut text = String::new();
    for entry in listing.tasks {
        let id = &entry.location.id;
        // One that cannot be read is set aside by the daemon; here it is only named.
        let file = match vault.read(&entry.location) {
            Ok(file) => file,
            Err(error) => {
                rows.push(json!({ "id": id, "error": error.to_string() }));
                let _ = writeln!(text, "  {id}: {error}");
                continue;
            }
        };
        let review = match &desk {
            Some(desk) => Some(desk.review(&file.task).or_failed(format!("cannot show {id}"))?),
            None => None,
        };
        let front = &file.task.front;
        let action = front.action.as_ref();
        let warnings = review.as_ref().map(|review| review.warnings.clone()).unwrap_or_default();
        let _ = writeln!(text, "{} {id}\n    {}", urgency(front.priority), gist(&file.task));
        for warning in &warnings {
            let _ = writeln!(text, "    ! {warning}");
        }
        rows.push(json!({
            "id": id,
            "type": front.kind,
            "priority": front.priority,
            "from": front.from,
            "subject": front.subject,
            "server": action.map(|action| action.call.server().name()),
            "tool": action.map(|action| action.call.tool()),
            "editable": action.is_some_and(|action| action.call.text().is_some()),
            "question": front.question,
            "drafted_at": front.drafted_at,
            "digest": review.and_then(|review| review.digest),
            "warnings": warnings,
        }));
    }
    if as_json {
        return print_json(&Value::Array(rows));
    }
    if text.is_empty() {
        return print("Nothing waits for you.\n");
    }
    let next = if desk.is_some() {
        "local-agent review"
    } else {
        "local-agent init makes your signing key, then local-agent review"
    };
    let _ = writeln!(text, "\n{} waiting: {next}", rows.len());
    print(&text)
}

fn urgency(priority: Priority) -> &'static str {
    match priority {
        Priority::High => "!",
        Priority::Medium | Priority::Low => " ",
    }
}

/// What is proposed, or asked, in a line.
fn gist(task: &Task) -> String {
    let front = &task.front;
    let about = front.subject.as_deref().map(|s| format!(": {}", visible(s))).unwrap_or_default();
    match (&front.action, &front.question) {
        (Some(action), _) => format!("{}{about}", visible(&action.call.brief())),
        (None, Some(question)) => format!("asks you: {}", visible(question)),
        (None, None) => "nothing is proposed".to_owned(),
    }
}

pub(crate) fn show(setup: &Setup, id: &TaskId, as_json: bool) -> Result<(), Failure> {
    let vault = open_vault(setup)?;
    let location = vault.find(id).or_failed(format!("cannot look for {id}"))?.ok_or_else(|| {
        Failure::failed(format!("there is no task {id}")).hint("local-agent list names what waits")
    })?;
    let file = vault.read(&location).or_failed(format!("cannot show {id}"))?;
    if location.stage != Stage::PendingApproval {
        if as_json {
            return print_json(
                &json!({ "id": id, "stage": location.stage.to_string(), "front": file.task.front }),
            );
        }
        let bytes = file.task.to_bytes().or_failed(format!("cannot show {id}"))?;
        let text: String = String::from_utf8_lossy(&bytes).lines().map(|line| visible(line) + "\n").collect();
        return print(&format!("{}\n\n{text}", location.path()));
    }
    let review = desk(setup)?.review(&file.task).or_failed(format!("cannot show {id}"))?;
    if as_json {
        return print_json(&json!({
            "id": id,
            "stage": location.stage.to_string(),
            "digest": review.digest,
            "action": file.task.front.action,
            "question": file.task.front.question,
            "warnings": review.warnings,
        }));
    }
    print(&review.screen)
}

/// What stands where.
struct Counts {
    new: usize,
    in_work: usize,
    waiting: usize,
    errors: usize,
    conflicts: usize,
    /// Signed orders: task, and why this machine leaves it for now.
    orders: Vec<(TaskId, Option<String>)>,
}

fn count(setup: &Setup, vault: &Vault) -> Result<Counts, Failure> {
    let list = |folder: Folder| vault.list(&folder).or_failed("cannot list the vault");
    let mut counts = Counts { new: 0, in_work: 0, waiting: 0, errors: 0, conflicts: 0, orders: Vec::new() };
    for entry in list(Folder::NeedsAction)?.tasks {
        if entry.location.stage == Stage::NeedsAction {
            counts.new += 1;
            continue;
        }
        let order =
            vault.read(&entry.location).ok().and_then(|f| Order::parse(f.task.front.order.as_deref()?).ok());
        let why = order.and_then(|order| {
            let here = mode(setup);
            (order.mode != here).then(|| format!("its order is {}, and this machine runs {here}", order.mode))
        });
        counts.orders.push((entry.location.id, why));
    }
    counts.in_work = list(Folder::AllInProgress)?.tasks.len();
    counts.waiting = list(Folder::PendingApproval)?.tasks.len();
    counts.errors = list(Folder::Errors)?.tasks.len();
    counts.conflicts = std::fs::read_dir(vault.root().join("Conflicts"))
        .map(|entries| {
            entries.flatten().filter(|e| !e.file_name().as_encoded_bytes().starts_with(b".")).count()
        })
        .unwrap_or_default();
    Ok(counts)
}

pub(crate) fn status(setup: &Setup, as_json: bool) -> Result<(), Failure> {
    let vault = open_vault(setup)?;
    let now = Utc::now();
    let counts = count(setup, &vault)?;
    let beat = Heartbeat::read(&vault, &setup.agent).ok().flatten();
    // A daemon that was killed leaves its heartbeat behind, and not its lock.
    let holder = InstanceLock::holder(&setup.data, &setup.agent);
    let peers = Peers::load(setup.data.root());
    let handbook = worker::about_handbook(&worker::handbook(setup, &vault));
    let stopped = vault.stop_reason().or_else(|| std::fs::read_to_string(setup.data.stopped()).ok());
    if as_json {
        return print_json(&json!({
            "agent": setup.agent, "role": setup.role, "mode": mode(setup), "mock": setup.modes.mock_data,
            "stopped": stopped, "handbook": handbook, "heartbeat": beat,
            "running": holder.is_some(), "peers": peers,
            "needs_action": counts.new, "in_progress": counts.in_work, "pending_approval": counts.waiting,
            "approved": counts.orders.len(), "errors": counts.errors, "conflicts": counts.conflicts,
        }));
    }
    let mut text = String::new();
    let sample = if setup.modes.mock_data { ", sample data" } else { "" };
    let _ = writeln!(text, "{} ({}), {} run{sample}", setup.agent, setup.role, mode(setup));
    let _ = writeln!(text, "vault     {}", setup.vault_path.display());
    if let Some(reason) = stopped {
        let _ = writeln!(text, "STOPPED   {}; lift it with local-agent resume", visible(reason.trim()));
    }
    let _ = writeln!(
        text,
        "tasks     {} new, {} in work, {} waiting for you, {} signed, {} in Errors, {} in Conflicts",
        counts.new,
        counts.in_work,
        counts.waiting,
        counts.orders.len(),
        counts.errors,
        counts.conflicts
    );
    for (id, why) in counts.orders.iter().filter_map(|(id, why)| Some((id, why.as_ref()?))) {
        let _ = writeln!(text, "          {id} waits: {why}");
    }
    if let Some(said) = &handbook {
        let _ = writeln!(text, "handbook  {said}");
    }
    match &beat {
        Some(beat) => {
            let _ = writeln!(text, "daemon    {}", running(holder, Some(ago(beat.at, now))));
            for channel in &beat.channels {
                let until = complete(channel.complete_until, now);
                let error = channel
                    .last_error
                    .as_deref()
                    .map(|e| format!("; FAILING: {}", visible(e)))
                    .unwrap_or_default();
                let _ = writeln!(text, "channel   {:<17} {until}{error}", channel.name());
            }
            // The daemon's own word on the handbook is said above already.
            for warning in beat.warnings.iter().filter(|warning| handbook.as_ref() != Some(*warning)) {
                let _ = writeln!(text, "warning   {}", visible(warning));
            }
        }
        None => {
            let _ = match holder {
                Some(_) => writeln!(text, "daemon    {}", running(holder, None)),
                None => writeln!(text, "daemon    has not run here yet: local-agent"),
            };
        }
    }
    for peer in peers.iter() {
        for (at, line) in peer.lines(now).into_iter().enumerate() {
            let _ = writeln!(text, "{:<9} {line}", if at == 0 { "other" } else { "" });
        }
    }
    let known = |agent: &AgentId| peers.iter().any(|peer| peer.agent == *agent);
    for agent in setup.config.health.expect.keys().filter(|agent| **agent != setup.agent && !known(agent)) {
        let _ = writeln!(text, "other     {agent}, no sign of life was ever seen");
    }
    print(&text)
}

/// Whether the daemon runs, by its lock.
fn running(holder: Option<Holder>, last: Option<String>) -> String {
    let last =
        last.map_or_else(|| "no sign of life yet".to_owned(), |last| format!("last sign of life {last}"));
    match holder {
        Some(Holder { pid: Some(pid) }) => format!("runs, process {pid}, {last}"),
        Some(Holder { pid: None }) => format!("runs, {last}"),
        None => format!("DOES NOT RUN, {last}; local-agent starts it"),
    }
}
