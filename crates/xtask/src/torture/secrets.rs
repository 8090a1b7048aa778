//! Secrets must not leave by the vault: what is planted in contents, names and commit messages is
//! held back on this machine, and honest files go out.
//!
//! Both go through the real way out: a vault, its clone, and a remote whose every object is looked
//! through afterwards.

mod honest;
mod planted;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use secret_scan::{Known, Scanner};
use sync::{Settings, Side, Sync};
use task::{AgentId, SystemClock};
use vault::{Limits, Vault};

use self::planted::{Held, Plant, Spot};
use super::{Figure, Lab, Outcome, contestant};

/// Of a thousand honest files, so many may be held back.
const FALSE_ALARMS: u64 = 5;

pub(crate) fn run(lab: &Lab) -> Outcome {
    let runtime = contestant::runtime()?;
    runtime.block_on(async { Ok(vec![planted_secrets(lab).await?, honest_files(lab).await?]) })
}

async fn planted_secrets(lab: &Lab) -> Outcome<Figure> {
    let cases = lab.cases(200, 200);
    let mut chance = fastrand::Rng::with_seed(lab.seed());
    let held = planted::held(&mut chance);
    let stage = Stage::build(&lab.folder("secrets-planted")?, &held)?;
    stage.sync.cycle().await.map_err(|e| format!("failed to begin: {e}"))?;
    let plants: Vec<Plant> = (0..cases).map(|n| planted::plant(n, &held, &mut chance)).collect();
    let (mut shown, mut said) = (BTreeSet::new(), 0);
    let mut out: BTreeSet<usize> = BTreeSet::new();
    for (n, plant) in plants.iter().enumerate() {
        match plant.spot {
            Spot::Body => {
                stage.write(&format!("Inbox/body-{n}.md"), &format!("A note.\n\n{}\n", plant.text))?
            }
            Spot::Name => stage.write(&format!("Inbox/{n} {}.md", plant.text), "A note.\n")?,
            // A person commits in the clone; the program's own messages hold nothing of a file.
            Spot::Message => {
                stage.write(&format!("Inbox/message-{n}.md"), "A note.\n")?;
                stage.git(&["add", "--", &format!("Inbox/message-{n}.md")])?;
                stage.git(&["commit", "--quiet", "-m", &format!("a note\n\n{}", plant.text)])?;
                let report = stage.sync.cycle().await.map_err(|e| format!("failed to synchronise: {e}"))?;
                let refused = report.refused.iter().any(|refusal| refusal.path.starts_with("commit "));
                said += u64::from(refused);
                if !refused {
                    out.insert(n);
                }
            }
        }
        lab.progress(n as u64 + 1, cases, "secrets planted");
    }
    stage.write("Inbox/good.md", "Nothing but a note.\n")?;
    stage.sync.cycle().await.map_err(|e| format!("failed to synchronise: {e}"))?;
    let withheld = stage.sync.status().withheld;
    for (path, reason) in &withheld {
        shown.insert(path.clone());
        if let Some(plant) =
            plants.iter().find(|plant| reason.contains(&plant.spelled) || path.contains(&plant.spelled))
        {
            return Err(format!("the message about {plant} shows the secret"));
        }
    }
    // Names are not shown; each is one more "a file in Inbox".
    said += withheld.len() as u64;
    let published = stage.published()?;
    if !holds(&published, b"Nothing but a note.") {
        return Err("what is good did not go out, so that nothing was tried".into());
    }
    out.extend(
        plants
            .iter()
            .enumerate()
            .filter(|(n, plant)| {
                let body_out = plant.spot == Spot::Body && !shown.contains(&format!("Inbox/body-{n}.md"));
                body_out || holds(&published, plant.spelled.as_bytes())
            })
            .map(|(n, _)| n),
    );
    for n in out.iter().take(5) {
        eprintln!("  seed {}, case {n}: {} got out", lab.seed(), plants[*n]);
    }
    let blocked = cases - out.len() as u64;
    stage.sync.close().await;
    Ok(Figure::new(
        format!(
            "secrets planted in contents, names and commit messages; plain, base64, hex, URL-encoded: {cases}"
        ),
        format!("{blocked} blocked, {said} times said where"),
        format!("{cases} of {cases}"),
        blocked == cases,
    ))
}

