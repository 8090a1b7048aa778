//! Fault points: every state-changing step can be made to fail, or to be the last thing that the
//! process does.
//!
//! Code that is about to change something says so with [`reach`], naming the step. Nothing
//! happens there unless a [`Plan`] is armed: on this thread ([`arm_here`], for a simulation that
//! runs many worlds side by side) or for the whole process ([`arm`], which `daemon` does from
//! `AI_EMPLOYEE_FAULT`). Release builds have no fault points: [`reach`] is empty there, and arming
//! does nothing, so that nobody can make an installed program fail by its environment.
//!
//! A point's name is `area.step`, in lower case: `vault.rename`, `claim.record`, `sync.push`,
//! `journal.dispatch`. Each is reached *before* the step that it names.

mod plan;

pub use plan::{Effect, Plan, PlanError};

use rustix::io::Errno;

#[cfg(debug_assertions)]
mod armed {
    use std::cell::{Cell, RefCell};
    use std::sync::{Mutex, PoisonError};

    use rustix::io::Errno;

    use crate::{Effect, Plan};

    static EVERYWHERE: Mutex<Option<Plan>> = Mutex::new(None);

    thread_local! {
        static HERE: RefCell<Option<Plan>> = const { RefCell::new(None) };
        static INCARNATION: Cell<u32> = const { Cell::new(0) };
    }

    pub(crate) fn incarnation() -> u32 {
        INCARNATION.get()
    }

    pub(crate) fn incarnate(n: u32) {
        INCARNATION.set(n);
    }

    pub(crate) fn everywhere(plan: Option<Plan>) {
        *EVERYWHERE.lock().unwrap_or_else(PoisonError::into_inner) = plan;
    }

    pub(crate) fn here(plan: Option<Plan>) -> Option<Plan> {
        HERE.with_borrow_mut(|slot| std::mem::replace(slot, plan))
    }

    pub(crate) fn reach(point: &str) -> Result<(), Errno> {
        let here = HERE.with_borrow_mut(|slot| slot.as_mut().map(|plan| plan.count(point)));
        let effect = match here {
            Some(effect) => effect,
            None => {
                let mut slot = EVERYWHERE.lock().unwrap_or_else(PoisonError::into_inner);
                slot.as_mut().and_then(|plan| plan.count(point))
            }
        };
        match effect {
            None => Ok(()),
            Some(Effect::Fail(errno)) => Err(errno),
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

/// Arms a plan for every thread that has none of its own; `None` disarms.
pub fn arm(plan: Option<Plan>) {
    #[cfg(debug_assertions)]
    armed::everywhere(plan);
    #[cfg(not(debug_assertions))]
    drop(plan);
}

/// Arms a plan for this thread, and gives the one it had, with what it has counted.
pub fn arm_here(plan: Option<Plan>) -> Option<Plan> {
    #[cfg(debug_assertions)]
    return armed::here(plan);
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

#[cfg(test)]
mod tests;
