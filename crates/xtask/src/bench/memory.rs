//! What each daemon keeps in memory when it has nothing to do.

use std::path::Path;
use std::time::Duration;

use super::daemon::Daemon;
use super::lab::{Lab, OrFailed as _};
use super::machine::value_of;
use super::table::Row;
use super::{Outcome, vaults};

/// Each daemon's, in KiB.
const TARGET: u64 = 20 * 1024;

/// How long after its readiness a daemon counts as idle.
const SETTLED: Duration = Duration::from_secs(5);

/// A vault after years.
const LARGE: usize = 100_000;

const DAEMONS: [&str; 3] = ["cloud-agent", "local-agent", "sync-watcher"];

pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let finished = lab.count(1_000, 100);
    let homes: Vec<Home> =
        DAEMONS.iter().map(|name| Home::new(lab, name, finished)).collect::<Outcome<_>>()?;
    let daemons: Vec<_> = homes.iter().map(|home| home.start(lab)).collect();
    std::thread::sleep(SETTLED);
    let mut rows: Vec<Row> = homes
        .iter()
        .zip(&daemons)
        .map(|(home, daemon)| {
            let figure = format!("idle memory of {}", home.name);
            match daemon.as_ref().map_err(Clone::clone).and_then(|daemon| Memory::of(daemon.id())) {
                Ok(memory) => Row::within_kib(figure, memory.to_string(), memory.resident, TARGET),
                Err(reason) => Row::failed(figure, &reason),
            }
        })
        .collect();
    drop(daemons);
    if !lab.quick {
        let home = Home::new(lab, "local-agent", LARGE)?;
        let daemon = home.start(lab)?;
        std::thread::sleep(SETTLED);
        let figure = format!("idle memory of local-agent, {LARGE} finished tasks");
        rows.push(Row::reported(figure, Memory::of(daemon.id())?, ""));
    }
    Ok(rows)
}

/// A daemon's vault, in sync with a remote of its own: none gets work from another.
struct Home {
    name: &'static str,
    folder: tempfile::TempDir,
}

impl Home {
    fn new(lab: &Lab, name: &'static str, finished: usize) -> Outcome<Self> {
        let folder = lab.folder("memory")?;
        let home = folder.path();
        let remote = vaults::remote(home, "remote.git", finished)?;
        vaults::clone(&remote, &home.join("vault"))?;
        let config = format!("sync: {{ enabled: true, remote: {remote:?} }}\n");
        std::fs::write(home.join("config.yaml"), config).or_failed("write a configuration")?;
        Ok(Self { name, folder })
    }

    fn start(&self, lab: &Lab) -> Outcome<Daemon> {
        let home = self.folder.path();
        Daemon::start(lab.program(self.name, home), &home.join("log"))
            .map_err(|e| format!("{}: {e}", self.name))
    }
}

/// A process's memory, in KiB.
struct Memory {
    /// All that is mapped and present.
    resident: u64,
    /// The same, with what is shared divided by the number that share it.
    proportional: u64,
}

impl Memory {
    fn of(process: u32) -> Outcome<Self> {
        let read = |file: &str, key: &str| {
            let path = Path::new("/proc").join(process.to_string()).join(file);
            let text = std::fs::read_to_string(&path).or_failed(format!("read {}", path.display()))?;
            value_of(&text, key)
                .and_then(|value| value.strip_suffix(" kB")?.parse().ok())
                .ok_or_else(|| format!("{} has no {key}", path.display()))
        };
        Ok(Self { resident: read("status", "VmRSS")?, proportional: read("smaps_rollup", "Pss")? })
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mebibytes = |kib: u64| format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024);
        write!(f, "{} MiB (PSS {})", mebibytes(self.resident), mebibytes(self.proportional))
    }
}
