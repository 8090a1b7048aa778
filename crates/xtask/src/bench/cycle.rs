//! A sync cycle of a warm daemon against the commands that such vaults are usually synchronised
//! with: stash, pull --rebase, stash pop, add, commit, push.
//!
//! Each side has a clone and a bare remote of its own, equal at the start, and both are given
//! the same changes; only the synchronisation itself is timed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sync::{Settings, Side, Sync};
use task::{AgentId, Clock as _, Location, Stage, SystemClock, TaskId};
use vault::{Limits, Vault};

use super::lab::{Lab, OrFailed as _, git, git_unless};
use super::stats::{Nanos, Ratio, Times};
use super::table::{Row, Target};
use super::{Outcome, samples, vaults};

/// In the largest vault, so much of the sequence's time at most.
const TARGET: Target = Target::AtMost(Ratio(1_000));

/// So many tasks are new in a round with changes, and as many are finished: ten changed files.
const HALF: usize = 5;

pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let sizes: &[usize] = if lab.quick { &[1_000, 10_000] } else { &[1_000, 10_000, 100_000] };
    let mut rows = Vec::new();
    let mut growth: Vec<Figures> = Vec::new();
    for size in sizes {
        eprintln!("  {size} finished tasks …");
        let figures = Pair::set_up(lab, *size)?.measure()?;
        // What holds in a vault of a hundred thousand is the promise; the rest is to be seen.
        let target = if *size >= 100_000 { TARGET } else { Target::None };
        for (what, [ours, sequence]) in
            [("nothing to do", &figures.idle), ("ten changed files", &figures.busy)]
        {
            rows.push(Row::beside(
                format!("sync, {size} tasks, {what}"),
                ours.median(),
                sequence.median(),
                ours.against(sequence),
                target,
            ));
        }
        let name = format!("sync, {size} tasks, git's index afterwards, put off");
        rows.push(Row::reported(name, figures.index, ""));
        let name = format!("sync, {size} tasks, first cycle after a restart");
        rows.push(Row::reported(name, figures.restart, ""));
        growth.push(figures);
    }
    if let [first, .., last] = growth.as_slice() {
        let from_to = format!("{} to {} tasks", sizes[0], sizes[sizes.len() - 1]);
        for (what, [small, _], [large, _]) in
            [("nothing to do", &first.idle, &last.idle), ("ten changed files", &first.busy, &last.busy)]
        {
            let (small, large) = (small.median(), large.median());
            let name = format!("sync, own growth, {from_to}, {what}");
            rows.push(Row::beside(name, large, small, Ratio::of(large.0, small.0), Target::None));
        }
    }
    Ok(rows)
}

/// What was measured in a vault of one size; ours first, then the sequence's.
struct Figures {
    idle: [Times; 2],
    busy: [Times; 2],
    /// What ours puts off after changes: git's index, written once a minute at most.
    index: Nanos,
    /// Opening it again and the first cycle then.
    restart: Nanos,
}

/// Both sides.
struct Pair<'a> {
    lab: &'a Lab,
    ours: Ours<'a>,
    sequence: Sequence,
    size: usize,
    rounds: usize,
    home: tempfile::TempDir,
}

impl<'a> Pair<'a> {
    fn set_up(lab: &'a Lab, size: usize) -> Outcome<Self> {
        let home = lab.folder("cycle")?;
        let remote = vaults::remote(home.path(), "ours.git", size)?;
        let second = vaults::copy(&remote, "sequence.git")?;
        let (vault, other) = (home.path().join("vault"), home.path().join("sequence"));
        vaults::clone(&remote, &vault)?;
        vaults::clone(&second, &other)?;
        let ours = Ours::open(lab, vault, &remote, home.path().join("state"))?;
        let sequence = Sequence { clone: other };
        let rounds = if size >= 100_000 { 9 } else { lab.count(15, 7) };
        Ok(Self { lab, ours, sequence, size, rounds, home })
    }

    fn measure(mut self) -> Outcome<Figures> {
        // Both find their caches cold and five tasks to make; neither counts.
        let first = batch(0)?;
        self.ours.change(&[], &first)?;
        self.sequence.change(&[], &first)?;
        self.ours.cycle()?;
        self.sequence.run()?;
        self.ours.cycle()?;
        self.sequence.run()?;

        let (mut idle, mut busy) = <([Times; 2], [Times; 2])>::default();
        for round in 0..self.rounds {
            self.turn(round, &mut idle)?;
            let (finished, new) = (batch(round)?, batch(round + 1)?);
            self.ours.change(&finished, &new)?;
            self.sequence.change(&finished, &new)?;
            self.turn(round, &mut busy)?;
        }
        self.verify()?;
        let (mut index, mut restart) = (Times::default(), Times::default());
        index.measure(|| self.ours.close());
        self.lab.settle()?;
        restart.measure(|| self.ours.reopen().and_then(|()| self.ours.cycle()))?;
        Ok(Figures { idle, busy, index: index.median(), restart: restart.median() })
    }

    /// Each side once; each goes first in every other round.
    fn turn(&mut self, round: usize, [ours, sequence]: &mut [Times; 2]) -> Outcome {
        for side in [round % 2, (round + 1) % 2] {
            self.lab.settle()?;
            match side {
                0 => ours.measure(|| self.ours.cycle())?,
                _ => sequence.measure(|| self.sequence.run())?,
            }
        }
        Ok(())
    }

