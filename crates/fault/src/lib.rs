//! Fault points: every state-changing step can be made to fail, or to be the last thing that the
//! process does.
//!
//! Code that is about to change something says so with [`reach`], naming the step. Nothing
//! happens there unless a [`Plan`] is armed: on this thread ([`arm_here`], for a simulation that
//! runs many worlds side by side) or for the whole process ([`arm`], which `daemon` does from
//! `AI_EMPLOYEE_FAULT`). Release builds have no fault points: [`reach`] is empty there, and arming
//! does nothing, so that nobody can make an installed program fail by its environment.
//!
//! [`at_every_step`] is a frame for tests: a piece of work goes wrong at each of its steps in turn.
//!
//! A flaw is the opposite of a fault: the world is in order, and the program is not. [`flaw`] switches
//! one on where a simulation wants to see that it is noticed.
//!
//! A point's name is `area.step`, in lower case: `vault.rename`, `claim.record`, `sync.push`,
//! `journal.dispatch`. Each is reached *before* the step that it names.

mod every_step;
mod plan;

pub use every_step::{Strike, at_every_step};
pub use plan::{Effect, Plan, PlanError};
pub use rustix::io::Errno;

#[cfg(debug_assertions)]
mod armed {
    use std::cell::{Cell, RefCell};
    use std::sync::{Arc, Mutex, PoisonError};

    use rustix::io::Errno;

    use crate::{Effect, Plan};

    /// A plan is shared by the threads that work for one simulated process.
    pub(crate) type Shared = Arc<Mutex<Plan>>;

    static EVERYWHERE: Mutex<Option<Shared>> = Mutex::new(None);

    thread_local! {
        static HERE: RefCell<Option<Shared>> = const { RefCell::new(None) };
        static INCARNATION: Cell<u32> = const { Cell::new(0) };
    }

    pub(crate) fn incarnation() -> u32 {
        INCARNATION.get()
    }

    pub(crate) fn incarnate(n: u32) {
        INCARNATION.set(n);
    }

    pub(crate) fn shared(plan: Option<Plan>) -> Option<Shared> {
        plan.map(|plan| Arc::new(Mutex::new(plan)))
    }

    pub(crate) fn plan_of(shared: &Shared) -> Plan {
        shared.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn everywhere(plan: Option<Shared>) -> Option<Shared> {
        std::mem::replace(&mut *EVERYWHERE.lock().unwrap_or_else(PoisonError::into_inner), plan)
    }

    pub(crate) fn here(plan: Option<Shared>) -> Option<Shared> {
        HERE.with_borrow_mut(|slot| std::mem::replace(slot, plan))
    }

    pub(crate) fn known_here() -> Option<Shared> {
        HERE.with_borrow(Clone::clone)
    }

    /// Takes the thread's plan away again, also when the work on it unwinds.
    pub(crate) struct Lent {
        pub(crate) plan: Option<Shared>,
        pub(crate) process: u32,
    }

    impl Drop for Lent {
        fn drop(&mut self) {
            here(self.plan.take());
            incarnate(self.process);
        }
    }

    pub(crate) fn flawed(name: &str) -> bool {
        known_here().is_some_and(|plan| {
            plan.lock().unwrap_or_else(PoisonError::into_inner).flaw().is_some_and(|flaw| flaw == name)
        })
    }

    pub(crate) fn reach(point: &str) -> Result<(), Errno> {
        let plan = known_here().or_else(|| EVERYWHERE.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let Some(plan) = plan else { return Ok(()) };
        let effect = plan.lock().unwrap_or_else(PoisonError::into_inner).count(point);
        match effect {
            None => Ok(()),
            Some(Effect::Fail(errno)) => Err(errno),
            // The dead clean nothing up: what a destructor would still do is not done.
            Some(Effect::Unwind) if std::thread::panicking() => Err(Errno::IO),
            // A panic cannot be taken for an error that somebody handles; this one is no mistake
            // that a hook should print.
            Some(Effect::Unwind) => std::panic::resume_unwind(Box::new(crate::Crash)),
            Some(Effect::Kill) => {
                let me = rustix::process::getpid();
                let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
                // The signal ends this process before it returns here.
                std::process::abort()
            }
            Some(Effect::Stop) => {
                let me = rustix::process::getpid();
                let _ = rustix::process::kill_process(me, rustix::process::Signal::STOP);
                Ok(())
            }
        }
    }
}

/// What unwinds from a point whose effect is [`Effect::Unwind`]: the crash of a simulated process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Crash;

/// Says that the step `point` comes next. The error is what that step is to fail with.
#[cfg(debug_assertions)]
pub fn reach(point: &str) -> Result<(), Errno> {
    armed::reach(point)
}

/// Says that the step `point` comes next. In a release build nothing ever happens.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn reach(_point: &str) -> Result<(), Errno> {
    Ok(())
}

/// Whether this thread runs the program with a mistake of that name, which a [`Plan`] switches on:
/// so that whoever looks for mistakes can be seen to find one.
#[cfg(debug_assertions)]
pub fn flaw(name: &str) -> bool {
    armed::flawed(name)
}

/// Whether this thread runs the program with a mistake; a release build never does.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn flaw(_name: &str) -> bool {
    false
}

/// Arms a plan for every thread that has none of its own; `None` disarms. Gives the one that was
/// armed, with what it has counted.
pub fn arm(plan: Option<Plan>) -> Option<Plan> {
    #[cfg(debug_assertions)]
    return armed::everywhere(armed::shared(plan)).map(|plan| armed::plan_of(&plan));
    #[cfg(not(debug_assertions))]
    {
        drop(plan);
        None
    }
}

/// Arms a plan for this thread, and gives the one it had, with what it has counted.
pub fn arm_here(plan: Option<Plan>) -> Option<Plan> {
    #[cfg(debug_assertions)]
    return armed::here(armed::shared(plan)).map(|plan| armed::plan_of(&plan));
    #[cfg(not(debug_assertions))]
    {
        drop(plan);
        None
    }
}

/// Which simulated process this thread is, so that what an earlier one left is told from what a
/// living one is at; 0 outside of simulations.
pub fn incarnation() -> u32 {
    #[cfg(debug_assertions)]
    return armed::incarnation();
    #[cfg(not(debug_assertions))]
    0
}

/// Makes this thread the simulated process `n`.
pub fn incarnate(n: u32) {
    #[cfg(debug_assertions)]
    armed::incarnate(n);
    #[cfg(not(debug_assertions))]
    let _ = n;
}

/// `work` for another thread, which then works for the same simulated process as this one.
pub fn inherit<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    #[cfg(debug_assertions)]
    {
        let (plan, process) = (armed::known_here(), incarnation());
        move || {
            if plan.is_none() && process == incarnation() {
                return work();
            }
            let _lent = armed::Lent { plan: armed::here(plan), process: incarnation() };
            incarnate(process);
            work()
        }
    }
    #[cfg(not(debug_assertions))]
    work
}

#[cfg(test)]
mod tests;
