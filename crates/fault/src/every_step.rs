//! A frame for tests: a piece of work goes wrong at each of its steps in turn, and each time what
//! must hold is checked.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use rustix::io::Errno;

use crate::{Crash, Effect, Plan, arm_here};

/// What went wrong in one run, and what the work gave in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Strike<R> {
    /// The step's number, from 1.
    pub n: u64,
    /// Its name.
    pub point: String,
    /// What happened at it.
    pub effect: Effect,
    /// What the work gave; `None` when the step was the last thing that was done: the dead
    /// acknowledge nothing, even where a runtime turns their end into an error.
    pub result: Option<R>,
}

impl<R> fmt::Display for Strike<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} ({}), {:?}", self.n, self.point, self.effect)
    }
}

/// Runs `work` on a world that `set` makes: once undisturbed, then once for every step and every
/// way in which it can go wrong, being the last thing that is done among them. After each run
/// `check` is given the world without any fault armed, to recover it and look at it.
///
/// `steps` are the steps (or prefixes of their names) that the work is known to have. One that is
/// not reached fails the test, so that no loop passes because it meets nothing. Gives how many
/// runs there were.
///
/// # Panics
///
/// When a step is not reached, and when `check` does; it is said at which step.
pub fn at_every_step<W, R>(
    steps: &[&str],
    set: impl Fn() -> W,
    work: impl Fn(&W) -> R,
    check: impl Fn(W, Strike<R>),
) -> usize {
    let world = set();
    let names = record(|| drop(work(&world)));
    drop(world);
    for step in steps {
        assert!(names.iter().any(|name| name.starts_with(step)), "{step} was never reached, only {names:?}");
    }
    let mut runs = 0;
    for (n, point) in (1_u64..).zip(&names) {
        for effect in [Effect::Fail(Errno::IO), Effect::Fail(Errno::NOSPC), Effect::Unwind] {
            let world = set();
            let (result, plan) = under(Plan::at("", n, effect), || work(&world));
            assert!(plan.has_struck(), "step {n} ({point}), {effect:?} was not reached the second time");
            let result = result.filter(|_| effect != Effect::Unwind);
            let strike = Strike { n, point: point.clone(), effect, result };
            let named = Named(strike.to_string());
            check(world, strike);
            drop(named);
            runs += 1;
        }
    }
    runs
}

/// The steps that `work` makes, in their order.
fn record(work: impl Fn()) -> Vec<String> {
    let (_, plan) = under(Plan::recording(), work);
    plan.order().to_vec()
}

/// Does `work` under a plan; a crash gives no result, any other panic goes on.
fn under<R>(plan: Plan, work: impl FnOnce() -> R) -> (Option<R>, Plan) {
    arm_here(Some(plan));
    let ended = catch_unwind(AssertUnwindSafe(work));
    let plan = arm_here(None).unwrap_or_default();
    match ended {
        Ok(result) => (Some(result), plan),
        Err(cause) if cause.is::<Crash>() => (None, plan),
        Err(cause) => resume_unwind(cause),
    }
}

/// Says, when a check fails, after what.
struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The test's own message comes first; this one follows it.
            let _ =
                std::io::Write::write_all(&mut std::io::stderr(), format!("after {}\n", self.0).as_bytes());
        }
    }
}
