//! `cargo xtask demo`: the whole loop with the real programs, on one machine, offline.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde_json::Value;

use crate::build;

/// What the demo is asked for.
#[derive(Args)]
pub(crate) struct Options {
    /// Answer the review: approve one of each kind, reject one, modify one, skip the rest.
    #[arg(long)]
    yes: bool,
}

/// The folders and programs of one demo.
struct Stage {
    root: PathBuf,
    bin: PathBuf,
    step: usize,
}

/// Who runs a program.
#[derive(Clone, Copy)]
enum Side {
    Cloud,
    Owner,
}

impl Side {
    fn folder(self) -> &'static str {
        match self {
            Side::Cloud => "cloud-machine",
            Side::Owner => "owner-machine",
        }
    }
}

type Outcome<T = ()> = Result<T, String>;

pub(crate) fn run(options: &Options) -> Outcome {
    println!("The AI Employee, the whole loop on this machine. Nothing is sent anywhere.\n");
    println!("Building the programs (a few minutes the first time) …");
    let bin = build::programs(build::Profile::Dev)?;
    let root = tempfile::Builder::new()
        .prefix("ai-employee-demo-")
        .tempdir()
        .map_err(|e| format!("failed to make a temporary folder: {e}"))?
        .keep();
    let mut stage = Stage { root, bin, step: 0 };
    stage.set_up()?;

    stage.say("Your machine: init makes your signing key and the list of approvers");
    stage.show(Side::Owner, "local-agent", &["init", "--passphrase-file", &stage.passphrase()])?;

    stage.say("Cloud machine: events arrive, are claimed through the remote, and drafted");
    stage.show(Side::Cloud, "cloud-agent", &["--once"])?;

    stage.say("Your machine: pulls the drafts; WhatsApp is watched here only");
    stage.show(Side::Owner, "local-agent", &["--once"])?;

    stage.say("Your machine: what waits for you");
    stage.show(Side::Owner, "local-agent", &["list"])?;

    stage.say("Your machine: the review");
    stage.review(options.yes)?;

    stage.say("Your machine: what you signed is verified, written down, and carried out once");
    stage.show(Side::Owner, "local-agent", &["--once"])?;

    stage.say("Your machine again: nothing is left to do, so nothing is done twice");
    stage.show(Side::Owner, "local-agent", &["--once"])?;

    stage.say("Cloud machine: learns what came of its drafts");
    stage.show(Side::Cloud, "cloud-agent", &["--once"])?;

    stage.say("Both audit logs, record by record");
    stage.show(Side::Owner, "local-agent", &["log", "verify"])?;

    stage.say("Both vaults hold the same tasks");
    stage.compare()?;

    stage.say("Dashboard.md, as Obsidian shows it from your vault");
    let dashboard = stage.folder(Side::Owner).join("vault/Dashboard.md");
    let text = std::fs::read_to_string(&dashboard)
        .map_err(|e| format!("failed to read {}: {e}", dashboard.display()))?;
    for line in text.lines() {
        println!("    {line}");
    }

    println!("\nEverything is in {}:", stage.root.display());
    println!("  owner-machine/vault      your vault; open it in Obsidian");
    println!("  cloud-machine/vault      the cloud machine's");
    println!("  remote.git               the repository between them (git log there tells the story)");
    println!("  owner-machine/data/mock  what the sample accounts received");
    Ok(())
}

impl Stage {
    fn folder(&self, side: Side) -> PathBuf {
        self.root.join(side.folder())
    }

    fn passphrase(&self) -> String {
        self.root.join("passphrase").display().to_string()
    }

    fn say(&mut self, what: &str) {
        self.step += 1;
        println!("\n── {}. {what}", self.step);
        // Output of the programs follows; keep the order when stdout is a pipe.
        let _ = std::io::stdout().flush();
    }

