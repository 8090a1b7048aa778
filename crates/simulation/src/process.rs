//! A step of one simulated process: on a thread of its own, so that its fault plan and its
//! identity are its own too, also while another process waits for it in the middle of a call.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fault::{Crash, Plan};

/// How a step ended.
pub(crate) enum Ended<T> {
    /// With this.
    With(T),
    /// The process is dead.
    Crashed,
    /// The program has a mistake.
    Panicked(String),
}

/// Makes a step as the process `incarnation`; `struck` is whether its plan came to bear.
pub(crate) fn step<T: Send>(
    plan: Plan,
    incarnation: u32,
    work: impl FnOnce() -> T + Send,
) -> (Ended<T>, bool) {
    let joined = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            fault::arm_here(Some(plan));
            fault::incarnate(incarnation);
            let done = catch_unwind(AssertUnwindSafe(work));
            let struck = fault::arm_here(None).is_some_and(|plan| plan.has_struck());
            (done, struck)
        });
        thread.join()
    });
    match joined {
        Ok((Ok(done), struck)) => (Ended::With(done), struck),
        Ok((Err(payload), _)) if payload.is::<Crash>() => (Ended::Crashed, true),
        Ok((Err(payload), struck)) => (Ended::Panicked(words(&payload)), struck),
        Err(payload) => (Ended::Panicked(words(&payload)), false),
    }
}

fn words(payload: &Box<dyn std::any::Any + Send>) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}

/// Runs what is asynchronous in a step.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => std::panic::panic_any(format!("no runtime: {error}")),
    }
}
