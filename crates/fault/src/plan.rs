//! Which step goes wrong, and how.

use std::collections::BTreeMap;

use rustix::io::Errno;

/// What happens at a point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// The step fails with this error, and is not made.
    Fail(Errno),
    /// The process ends as by `kill -9`, right before the step.
    Kill,
    /// The process stands still until somebody continues it (SIGSTOP), then makes the step.
    Stop,
    /// The thread unwinds with [`crate::Crash`], right before the step: the end of a process that
    /// shares this one with others. A dead process makes no further step: every later point
    /// unwinds too, until the plan is taken away.
    Unwind,
}

/// When something happens: at the n-th time that a point whose name starts with a prefix is
/// reached. It also counts what was reached, for whoever wants to go through all of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    trigger: Option<(String, u64, Effect)>,
    seen: u64,
    flaw: Option<&'static str>,
    reached: BTreeMap<String, u64>,
    /// In their order, where somebody wants to know it.
    order: Option<Vec<String>>,
}

/// A text that is no plan.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0:?} is no fault plan; write POINT:N:EFFECT, as in vault.rename:3:kill, with kill, stop, eio or enospc; or count"
)]
pub struct PlanError(String);

impl Plan {
    /// Nothing happens; what is reached is counted.
    pub fn counting() -> Self {
        Self::default()
    }

    /// Nothing happens; what is reached is counted, and its order kept.
    pub(crate) fn recording() -> Self {
        Self { order: Some(Vec::new()), ..Self::default() }
    }

    /// What was reached, in its order, by a plan that records it.
    pub(crate) fn order(&self) -> &[String] {
        self.order.as_deref().unwrap_or_default()
    }

    /// `effect` at the `n`-th (from 1) point whose name starts with `prefix`; an empty one is any.
    pub fn at(prefix: impl Into<String>, n: u64, effect: Effect) -> Self {
        Self { trigger: Some((prefix.into(), n, effect)), ..Self::default() }
    }

    /// The same in a program with this flaw, see [`crate::flaw`].
    #[must_use]
    pub fn with_flaw(self, flaw: Option<&'static str>) -> Self {
        Self { flaw, ..self }
    }

    #[cfg_attr(
        not(debug_assertions),
        expect(dead_code, reason = "a release build has no flaws to switch on")
    )]
    pub(crate) fn flaw(&self) -> Option<&'static str> {
        self.flaw
    }

    /// How often each point was reached so far.
    pub fn reached(&self) -> &BTreeMap<String, u64> {
        &self.reached
    }

    /// Whether the effect has happened.
    pub fn has_struck(&self) -> bool {
        self.trigger.as_ref().is_some_and(|(_, n, _)| self.seen >= *n)
    }

    /// How many points were reached in all.
    pub fn total(&self) -> u64 {
        self.reached.values().sum()
    }

    #[cfg_attr(not(debug_assertions), expect(dead_code, reason = "nothing is reached in release"))]
    pub(crate) fn count(&mut self, point: &str) -> Option<Effect> {
        if let Some(order) = &mut self.order {
            order.push(point.to_owned());
        }
        match self.reached.get_mut(point) {
            Some(count) => *count += 1,
            None => drop(self.reached.insert(point.to_owned(), 1)),
        }
        let (prefix, n, effect) = self.trigger.as_ref()?;
        if *effect == Effect::Unwind && self.seen >= *n {
            return Some(*effect);
        }
        if !point.starts_with(prefix.as_str()) {
            return None;
        }
        self.seen += 1;
        (self.seen == *n).then_some(*effect)
    }
}

impl std::str::FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || PlanError(text.to_owned());
        if text == "count" {
            return Ok(Self::counting());
        }
        let mut parts = text.rsplitn(3, ':');
        let (Some(effect), Some(n), Some(prefix)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        let effect = match effect {
            "kill" => Effect::Kill,
            "stop" => Effect::Stop,
            "eio" => Effect::Fail(Errno::IO),
            "enospc" => Effect::Fail(Errno::NOSPC),
            _ => return Err(wrong()),
        };
        let n = n.parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?;
        Ok(Self::at(prefix, n, effect))
    }
}