    fn set_up(&self) -> Outcome {
        let write = |path: PathBuf, text: &str| {
            std::fs::write(&path, text).map_err(|e| format!("failed to write {}: {e}", path.display()))
        };
        let remote = self.root.join("remote.git");
        let made = Command::new("git")
            .args(["init", "--quiet", "--bare", "--initial-branch=main"])
            .arg(&remote)
            .status()
            .map_err(|e| format!("failed to start git: {e}; install git"))?;
        if !made.success() {
            return Err("git could not make the repository".into());
        }
        write(self.root.join("passphrase"), "demo passphrase\n")?;
        for side in [Side::Cloud, Side::Owner] {
            let folder = self.folder(side);
            std::fs::create_dir_all(&folder)
                .map_err(|e| format!("failed to make {}: {e}", folder.display()))?;
            let id = match side {
                Side::Cloud => "cloud-001",
                Side::Owner => "local-001",
            };
            let config = format!(
                "agent: {{ id: {id}, executor: local-001 }}\n\
                 owner: {{ name: Jane Doe }}\n\
                 modes: {{ dry_run: false, mock_data: true }}\n\
                 vault: {{ path: {vault:?} }}\n\
                 approval: {{ undo_seconds: {{ send_email: 0, post_invoice: 0, post_facebook: 0, post_instagram: 0, \
                 post_twitter: 0, post_linkedin: 0, send_whatsapp: 0 }} }}\n\
                 sync: {{ enabled: true, remote: {remote:?} }}\n\
                 health: {{ expect: {{ cloud-001: always, local-001: on-demand }} }}\n",
                vault = folder.join("vault"),
            );
            write(folder.join("config.yaml"), &config)?;
        }
        println!("Two machines and their remote are in {}", self.root.display());
        Ok(())
    }

    fn command(&self, side: Side, program: &str) -> Command {
        let folder = self.folder(side);
        let mut command = Command::new(self.bin.join(program));
        command
            .current_dir(&folder)
            .arg("--config")
            .arg(folder.join("config.yaml"))
            .arg("--data")
            .arg(folder.join("data"))
            // The demo is the same whatever this shell is set up for.
            .env_remove("AI_EMPLOYEE_CONFIG")
            .env_remove("AI_EMPLOYEE_DATA")
            .env_remove("AGENT_ID")
            .env_remove("AGENT_ROLE");
        for mode in ["DRY_RUN", "MOCK_DATA", "ODOO_MOCK", "WHATSAPP_MOCK", "PAYMENT_MOCK", "GIT_SYNC_ENABLED"]
        {
            command.env_remove(mode);
        }
        command
    }

