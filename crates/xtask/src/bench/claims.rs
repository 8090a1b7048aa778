//! Local claims against the least that a durable claim can be: one rename that overwrites
//! nothing, and an fsync of the folders on both sides.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

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
    // Short turns, so that what disturbs the machine disturbs all three.
    let (rounds, slice) = (lab.count(120, 30), CYCLE * 2);
    let home = lab.folder("claims")?;
    let vault = Vault::open(home.path().join("vault"), Limits::default()).or_failed("open a vault")?;
    let agent: AgentId = "local-001".parse().or_failed("name the agent")?;
    let settings = Settings {
        agent: agent.clone(),
        executor: agent.clone(),
        state_file: home.path().join("claims.json"),
        stale_after: std::time::Duration::from_secs(3600),
    };
    let claims = Claims::new(vault.clone(), settings, Arc::new(SystemClock));
    let bare = Bare::new(&home.path().join("bare"))?;
    vault.dir_created(&Stage::InProgress(agent).folder()).or_failed("make the agent's folder")?;

    let (mut single, mut shared, mut least) = (Times::default(), Times::default(), Times::default());
    for round in 0..=rounds {
        let ids: Vec<TaskId> = (0..slice).map(|n| samples::id(round * slice + n)).collect::<Outcome<_>>()?;
        let again: Vec<TaskId> =
            (0..slice).map(|n| samples::id(1_000_000 + round * slice + n)).collect::<Outcome<_>>()?;
        for (folder, ids) in
            [("vault/Needs_Action", &ids), ("bare/from", &ids), ("vault/Needs_Action", &again)]
        {
            for id in ids {
                let path = home.path().join(folder).join(format!("{id}.md"));
                std::fs::write(path, samples::new_task(id)?).or_failed("write a task")?;
            }
        }
        lab.settle()?;
        // Each goes first in turn.
        for turn in 0..3 {
            match (round + turn) % 3 {
                0 => least.measure(|| ids.iter().try_for_each(|id| bare.claim(&format!("{id}.md")))),
                1 => single.measure(|| take(lab, &claims, &ids, 1)),
                _ => shared.measure(|| take(lab, &claims, &again, CYCLE)),
            }?;
        }
        // A folder's size is part of what its fsync costs; an agent's is small.
        for folder in ["vault/In_Progress/local-001", "bare/to"] {
            empty(&home.path().join(folder))?;
        }
        if round == 0 {
            // The first round warms up: handles, caches, the journal.
            (single, shared, least) = Default::default();
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
    ])
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

/// The bare loop: two open folders, nothing else.
struct Bare {
    from: OwnedFd,
    to: OwnedFd,
}

impl Bare {
    fn new(folder: &Path) -> Outcome<Self> {
        let open = |name: &str| -> Outcome<OwnedFd> {
            let path = folder.join(name);
            std::fs::create_dir_all(&path).or_failed(format!("make {}", path.display()))?;
            rustix::fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .or_failed(format!("open {}", path.display()))
        };
        Ok(Self { from: open("from")?, to: open("to")? })
    }

    fn claim(&self, name: &str) -> Outcome {
        rustix::fs::renameat_with(&self.from, name, &self.to, name, RenameFlags::NOREPLACE)
            .and_then(|()| rustix::fs::fsync(&self.to))
            .and_then(|()| rustix::fs::fsync(&self.from))
            .or_failed(format!("claim {name}"))
    }
}
