//! `local-agent modify`, and the editor that the review opens.

use std::io::{Read as _, Seek as _, Write as _};
use std::process::Command;

use approval::Desk;
use daemon::{Failure, OrFailure as _, Setup};
use task::{Action, Digest, TaskId};
use vault::TaskFile;

use super::{desk, print};
use crate::cli::Modify;

pub(crate) fn run(setup: &Setup, arguments: &Modify) -> Result<(), Failure> {
    let desk = desk(setup)?;
    let id = &arguments.id;
    let file = desk.open(id).or_failed(format!("cannot modify {id}"))?;
    if arguments.take_edit {
        desk.take_edit(id).or_failed(format!("cannot take the edit of {id} over"))?;
    } else if arguments.drop_edit {
        desk.drop_edit(id).or_failed(format!("cannot drop the edit of {id}"))?;
    } else {
        let seen = desk.review(&file.task).or_failed(format!("cannot show {id}"))?.digest;
        let current = file.task.front.action.as_ref();
        let action = match &arguments.action_file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .or_failed(format!("cannot read the action from {}", path.display()))?;
                approval::from_editable(&text, current).or_failed(format!("cannot use {}", path.display()))?
            }
            None => in_editor(setup, &file)?,
        };
        let Some(action) = action else {
            return print("nothing was changed\n");
        };
        change(&desk, id, seen.as_ref(), action)?;
    }
    print(&format!("modified {id}; it still waits for your approval: local-agent show {id}\n"))
}

/// Puts a new action before the owner in place of the one seen.
pub(crate) fn change(desk: &Desk, id: &TaskId, seen: Option<&Digest>, action: Action) -> Result<(), Failure> {
    desk.modify(id, seen, action).map(drop).or_failed(format!("cannot modify {id}"))
}

/// The task's action in the owner's editor; `None` when it comes back unchanged or emptied.
pub(crate) fn in_editor(setup: &Setup, file: &TaskFile) -> Result<Option<Action>, Failure> {
    let front = &file.task.front;
    let text = approval::to_editable(&front.id, front.question.as_deref(), front.action.as_ref())
        .or_failed(format!("cannot write {} for your editor", front.id))?;
    let mut scratch = tempfile::Builder::new()
        .prefix(&format!("{}-", front.id))
        .suffix(".yaml")
        .tempfile()
        .or_failed("cannot make a temporary file for your editor")?;
    scratch.write_all(text.as_bytes()).or_failed("cannot write for your editor")?;
    let editor = setup.env.get("VISUAL").or(setup.env.get("EDITOR")).unwrap_or("vi");
    // The shell takes apart an editor with arguments, as git does; the path goes in as `$1`.
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("editor")
        .arg(scratch.path())
        .status()
        .or_failed(format!("cannot start your editor {editor}"))?;
    if !status.success() {
        return Err(Failure::failed(format!(
            "your editor {editor} ended with {status}; nothing was changed"
        ))
        .hint("set EDITOR to the editor you use"));
    }
    // Editors replace files as well as rewriting them: read by name.
    let mut edited = String::new();
    let mut reopened = std::fs::File::open(scratch.path()).or_failed("cannot read what you wrote")?;
    reopened
        .rewind()
        .and_then(|()| reopened.read_to_string(&mut edited))
        .or_failed("cannot read what you wrote")?;
    if edited == text {
        return Ok(None);
    }
    approval::from_editable(&edited, front.action.as_ref())
        .or_failed("cannot use what you wrote; nothing was changed")
}
