//! The machine that the forged orders are put before.

use std::path::{Path, PathBuf};
use std::process::Command;

use approval::{KeyFiles, Signer};
use effects::Owner;
use serde_json::Value;
use task::Order;

use super::forge::{Fate, Forged, Stranger, mail};
use crate::torture::Lab;

/// One machine on sample data, whose owner's key has no passphrase.
pub(super) struct Machine {
    owner: Owner,
    programs: PathBuf,
    pub(super) signer: Signer,
    pub(super) stranger: Stranger,
    pub(super) vault_id: String,
}

/// An order that the owner gave.
pub(super) struct Good {
    pub(super) id: String,
    pub(super) file: String,
    pub(super) order: String,
    pub(super) signature: String,
    pub(super) action: Value,
}

impl Good {
    pub(super) fn approval(&self) -> Result<String, String> {
        Order::parse(&self.order).map(|order| order.approval).map_err(|e| e.to_string())
    }
}

impl Machine {
    pub(super) fn new(root: &Path, lab: &Lab) -> Result<Self, String> {
        let programs = lab.program("local-agent").parent().map(Path::to_owned).unwrap_or_default();
        let config = "modes: { dry_run: false, mock_data: true }\n\
                      limits: { per_recipient_per_day: 1000000, first_contacts_per_day: 1000000, \
                      tool_per_hour: 1000000, tool_per_day: 1000000 }\n";
        let owner = Owner::unprotected(&root.join("owner"), &programs, config, "")?;
        let files = KeyFiles::in_data(&root.join("owner/data"));
        let stranger = Stranger::make(&root.join("stranger"))?;
        let vault_id = std::fs::read_to_string(&files.vault_id).map_err(|e| e.to_string())?.trim().to_owned();
        Ok(Self { owner, programs, signer: Signer::key_file(files.key, None), stranger, vault_id })
    }

    pub(super) fn ok(&self, arguments: &[&str]) -> Result<String, String> {
        self.owner.ok(arguments)
    }

    /// One round of the agent; what it printed.
    pub(super) fn round(&self) -> Result<String, String> {
        self.ok(&["--once"])
    }

    /// A tool server, asked for everything it has.
    pub(super) fn server(&self) -> Command {
        let mut command = self.owner.command(&self.programs.join("mcp-email"));
        command.args(["--max-class", "dangerous"]);
        command
    }

    fn vault(&self) -> PathBuf {
        self.owner.root().join("vault")
    }

    fn executable(&self, id: &str) -> PathBuf {
        self.vault().join(format!("Needs_Action/EXECUTE_{id}.md"))
    }

    /// An order as the owner gives it.
    pub(super) fn approved(&self, id: &str) -> Result<Good, String> {
        let action = mail("friend@example.com", id);
        self.owner.propose(id, "email", &action)?;
        self.owner.approve(id)?;
        let file = std::fs::read_to_string(self.executable(id)).map_err(|e| format!("{id}: {e}"))?;
        let quoted = file.lines().find_map(|line| line.strip_prefix("order: '")).ok_or("no order")?;
        let order = quoted.trim_end_matches('\'').replace("''", "'");
        let signature = file
            .lines()
            .skip_while(|line| !line.contains("BEGIN SSH"))
            .take_while(|line| line.starts_with("  "))
            .map(|line| format!("{}\n", line.trim()))
            .collect();
        Ok(Good { id: id.to_owned(), file, order, signature, action })
    }

    /// An order that the owner gave and took back.
    pub(super) fn taken_back(&self, id: &str) -> Result<Forged, String> {
        let good = self.approved(id)?;
        self.ok(&["undo", id])?;
        // It is before the owner again; the old file takes its place.
        std::fs::remove_file(self.pending(id)).map_err(|e| format!("{id}: {e}"))?;
        Ok(Forged::taken_back(&good))
    }

    fn pending(&self, id: &str) -> PathBuf {
        self.vault().join(format!("Pending_Approval/APPROVE_{id}.md"))
    }

    /// Whoever approves names what was seen; when the draft has changed since, nothing is signed.
    pub(super) fn is_not_signed_when_changed(&self, id: &str) -> Result<(), String> {
        self.owner.propose(id, "email", &mail("friend@example.com", id))?;
        let shown: Value =
            serde_json::from_str(&self.ok(&["show", id, "--json"])?).map_err(|e| e.to_string())?;
        let digest = shown["digest"].as_str().ok_or("no digest")?.to_owned();
        self.owner.propose(id, "email", &mail("mallory@example.com", id))?;
        let output = self.owner.run(&["approve", id, "--digest", &digest], &[])?;
        if output.status.code() != Some(1) || self.executable(id).exists() {
            return Err(format!("{id} was signed although it had changed"));
        }
        std::fs::remove_file(self.pending(id)).map_err(|e| format!("{id}: {e}"))
    }

    pub(super) fn put(&self, case: &Forged) -> Result<(), String> {
        let path = self.executable(&case.id);
        std::fs::write(&path, &case.file).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Where a task's file is that is not what it was before.
    pub(super) fn folder_of(&self, id: &str) -> Result<Option<Fate>, String> {
        let vault = self.vault();
        let there = |path: String| vault.join(path).exists();
        // The order of the places matters: a replayed one is in Done, where it belongs, and in Errors.
        if there(format!("Needs_Action/EXECUTE_{id}.md")) {
            return Ok(Some(Fate::Waits));
        }
        for name in [format!("Errors/{id}.md"), format!("Errors/EXECUTE_{id}.md")] {
            if there(name) {
                return Ok(Some(Fate::Errors));
            }
        }
        if there(format!("Pending_Approval/APPROVE_{id}.md")) {
            return Ok(Some(Fate::Pending));
        }
        let (place, _) = self.owner.place(id)?;
        Ok(place.starts_with("Done/").then_some(Fate::Done))
    }

    /// Takes a case away that would be said again: it waits.
    pub(super) fn sweep(&self, case: &Forged) -> Result<(), String> {
        if case.fate != Fate::Waits {
            return Ok(());
        }
        let path = self.executable(&case.id);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// How many mails the sample account has sent by order.
    pub(super) fn sent(&self) -> Result<usize, String> {
        let path = self.owner.root().join("data/mock/email.json");
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mails: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        let all = mails["mails"].as_array().into_iter().flatten();
        Ok(all.filter(|mail| mail["folder"] == "sent" && mail["approval"].is_string()).count())
    }
}
