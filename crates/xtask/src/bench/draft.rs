//! From a file in Needs_Action to its draft in Pending_Approval, with the real daemon.

use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::daemon::Daemon;
use super::lab::{Lab, OrFailed as _};
use super::stats::{Nanos, Times};
use super::table::Row;
use super::{Outcome, samples};

const TARGET: Nanos = Nanos::millis(20);

/// How long one draft may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two drops: what the daemon does after a draft is not part of the next one.
const PAUSE: Duration = Duration::from_millis(100);

/// Drops that do not count: the first ones find nothing warm.
const WARM_UP: usize = 3;

/// One machine alone, nothing to watch but the vault, the template drafter.
const CONFIG: &str = "\
agent: { id: local-001, executor: local-001 }
owner: { name: Jane Doe }
modes: { dry_run: true, mock_data: true }
watchers: { mock_channels: [] }
drafter: { kind: template }
sync: { enabled: false }
";

pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let home = lab.folder("draft")?;
    let home = home.path();
    std::fs::write(home.join("config.yaml"), CONFIG).or_failed("write a configuration")?;
    let mut command = lab.program("local-agent", home);
    command.args(["--role", "gold"]);
    let daemon = Daemon::start(command, &home.join("log"))?;
    let drafts = Drafts::watch(&home.join("vault/Pending_Approval"))?;

    let mut times = Times::default();
    for n in 0..WARM_UP + lab.count(40, 15) {
        let id = samples::id(n)?;
        let name = format!("{id}.md");
        let written = home.join(&name);
        std::fs::write(&written, samples::new_task(&id)?).or_failed("write a task")?;
        let start = Instant::now();
        std::fs::rename(&written, home.join("vault/Needs_Action").join(&name)).or_failed("drop a task")?;
        let came = drafts.wait_for(&format!("APPROVE_{name}"));
        let took = start.elapsed();
        if !came {
            let seconds = PATIENCE.as_secs();
            return Err(format!("{id} was not drafted within {seconds} s: {}", daemon.last_words()));
        }
        if n >= WARM_UP {
            times.push(took);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(vec![
        Row::within("file dropped to draft, p50", times.median(), TARGET),
        Row::reported("file dropped to draft, p95", times.percentile(95), ""),
    ])
}

/// What arrives in a folder.
struct Drafts {
    arrivals: Receiver<String>,
    _watcher: RecommendedWatcher,
}

impl Drafts {
    fn watch(folder: &Path) -> Outcome<Self> {
        let (sender, arrivals) = mpsc::channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            if matches!(event.kind, EventKind::Access(_) | EventKind::Remove(_)) {
                return;
            }
            for name in event.paths.iter().filter_map(|path| path.file_name()) {
                // Nobody listens any more only when the measurement is over.
                let _ = sender.send(name.to_string_lossy().into_owned());
            }
        })
        .or_failed("make a watcher")?;
        watcher
            .watch(folder, RecursiveMode::NonRecursive)
            .or_failed(format!("watch {}", folder.display()))?;
        Ok(Self { arrivals, _watcher: watcher })
    }

    /// Waits until `name` has come; whether it has.
    fn wait_for(&self, name: &str) -> bool {
        let start = Instant::now();
        while let Some(left) = PATIENCE.checked_sub(start.elapsed()) {
            match self.arrivals.recv_timeout(left) {
                Ok(arrived) if arrived == name => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        false
    }
}