    /// Runs a program and lets the user see what it says.
    fn show(&self, side: Side, program: &str, arguments: &[&str]) -> Outcome {
        let root = self.root.display().to_string();
        println!("   $ {program} {}", arguments.join(" ").replace(&root, "…"));
        let _ = std::io::stdout().flush();
        let status = self
            .command(side, program)
            .args(arguments)
            .stdin(Stdio::null())
            .status()
            .map_err(|e| format!("failed to start {program}: {e}"))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("{program} {} ended with {status}", arguments.join(" ")))
        }
    }

    fn json(&self, side: Side, arguments: &[&str]) -> Outcome<Value> {
        let output = self
            .command(side, "local-agent")
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| format!("failed to start local-agent: {e}"))?;
        if !output.status.success() {
            return Err(format!("local-agent {} ended with {}", arguments.join(" "), output.status));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|e| format!("local-agent {}: {e}", arguments.join(" ")))
    }

    /// The real prompt: the user's own answers in a terminal, or the scripted ones.
    fn review(&self, yes: bool) -> Outcome {
        let passphrase = self.passphrase();
        let arguments = ["review", "--passphrase-file", &passphrase];
        if !yes && std::io::stdin().is_terminal() {
            println!("   Answer as you like; S skips.");
            let status = self
                .command(Side::Owner, "local-agent")
                .args(arguments)
                .status()
                .map_err(|e| format!("failed to start local-agent: {e}"))?;
            return if status.success() { Ok(()) } else { Err(format!("the review ended with {status}")) };
        }
        let waiting = self.json(Side::Owner, &["list", "--json"])?;
        let answers = answers(&waiting, |id| self.retyped(id))?;
        println!(
            "   (answered for you: one of each kind approved, one rejected, one modified, the rest skipped)"
        );
        let _ = std::io::stdout().flush();
        let mut child = self
            .command(Side::Owner, "local-agent")
            .args(arguments)
            .env("EDITOR", self.editor()?)
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|e| format!("failed to start local-agent: {e}"))?;
        let mut input = child.stdin.take().ok_or("the review has no input")?;
        input.write_all(answers.as_bytes()).map_err(|e| format!("failed to answer the review: {e}"))?;
        drop(input);
        let status = child.wait().map_err(|e| format!("failed to wait for the review: {e}"))?;
        if status.success() { Ok(()) } else { Err(format!("the review ended with {status}")) }
    }

    /// What is typed again before a payment is signed: its amount, and the end of the payee's account.
    fn retyped(&self, id: &str) -> Outcome<String> {
        let shown = self.json(Side::Owner, &["show", id, "--json"])?;
        let arguments = &shown["action"]["arguments"];
        let iban = arguments["iban"].as_str().unwrap_or_default();
        let end = iban.get(iban.len().saturating_sub(4)..).unwrap_or_default();
        Ok(format!("{}\n{end}\n", arguments["amount"].as_str().unwrap_or_default()))
    }

    /// An `$EDITOR` that makes one change a person might make.
    fn editor(&self) -> Outcome<PathBuf> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.root.join("editor");
        let script = "#!/bin/sh\n# Stands in for a person at an editor.\nsed -i.bak 's/Best regards/Warm regards/; s/Thank you/Many thanks/' \"$1\"\n";
        std::fs::write(&path, script)
            .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)))
            .map_err(|e| format!("failed to write {}: {e}", path.display()))?;
        Ok(path)
    }

    fn compare(&self) -> Outcome {
        let tasks = |side: Side| -> Outcome<BTreeSet<String>> {
            let root = self.folder(side).join("vault");
            let mut found = BTreeSet::new();
            for folder in ["Needs_Action", "In_Progress", "Pending_Approval", "Rejected", "Done", "Errors"] {
                collect(&root, &root.join(folder), &mut found)
                    .map_err(|e| format!("failed to read {}: {e}", root.display()))?;
            }
            Ok(found)
        };
        let (cloud, owner) = (tasks(Side::Cloud)?, tasks(Side::Owner)?);
        for path in &owner {
            println!("   {} {path}", if cloud.contains(path) { "=" } else { "≠" });
        }
        if cloud == owner {
            println!("   {} tasks, the same on both machines", owner.len());
            Ok(())
        } else {
            let differing: Vec<_> = cloud.symmetric_difference(&owner).cloned().collect();
            Err(format!("the two vaults differ in {}", differing.join(", ")))
        }
    }
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeSet<String>) -> std::io::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, found)?;
        } else if path.extension().is_some_and(|e| e == "md") {
            let shown = path.strip_prefix(root).unwrap_or(&path);
            found.insert(shown.display().to_string());
        }
    }
    Ok(())
}

/// One line per waiting task in the order of the review: the first of each kind is approved,
/// except that the first two mails are modified (then approved) and rejected when there are more.
fn answers(waiting: &Value, retyped: impl Fn(&str) -> Outcome<String>) -> Outcome<String> {
    let tasks = waiting.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut approved = BTreeSet::new();
    let (mut rejected, mut modified) = (false, false);
    let mut out = String::new();
    for task in tasks {
        let kind = task["type"].as_str().unwrap_or_default();
        let proposes = !task["tool"].is_null();
        let writes = task["editable"].as_bool().unwrap_or(false);
        out.push_str(if !proposes {
            "s\n"
        } else if writes && !modified {
            modified = true;
            approved.insert(kind.to_owned());
            // After the editor closes, the changed draft is shown again.
            "m\na\n"
        } else if approved.insert(kind.to_owned()) {
            if task["server"] == "payment" {
                out.push_str("a\n");
                out.push_str(&retyped(task["id"].as_str().unwrap_or_default())?);
                continue;
            }
            "a\n"
        } else if !rejected {
            rejected = true;
            "r\nnot worth an answer\n"
        } else {
            "s\n"
        });
    }
    Ok(out)
}