async fn honest_files(lab: &Lab) -> Outcome<Figure> {
    let files = lab.cases(1_500, 10_000);
    let mut chance = fastrand::Rng::with_seed(lab.seed().wrapping_add(1));
    let held = planted::held(&mut chance);
    let stage = Stage::build(&lab.folder("secrets-honest")?, &held)?;
    stage.sync.cycle().await.map_err(|e| format!("failed to begin: {e}"))?;
    for n in 0..files {
        stage.write(&format!("Inbox/file-{n}.md"), &honest::file(n, &mut chance))?;
    }
    eprintln!("  {files} files made");
    stage.sync.cycle().await.map_err(|e| format!("failed to synchronise: {e}"))?;
    let withheld = stage.sync.status().withheld;
    for (path, reason) in withheld.iter().take(10) {
        eprintln!("  seed {}, {path}: {reason}", lab.seed());
    }
    let sent = stage
        .git_at(&stage.remote, &["ls-tree", "-r", "--name-only", "main", "--", "Inbox/"])?
        .lines()
        .count() as u64;
    let alarms = withheld.len() as u64;
    stage.sync.close().await;
    Ok(Figure::new(
        format!("honest files held back, of {files}"),
        format!("{alarms} held back, {sent} sent"),
        "at most 0.5 %",
        alarms * 1000 <= FALSE_ALARMS * files && sent + alarms == files,
    ))
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    let Some(first) = part.first() else { return true };
    bytes.windows(part.len()).any(|window| window[0] == *first && window == part)
}

/// A machine with a vault, and the remote that it sends to.
struct Stage {
    vault: PathBuf,
    remote: PathBuf,
    sync: Sync,
}

impl Stage {
    fn build(home: &Path, held: &[Held]) -> Outcome<Self> {
        let remote = home.join("remote.git");
        let stage_git = |arguments: &[&str]| git(home, arguments);
        stage_git(&["init", "--quiet", "--bare", "--initial-branch=main", "remote.git"])?;
        let data = home.join("data");
        std::fs::create_dir_all(&data).map_err(|e| format!("failed to make {}: {e}", data.display()))?;
        let known =
            held.iter().map(|held| Known { name: held.name.into(), value: held.value.clone().into() });
        let scanner = Scanner::new(known).map_err(|e| e.to_string())?;
        if let Some(unguarded) = scanner.unguarded().first() {
            return Err(unguarded.to_string());
        }
        let vault = home.join("vault");
        let settings = Settings {
            vault: Vault::open(&vault, Limits::default()).map_err(|e| e.to_string())?,
            config: config::Sync {
                enabled: true,
                remote: Some(remote.display().to_string()),
                push_gap_seconds: 0,
                timeout_seconds: 300,
                ..Default::default()
            },
            agent: AgentId::new("cloud-001").map_err(|e| e.to_string())?,
            state_dir: data,
            side: Side::Other,
        };
        let sync = Sync::open_guarded(settings, Arc::new(SystemClock), Arc::new(scanner))
            .map_err(|e| e.to_string())?;
        Ok(Self { vault, remote, sync })
    }

    fn write(&self, path: &str, text: &str) -> Outcome<()> {
        let path = self.vault.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|e| format!("failed to make {}: {e}", folder.display()))?;
        }
        std::fs::write(&path, text).map_err(|e| format!("failed to write {}: {e}", path.display()))
    }

    fn git(&self, arguments: &[&str]) -> Outcome<String> {
        git(&self.vault, arguments)
    }

    fn git_at(&self, folder: &Path, arguments: &[&str]) -> Outcome<String> {
        git(folder, arguments)
    }

    /// Every object that the remote has, one behind the other.
    fn published(&self) -> Outcome<Vec<u8>> {
        let output = Command::new("git")
            .args(["cat-file", "--batch-all-objects", "--batch"])
            .current_dir(&self.remote)
            .output()
            .map_err(|e| format!("failed to start git: {e}"))?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err("the remote's objects cannot be read".into())
        }
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Outcome<String> {
    let output = Command::new("git")
        .args(["-c", "user.name=somebody", "-c", "user.email=somebody@example.invalid"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .map_err(|e| format!("failed to start git: {e}"))?;
    if !output.status.success() {
        return Err(format!(
            "git {:?} failed: {}",
            arguments.first(),
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
