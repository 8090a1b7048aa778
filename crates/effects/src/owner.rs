//! An owner's machine: a folder with configuration, vault and data, and the real programs.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use std::io::Write as _;

use serde_json::Value;

/// The passphrase of the owner's key here.
const PASSPHRASE: &str = "correct horse battery staple";

/// An order is carried out at once, and no payee is held: neither is what is tried here.
const NO_WAIT: &str = "approval: { payee_hold_hours: 0, undo_seconds: { send_email: 0, post_invoice: 0, \
                       post_facebook: 0, post_instagram: 0, post_twitter: 0, post_linkedin: 0, send_whatsapp: 0, \
                       initiate_payment: 0 } }";

/// One machine without sync. Every error is a sentence with what the program said.
pub struct Owner {
    root: PathBuf,
    programs: PathBuf,
}

impl Owner {
    /// A machine in the empty folder `root`, with the programs in `programs`, these lines in its
    /// config.yaml, and `secret` in the file that [`Owner::secret`] names; initialised.
    pub fn new(root: &Path, programs: &Path, config: &str, secret: &str) -> Result<Self, String> {
        let owner = Self::begin(root, programs, config, secret)?;
        owner.ok(&["init", "--passphrase-file", &owner.passphrase()])?;
        Ok(owner)
    }

    /// The same, whose owner's key has no passphrase: it signs at once.
    pub fn unprotected(root: &Path, programs: &Path, config: &str, secret: &str) -> Result<Self, String> {
        let owner = Self::begin(root, programs, config, secret)?;
        owner.ok(&["init", "--no-passphrase"])?;
        Ok(owner)
    }

    fn begin(root: &Path, programs: &Path, config: &str, secret: &str) -> Result<Self, String> {
        let owner = Self { root: root.to_owned(), programs: programs.to_owned() };
        let text = format!(
            "agent: {{ id: local-001, executor: local-001 }}\nvault: {{ path: {:?}, quiet_seconds: 0 }}\n\
             watchers: {{ mock_channels: [] }}\n{NO_WAIT}\n{config}",
            root.join("vault")
        );
        let failed = |error: std::io::Error| format!("failed to write in {}: {error}", root.display());
        std::fs::create_dir_all(root).map_err(failed)?;
        std::fs::write(owner.config(), text).map_err(failed)?;
        std::fs::write(owner.passphrase(), PASSPHRASE).map_err(failed)?;
        let mut options = std::fs::File::options();
        let file = options.create(true).truncate(true).write(true).mode(0o600).open(Self::secret(root));
        file.and_then(|mut file| file.write_all(secret.as_bytes())).map_err(failed)?;
        Ok(owner)
    }

    /// Where the secret of a machine in `root` is.
    pub fn secret(root: &Path) -> PathBuf {
        root.join("secret")
    }

    /// The machine's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn config(&self) -> PathBuf {
        self.root.join("config.yaml")
    }

    fn passphrase(&self) -> String {
        self.root.join("passphrase").display().to_string()
    }

    /// Runs the agent to its end, whichever that is.
    pub fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Output, String> {
        self.command(&self.programs.join("local-agent"))
            .envs(environment.iter().copied())
            .args(arguments)
            .output()
            .map_err(|error| format!("local-agent cannot be started: {error}"))
    }

    /// A program of this machine, in an environment that holds nothing of the developer's.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.root)
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .arg("--config")
            .arg(self.config())
            .arg("--data")
            .arg(self.root.join("data"));
        command
    }

    /// Runs the agent and expects that it works; gives what it printed.
    pub fn ok(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.run(arguments, &[])?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("local-agent {arguments:?} ended with {}: {said}", output.status))
    }

    /// Puts a draft before the owner that proposes this call.
    pub fn propose(&self, id: &str, kind: &str, action: &Value) -> Result<(), String> {
        let folder = self.root.join("vault/Pending_Approval");
        let text = format!(
            "---\nid: {id}\ntype: {kind}\ncreated: 2026-02-23T03:15:00Z\nstatus: pending_approval\n\
             requires_approval: true\naction: {action}\n---\n"
        );
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(folder.join(format!("APPROVE_{id}.md")), text))
            .map_err(|error| format!("failed to write a draft: {error}"))
    }

    /// Approves a draft, naming its digest; a second time where the first one introduced a payee.
    pub fn approve(&self, id: &str) -> Result<(), String> {
        self.sign(id)?;
        let (place, text) = self.place(id)?;
        let introduced = place.starts_with("Pending_Approval/") && text.contains("introduced");
        if introduced { self.sign(id) } else { Ok(()) }
    }

    fn sign(&self, id: &str) -> Result<(), String> {
        let shown: Value =
            serde_json::from_str(&self.ok(&["show", id, "--json"])?).map_err(|e| e.to_string())?;
        let digest = shown["digest"].as_str().ok_or_else(|| format!("{id} has no digest: {shown}"))?;
        let passphrase = self.passphrase();
        let mut arguments = vec!["approve", id, "--digest", digest, "--passphrase-file", &passphrase];
        // Whoever pays types amount and payee again.
        let given = &shown["action"]["arguments"];
        if let (Some(iban), Some(amount)) = (given["iban"].as_str(), given["amount"].as_str()) {
            let end = iban.get(iban.len().saturating_sub(4)..).unwrap_or_default();
            arguments.extend(["--amount", amount, "--payee-end", end]);
        }
        self.ok(&arguments).map(drop)
    }

    /// The one file of a task: its path below the vault, and what is in it.
    pub fn place(&self, id: &str) -> Result<(String, String), String> {
        let vault = self.root.join("vault");
        let suffix = format!("{id}.md");
        let mut found = Vec::new();
        search(&vault, &suffix, &mut found);
        match found.as_slice() {
            [path] => {
                let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
                Ok((path.strip_prefix(&vault).unwrap_or(path).display().to_string(), text))
            }
            _ => Err(format!("{id} has the places {found:?}, not exactly one")),
        }
    }
}

fn search(folder: &Path, suffix: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            search(&path, suffix, found);
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(suffix)) {
            found.push(path);
        }
    }
}
