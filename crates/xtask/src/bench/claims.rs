//! Local claims against the least that a durable claim can be: one rename that overwrites
//! nothing, and an fsync of the folders on both sides.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use claim::{Claims, Settings};
use rustix::fs::{Mode, OFlags, RenameFlags};
use task::{AgentId, Location, Stage, SystemClock, TaskId};
use vault::{Limits, Vault};

use super::lab::{Lab, OrFailed as _};
use super::stats::{Ratio, Times};
use super::table::{Row, Target};
use super::{Outcome, samples};

/// How many tasks an agent takes up at once unless told otherwise (`claims.per_cycle`).
const CYCLE: usize = 20;

/// The least of the bare loop's speed that a claim should have.
const TARGET: Target = Target::AtLeast(Ratio(8_000));

pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    // Short turns, so that what disturbs the machine disturbs all of them.
    let (rounds, slice) = (lab.count(120, 30), CYCLE * 2);
    let agent: AgentId = "local-001".parse().or_failed("name the agent")?;
    // A vault each, made in the same way: what an fsync of a folder costs depends on the folder's
    // size and on where it lies on the disk.
    let home = lab.folder("claims")?;
    let place = |name: &str| Place::new(home.path().join(name), &agent);
    let places = [place("least")?, place("single")?, place("shared")?, place("moved")?];
    let [first, second, third, fourth] = &places;
    let bare = Bare::new(&first.folders)?;

    let (mut single, mut shared, mut moved, mut least) =
        (Times::default(), Times::default(), Times::default(), Times::default());
    for round in 0..=rounds {
        let ids: Vec<TaskId> = (0..slice).map(|n| samples::id(round * slice + n)).collect::<Outcome<_>>()?;
        for Place { folders: [from, to], .. } in &places {
            empty(to)?;
            for id in &ids {
                std::fs::write(from.join(format!("{id}.md")), samples::new_task(id)?)
                    .or_failed("write a task")?;
            }
        }
        lab.settle()?;
        // Each goes first in turn.
        for turn in 0..4 {
            match (round + turn) % 4 {
                0 => least.measure(|| ids.iter().try_for_each(|id| bare.claim(&format!("{id}.md")))),
                1 => single.measure(|| take(lab, &second.claims, &ids, 1)),
                2 => shared.measure(|| take(lab, &third.claims, &ids, CYCLE)),
                _ => moved.measure(|| ids.iter().try_for_each(|id| move_alone(&fourth.vault, &agent, id))),
            }?;
        }
        if round == 0 {
            // The first round warms up: handles, caches, the journal.
            (single, shared, moved, least) = Default::default();
        }
    }
    let per_second = |times: &Times| format!("{} claims/s", times.part(slice).median().per_second());
    // Speed against speed is time against time the other way round.
    Ok(vec![
        Row::beside(
            "local claim, one by one",
            per_second(&single),
            per_second(&least),
            least.against(&single),
            TARGET,
        ),
        Row::beside(
            format!("local claims, {CYCLE} a cycle"),
            per_second(&shared),
            per_second(&least),
            least.against(&shared),
            TARGET,
        ),
        Row::beside(
            "local claim, its move alone",
            per_second(&moved),
            per_second(&least),
            least.against(&moved),
            Target::None,
        ),
    ])
}

/// What a claim does to the vault, without the way to the thread that may block and back.
fn move_alone(vault: &Vault, agent: &AgentId, id: &TaskId) -> Outcome {
    let from = Location::new(Stage::NeedsAction, id.clone());
    vault.advance(&from, Stage::InProgress(agent.clone())).or_failed(format!("move {id}"))?;
    Ok(())
}

fn empty(folder: &Path) -> Outcome {
    for entry in std::fs::read_dir(folder).or_failed(format!("list {}", folder.display()))? {
        let path = entry.or_failed(format!("list {}", folder.display()))?.path();
        std::fs::remove_file(&path).or_failed(format!("remove {}", path.display()))?;
    }
    Ok(())
}

/// Takes up `ids`, so many at a time, and makes sure that it got them.
fn take(lab: &Lab, claims: &Claims, ids: &[TaskId], at_a_time: usize) -> Outcome {
    lab.runtime.block_on(async {
        for part in ids.chunks(at_a_time) {
            let candidates = part.iter().map(|id| Location::new(Stage::NeedsAction, id.clone())).collect();
            let taken = claims.take(candidates).await;
            if taken.owned.len() != part.len() {
                return Err(format!(
                    "{} of {} claims were not had",
                    part.len() - taken.owned.len(),
                    part.len()
                ));
            }
        }
        Ok(())
    })
}

/// A vault with an agent that claims in it.
struct Place {
    vault: Vault,
    claims: Claims,
    /// Where tasks wait, and where they come to when they are claimed.
    folders: [PathBuf; 2],
}

impl Place {
    fn new(root: PathBuf, agent: &AgentId) -> Outcome<Self> {
        let vault = Vault::open(&root, Limits::default()).or_failed("open a vault")?;
        let settings = Settings {
            agent: agent.clone(),
            executor: agent.clone(),
            state_file: root.with_extension("json"),
            stale_after: Duration::from_secs(3600),
        };
        let claims = Claims::new(vault.clone(), settings, Arc::new(SystemClock));
        let own = Stage::InProgress(agent.clone()).folder();
        vault.dir_created(&own).or_failed("make the agent's folder")?;
        Ok(Self { vault, claims, folders: [root.join(Stage::NeedsAction.folder()), root.join(own)] })
    }
}

/// The bare loop: two open folders, nothing else.
struct Bare {
    from: OwnedFd,
    to: OwnedFd,
}

impl Bare {
    fn new([from, to]: &[PathBuf; 2]) -> Outcome<Self> {
        let open = |path: &Path| {
            rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .or_failed(format!("open {}", path.display()))
        };
        Ok(Self { from: open(from)?, to: open(to)? })
    }

    fn claim(&self, name: &str) -> Outcome {
        rustix::fs::renameat_with(&self.from, name, &self.to, name, RenameFlags::NOREPLACE)
            .and_then(|()| rustix::fs::fsync(&self.to))
            .and_then(|()| rustix::fs::fsync(&self.from))
            .or_failed(format!("claim {name}"))
    }
}
