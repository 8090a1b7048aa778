//! Crash points, for tests: the places between two durable steps.

use crate::core::Problem;

/// A moment between two durable steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// The file is claimed, the journal knows nothing yet.
    Claimed,
    /// The journal has accepted the order.
    Accepted,
    /// The journal says that the call is being made; it is not made yet.
    Dispatching,
    /// The call has returned; the journal does not know.
    Called,
    /// The journal has the outcome; the file does not.
    Ended,
}

/// Where to crash. Outside of tests it is empty and costs nothing.
#[derive(Default)]
pub(crate) struct Faults {
    #[cfg(test)]
    pub(crate) at: Option<Step>,
}

impl Faults {
    /// Stops everything at `step` as a crash would: no clean-up, nothing written.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "tests set the step"))]
    pub(crate) fn reach(&self, step: Step) -> Result<(), Problem> {
        #[cfg(test)]
        if self.at == Some(step) {
            return Err(Problem::Crash(step));
        }
        tracing::trace!(?step, "reached");
        Ok(())
    }
}
