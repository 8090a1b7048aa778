//! This program itself: a file that claims to be approved, and an approval without the key.

use std::process::{Command, Output};

use daemon::{Failure, OrFailure as _};
use task::{Location, Stage as At, TaskId, action_digest};
use vault::Vault;

use super::orders::{MARK, action, dangerous};
use super::stage::{Approvers, Stage, task};
use super::{Try, Verdict};

fn id(name: &str) -> Result<TaskId, Failure> {
    format!("EMAIL_audit_{name}").parse().or_failed("cannot name a task")
}

fn run(command: &mut Command) -> Result<Output, Failure> {
    command.output().or_failed("cannot start this program for the audit")
}

/// What was said of a task, or at all.
fn words(output: &Output, id: &TaskId) -> String {
    let out = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let about = out.lines().find(|line| line.contains(id.as_str()) && line.contains(": "));
    about.or(out.lines().last()).unwrap_or("nothing").trim().to_owned()
}

/// `EXECUTE_` files in a vault that nobody signed, that a stranger signed, and one whose order, of
/// a listed approver, is for something else.
pub(super) fn executes(stage: &Stage) -> Result<Vec<Try>, Failure> {
    let send = dangerous().find(|tool| tool.name == "send_email").or_failed_none()?;
    let pay = dangerous().find(|tool| tool.name == "initiate_payment").or_failed_none()?;
    let mut tries = Vec::new();
    for (name, path, approvers, ordered) in [
        ("unsigned", "an EXECUTE_ file in the vault, unsigned", Approvers::Owners, None),
        (
            "stranger",
            "an EXECUTE_ file in the vault, signed by a key made just now",
            Approvers::Owners,
            Some(send),
        ),
        (
            "other",
            "an EXECUTE_ file in the vault, with an approver's order for another tool",
            Approvers::Throwaway,
            Some(pay),
        ),
    ] {
        let (vault, data) = (stage.vault(&format!("{name}-vault"))?, stage.data(name, approvers)?);
        let id = id(name)?;
        let mut file = task(&id, action(send)?);
        if let Some(tool) = ordered {
            let signed = stage.key.sign(action(tool)?, &id, &stage.vault_id, stage.agent_id())?;
            (file.front.order, file.front.signature) = (Some(signed.text), Some(signed.signature));
        }
        let at = Location::new(At::Approved, id.clone());
        vault.create(&at, &file).or_failed("cannot write a task for the audit")?;
        let output = run(stage.agent(&format!("{name}-home"), &vault, &data)?.arg("--once"))?;
        let place = place(&vault, &id)?;
        let set_aside =
            matches!(place, Some(At::Errors | At::PendingApproval | At::NeedsAction | At::Rejected));
        let refused = set_aside && !has_effect(&data);
        let verdict = if refused { Verdict::Refused } else { Verdict::NotRefused };
        tries.push(Try::new(path, verdict, "the executor", words(&output, &id)));
    }
    Ok(tries)
}

/// `approve` where the owner's key is not, and with a key that is not the owner's.
pub(super) fn approves(stage: &Stage) -> Result<Vec<Try>, Failure> {
    let send = dangerous().find(|tool| tool.name == "send_email").or_failed_none()?;
    let mut tries = Vec::new();
    for (name, path) in [
        ("keyless", "local-agent approve, without the owner's key"),
        ("foreign", "local-agent approve, with a key made just now"),
    ] {
        let vault = stage.vault(&format!("{name}-vault"))?;
        let data = stage.data(name, Approvers::Owners)?;
        if name == "foreign" {
            stage.folder(&format!("{name}/keys"))?;
            let key = std::fs::copy(&stage.key.files.key, data.join("keys/owner"));
            key.or_failed("cannot copy the key that was made for the audit")?;
        }
        let id = id(name)?;
        let action = action(send)?;
        let digest = action_digest(&stage.vault_id, &id, &action).or_failed("cannot name the proposal")?;
        let at = Location::new(At::PendingApproval, id.clone());
        vault.create(&at, &task(&id, action)).or_failed("cannot write a task for the audit")?;
        let mut command = stage.agent(&format!("{name}-home"), &vault, &data)?;
        let output = run(command.args(["approve", id.as_str(), "--digest"]).arg(digest.to_string()))?;
        let still = place(&vault, &id)? == Some(At::PendingApproval);
        let refused = still && !output.status.success();
        let verdict = if refused { Verdict::Refused } else { Verdict::NotRefused };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        tries.push(Try::new(path, verdict, "approval", said));
    }
    Ok(tries)
}

fn place(vault: &Vault, id: &TaskId) -> Result<Option<At>, Failure> {
    let found = vault.find(id).or_failed("cannot look for a task of the audit")?;
    Ok(found.map(|location| location.stage))
}

/// Whether any sample account has what the tries ask for.
fn has_effect(data: &std::path::Path) -> bool {
    let entries = std::fs::read_dir(data.join("mock")).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        std::fs::read(entry.path()).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(MARK))
    })
}

/// For tools that the table is known to have.
trait Known<T> {
    fn or_failed_none(self) -> Result<T, Failure>;
}

impl<T> Known<T> for Option<T> {
    fn or_failed_none(self) -> Result<T, Failure> {
        self.ok_or_else(|| Failure::failed("the table of tools lacks one that the audit needs"))
    }
}
