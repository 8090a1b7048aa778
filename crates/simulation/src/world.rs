//! What the machines share: the remote, the wires to it, chance, and the model.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use fastrand::Rng;
use fault::{Effect, Errno, Plan};
use sync::simulated::{Call, Fate, Files, Network, Remote};
use task::AgentId;

use crate::Flaw;
use crate::agent::Agent;
use crate::model::Model;

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is known to everybody and to nobody: chance, and what is true.
pub(crate) struct Shared {
    model: Mutex<Model>,
    rng: Mutex<Rng>,
    processes: AtomicU32,
    flaw: Option<Flaw>,
    /// Whether anything goes wrong at all; off while everything settles.
    rough: AtomicU32,
}

impl Shared {
    pub(crate) fn new(seed: u64, flaw: Option<Flaw>) -> Self {
        Self {
            model: Mutex::default(),
            rng: Mutex::new(Rng::with_seed(seed)),
            processes: AtomicU32::new(1),
            flaw,
            rough: AtomicU32::new(1),
        }
    }

    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        locked(&self.model)
    }

    /// 0 up to below `of`; while everything settles always the luckiest, the last.
    pub(crate) fn chance(&self, of: u64) -> u64 {
        if self.is_rough() { self.draw(of) } else { of - 1 }
    }

    /// 0 up to below `of`.
    pub(crate) fn draw(&self, of: u64) -> u64 {
        locked(&self.rng).u64(0..of.max(1))
    }

    pub(crate) fn pick<'a, T>(&self, from: &'a [T]) -> Option<&'a T> {
        let n = self.draw(from.len() as u64);
        from.get(usize::try_from(n).unwrap_or_default())
    }

    pub(crate) fn is_rough(&self) -> bool {
        self.rough.load(Ordering::Relaxed) == 1
    }

    pub(crate) fn calm_down(&self) {
        self.rough.store(0, Ordering::Relaxed);
    }

    /// A new process.
    pub(crate) fn incarnation(&self) -> u32 {
        self.processes.fetch_add(1, Ordering::Relaxed)
    }

    /// What goes wrong in the next step, and whether the process dies of it.
    pub(crate) fn plan(&self) -> (Plan, bool) {
        let roll = self.chance(100);
        let areas =
            ["", "", "sync.", "vault.", "claim.", "journal.", "execute.", "log.", "approve.", "draft."];
        let area = self.pick(&areas).copied().unwrap_or_default();
        let reach = if area.is_empty() || area == "vault." { 30 } else { 4 };
        let nth = 1 + self.draw(reach);
        let (plan, dies) = match roll {
            0..14 => (Plan::at(area, nth, Effect::Unwind), true),
            14..18 => (Plan::at(area, nth, Effect::Fail(Errno::IO)), false),
            18..21 => (Plan::at(area, nth, Effect::Fail(Errno::NOSPC)), false),
            _ => (Plan::counting(), false),
        };
        (self.flawed(plan), dies)
    }

    /// The same plan, in a program with the flaw of this schedule.
    pub(crate) fn flawed(&self, plan: Plan) -> Plan {
        plan.with_flaw(self.flaw.map(Flaw::name))
    }
}

/// How well one machine reaches the remote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Link {
    Good,
    /// Of a hundred replies, so many get lost.
    Lossy(u64),
    Down,
}

/// The wires from the machines to the remote.
pub(crate) struct Wires {
    shared: Arc<Shared>,
    links: Mutex<BTreeMap<AgentId, Link>>,
    world: OnceLock<Weak<World>>,
}

impl Wires {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, links: Mutex::default(), world: OnceLock::new() }
    }

    pub(crate) fn lead_to(&self, world: &Arc<World>) {
        // There is one world, and it is set once.
        let _ = self.world.set(Arc::downgrade(world));
    }

    pub(crate) fn set(&self, agent: &AgentId, link: Link) {
        locked(&self.links).insert(agent.clone(), link);
    }
}

impl Network for Wires {
    fn fate(&self, agent: &AgentId, call: Call) -> Fate {
        if self.shared.chance(100) < 18
            && let Some(world) = self.world.get().and_then(Weak::upgrade)
        {
            world.meanwhile(agent);
        }
        let link = locked(&self.links).get(agent).copied().unwrap_or(Link::Good);
        match link {
            Link::Down => Fate::Unreachable,
            Link::Lossy(lost) if self.shared.chance(100) < lost => {
                self.shared.model().note(format!("{agent}: the reply to {call:?} is lost"));
                Fate::ReplyLost
            }
            Link::Good | Link::Lossy(_) => match self.shared.chance(200) {
                0 if call == Call::Push => Fate::Declined("not today".into()),
                _ => Fate::Arrives,
            },
        }
    }

    fn accepted(&self, agent: &AgentId, files: &Files) {
        let mut model = self.shared.model();
        model.note(format!("the remote takes a push of {agent}"));
        model.accepted(agent, files);
    }
}

/// Everything.
pub(crate) struct World {
    pub(crate) shared: Arc<Shared>,
    pub(crate) remote: Remote,
    pub(crate) wires: Arc<Wires>,
    pub(crate) agents: Vec<Mutex<Agent>>,
    deep: AtomicUsize,
}

impl World {
    pub(crate) fn new(shared: Arc<Shared>, remote: Remote, wires: Arc<Wires>, agents: Vec<Agent>) -> Self {
        let agents = agents.into_iter().map(Mutex::new).collect();
        Self { shared, remote, wires, agents, deep: AtomicUsize::new(0) }
    }

    /// Another machine goes on while `waiting` is at the network.
    fn meanwhile(&self, waiting: &AgentId) {
        if self.deep.fetch_add(1, Ordering::SeqCst) == 0
            && let Some(other) = self.shared.pick(&self.agents)
            && let Ok(mut other) = other.try_lock()
        {
            self.shared.model().note(format!("while {waiting} waits for the remote:"));
            match self.shared.draw(3) {
                0 => other.cycle(self),
                _ => other.sync(self),
            }
        }
        self.deep.fetch_sub(1, Ordering::SeqCst);
    }
}