    /// Both remotes have the same tasks, every byte, or the times mean nothing.
    fn verify(&self) -> Outcome {
        let tasks = |remote: &str| -> Outcome<Vec<String>> {
            let tree = git(self.home.path(), &["--git-dir", remote, "ls-tree", "-r", "main"])?;
            Ok(tree.lines().filter(|line| line.ends_with(".md")).map(str::to_owned).collect())
        };
        let (ours, sequence) = (tasks("ours.git")?, tasks("sequence.git")?);
        let expected = self.size + HALF * (self.rounds + 1);
        if ours.len() != expected || sequence.len() != expected {
            let (ours, sequence) = (ours.len(), sequence.len());
            return Err(format!("{expected} tasks should have been pushed; there are {ours} and {sequence}"));
        }
        match ours.iter().zip(&sequence).find(|(ours, sequence)| ours != sequence) {
            None => Ok(()),
            Some((ours, sequence)) => Err(format!("the remotes differ: {ours} and {sequence}")),
        }
    }
}

/// The tasks that are new in round `n` and finished in the next.
fn batch(n: usize) -> Outcome<Vec<TaskId>> {
    (0..HALF).map(|k| samples::id(n * HALF + k)).collect()
}

/// A daemon's synchronisation, kept open.
struct Ours<'a> {
    lab: &'a Lab,
    agent: AgentId,
    vault: Vault,
    sync: Sync,
    remote: PathBuf,
    state: PathBuf,
}

impl<'a> Ours<'a> {
    fn open(lab: &'a Lab, vault: PathBuf, remote: &Path, state: PathBuf) -> Outcome<Self> {
        let vault = Vault::open(vault, Limits::default()).or_failed("open a vault")?;
        let agent: AgentId = "local-001".parse().or_failed("name the agent")?;
        std::fs::create_dir(&state).or_failed("make a folder")?;
        let sync = open(&vault, &agent, remote, &state)?;
        Ok(Self { lab, agent, vault, sync, remote: remote.to_owned(), state })
    }

    /// What is put off for up to a minute, done now: git's own index is brought up to date.
    fn close(&self) {
        self.lab.runtime.block_on(self.sync.clone().close());
    }

    /// As when the daemon is started again.
    fn reopen(&mut self) -> Outcome {
        self.sync = open(&self.vault, &self.agent, &self.remote, &self.state)?;
        Ok(())
    }

    /// Finishes tasks and makes new ones, the way that an agent does.
    fn change(&self, finished: &[TaskId], new: &[TaskId]) -> Outcome {
        for id in finished {
            let mut place = Location::new(Stage::NeedsAction, id.clone());
            for stage in [Stage::InProgress(self.agent.clone()), Stage::done(SystemClock.now())] {
                place = self.vault.advance(&place, stage).or_failed("move a task")?;
            }
        }
        for id in new {
            let place = Location::new(Stage::NeedsAction, id.clone());
            self.vault.create(&place, &samples::task(id)?).or_failed("make a task")?;
        }
        Ok(())
    }

    fn cycle(&self) -> Outcome {
        self.lab.runtime.block_on(self.sync.cycle()).or_failed("synchronise")?;
        Ok(())
    }
}

fn open(vault: &Vault, agent: &AgentId, remote: &Path, state: &Path) -> Outcome<Sync> {
    let config = config::Sync {
        enabled: true,
        remote: Some(remote.to_string_lossy().into_owned()),
        // Every change is pushed at once, as the sequence does.
        push_gap_seconds: 0,
        ..config::Sync::default()
    };
    let settings = Settings {
        vault: vault.clone(),
        config,
        agent: agent.clone(),
        state_dir: state.to_owned(),
        side: Side::Owner,
    };
    Sync::open(settings, Arc::new(SystemClock)).or_failed("open the synchronisation")
}

/// The commands that scripts for such vaults run, in an ordinary clone.
struct Sequence {
    clone: PathBuf,
}

impl Sequence {
    /// The same changes as [`Ours::change`], as plain files.
    fn change(&self, finished: &[TaskId], new: &[TaskId]) -> Outcome {
        let file = |stage: Stage, id: &TaskId| self.clone.join(Location::new(stage, id.clone()).path());
        for id in finished {
            let (from, to) = (file(Stage::NeedsAction, id), file(Stage::done(SystemClock.now()), id));
            std::fs::create_dir_all(to.parent().unwrap_or(&to)).or_failed("make a folder")?;
            std::fs::rename(from, to).or_failed("move a task")?;
        }
        for id in new {
            let to = file(Stage::NeedsAction, id);
            std::fs::create_dir_all(to.parent().unwrap_or(&to)).or_failed("make a folder")?;
            std::fs::write(to, samples::new_task(id)?).or_failed("write a task")?;
        }
        Ok(())
    }

    /// Runs the commands; where there is nothing to stash, nothing is popped, and where nothing
    /// was added, nothing is committed.
    fn run(&self) -> Outcome {
        let folder = &self.clone;
        let stashed = !git(folder, &["stash"])?.contains("No local changes");
        git(folder, &["pull", "--rebase"])?;
        if stashed {
            git(folder, &["stash", "pop"])?;
        }
        git(folder, &["add", "-A"])?;
        let (unchanged, _) = git_unless(folder, &["diff", "--cached", "--quiet"])?;
        if !unchanged {
            git(folder, &["commit", "-m", "Auto-sync"])?;
        }
        git(folder, &["push"])?;
        Ok(())
    }
}
