//! `AI_EMPLOYEE_FAULT`: which step of this process goes wrong, for tests of crashes.

use std::io::Write as _;

use crate::Failure;

/// The variable: a plan as [`fault::Plan`] reads it, `vault.rename:3:kill`.
const VARIABLE: &str = "AI_EMPLOYEE_FAULT";

/// Arms what the environment asks for. A release build has no fault points, and says so.
pub(crate) fn arm(program: &str) -> Result<(), Failure> {
    let Ok(text) = std::env::var(VARIABLE) else { return Ok(()) };
    if !cfg!(debug_assertions) {
        tracing::warn!("{VARIABLE} is set and ignored: this is a release build of {program}");
        return Ok(());
    }
    let plan = text
        .parse()
        .map_err(|error: fault::PlanError| Failure::usage(format!("cannot use {VARIABLE}")).because(error))?;
    tracing::warn!("{VARIABLE}={text}: this process will go wrong on purpose");
    fault::arm(Some(plan));
    Ok(())
}

/// Says how many points were reached, when a plan was armed.
pub(crate) fn account(program: &str) {
    if let Some(plan) = fault::arm(None) {
        // When stderr is gone, nobody asks any more.
        let _ = writeln!(std::io::stderr(), "{program}: fault points reached: {}", plan.total());
    }
}
