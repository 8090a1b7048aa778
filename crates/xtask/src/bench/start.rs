//! `local-agent --dry-run --once` from its start to its end.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Outcome;
use super::lab::{Lab, OrFailed as _};
use super::stats::{Nanos, Times};
use super::table::Row;

const TARGET: Nanos = Nanos::millis(30);

pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let (mut nothing, mut again, mut events, mut floor) =
        (Times::default(), Times::default(), Times::default(), Times::default());
    for round in 0..=lab.count(20, 8) {
        let quiet = lab.folder("start")?;
        let busy = lab.folder("start")?;
        configure(quiet.path(), "watchers: { mock_channels: [] }\n")?;
        configure(busy.path(), "{}\n")?;
        // A vault that has to be made, then the same vault once more, then sample events to
        // draft for; beside them the least that starting any program takes here.
        for (times, home) in [(&mut nothing, &quiet), (&mut again, &quiet), (&mut events, &busy)] {
            lab.settle()?;
            times.push(run(lab, home.path())?);
        }
        lab.settle()?;
        floor.measure(|| Command::new("true").status()).or_failed("run true")?;
        if round == 0 {
            // The first round brings the program into memory.
            (nothing, again, events, floor) = Default::default();
        }
    }
    let floor = format!("`true` takes {}", floor.median());
    Ok(vec![
        Row::within("--dry-run --once, empty vault, made first", nothing.median(), TARGET),
        Row::within("--dry-run --once, empty vault", again.median(), TARGET),
        Row::reported("--dry-run --once, sample events to draft", events.median(), floor),
    ])
}

fn configure(home: &Path, text: &str) -> Outcome {
    std::fs::write(home.join("config.yaml"), text).or_failed("write a configuration")
}

fn run(lab: &Lab, home: &Path) -> Outcome<Duration> {
    let log = std::fs::File::create(home.join("log")).or_failed("make a log")?;
    let mut command = lab.program("local-agent", home);
    command.args(["--dry-run", "--once"]).stdin(Stdio::null()).stderr(log);
    let start = Instant::now();
    let status = command.status().or_failed("start local-agent")?;
    let took = start.elapsed();
    if status.success() {
        return Ok(took);
    }
    let said = std::fs::read_to_string(home.join("log")).unwrap_or_default();
    Err(format!("local-agent ended with {status}: {}", said.lines().last().unwrap_or("it said nothing")))
}
