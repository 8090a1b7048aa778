//! How much may leave: the last word before a call that acts, whatever was signed.
//!
//! Windows slide: an effect counts for 60 minutes or 24 hours after it, to the instant, whatever
//! the calendar says. Effects that a clock puts into the future count as well, so that a clock that is
//! set back gives nothing anew.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use config::Limits;
use rust_decimal::Decimal;
use task::{Call, Payment};

use crate::{Class, class};

/// How long an effect counts for what is limited by the day.
pub const DAY: TimeDelta = TimeDelta::hours(24);

/// How long it counts for what is limited by the hour.
pub const HOUR: TimeDelta = TimeDelta::minutes(60);

/// One call that had its effect, may have had it, or is having it.
#[derive(Clone, PartialEq, Debug)]
pub struct Effect {
    /// What was called.
    pub call: Call,
    /// When it was about to be called.
    pub at: DateTime<Utc>,
}

/// What has left before.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct History {
    /// The effects of the last [`DAY`] and of the future, in any order; more does no harm.
    pub effects: Vec<Effect>,
    /// Of the [`recipients`] of `effects` and of the proposed call, those that had been written to
    /// before the last [`DAY`].
    pub known: BTreeSet<String>,
}

/// How long what is too much now stays too much.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Window {
    /// [`HOUR`]
    Hour,
    /// [`DAY`]
    Day,
}

/// What the governor says of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ruling {
    /// Within every limit.
    Allowed,
    /// Too much by now.
    NotNow {
        /// When it is no longer, if nothing else leaves until then.
        until: DateTime<Utc>,
        /// The longest window that it does not fit into.
        window: Window,
        /// What is exceeded; reads on after "not carried out: ".
        why: String,
    },
    /// Too much at any time.
    Refused {
        /// What is exceeded; reads on after "not carried out: ".
        why: String,
    },
}

/// The addresses and numbers that a call writes to, in one spelling, each once.
pub fn recipients(call: &Call) -> BTreeSet<String> {
    match call {
        Call::SendEmail(mail) | Call::DraftEmail(mail) => {
            mail.to.iter().chain(&mail.cc).chain(&mail.bcc).map(|address| address.to_lowercase()).collect()
        }
        Call::SendWhatsapp(message) => BTreeSet::from([message.to.clone()]),
        Call::CreateInvoiceDraft(_)
        | Call::PostInvoice(_)
        | Call::DraftSocialPost(_)
        | Call::PostFacebook(_)
        | Call::PostInstagram(_)
        | Call::PostTwitter(_)
        | Call::PostLinkedin(_)
        | Call::InitiatePayment(_) => BTreeSet::new(),
    }
}

/// Decides whether `call` may be made now. Calls that do not act always may.
pub fn govern(limits: &Limits, history: &History, call: &Call, now: DateTime<Utc>) -> Ruling {
    if !acts(call) {
        return Ruling::Allowed;
    }
    let past = Past::of(history, now);
    let mut findings = Vec::new();
    of_tool(limits, &past, call, &mut findings);
    of_recipients(limits, &past, call, &mut findings);
    if let Call::InitiatePayment(payment) = call {
        of_payment(limits, &past, payment, &mut findings);
    }
    together(findings)
}

fn acts(call: &Call) -> bool {
    class(call.server(), call.tool()) == Class::Dangerous
}

/// The limits of one tool: its own, else those of every tool. Per hour, per day.
pub(crate) fn tool_limits(limits: &Limits, tool: &str) -> (u32, u32) {
    let own = limits.tools.get(tool).copied().unwrap_or_default();
    (own.per_hour.unwrap_or(limits.tool_per_hour), own.per_day.unwrap_or(limits.tool_per_day))
}

/// What counts, oldest first.
struct Past<'a> {
    effects: Vec<&'a Effect>,
    known: &'a BTreeSet<String>,
    now: DateTime<Utc>,
}

impl<'a> Past<'a> {
    fn of(history: &'a History, now: DateTime<Utc>) -> Self {
        let counts = |effect: &&Effect| effect.at + DAY > now && acts(&effect.call);
        let mut effects: Vec<&Effect> = history.effects.iter().filter(counts).collect();
        effects.sort_by_key(|effect| effect.at);
        Self { effects, known: &history.known, now }
    }

    /// The times of the effects that count for `window` and fit, oldest first.
    fn times(&self, window: Window, fits: impl Fn(&Call) -> bool) -> Vec<DateTime<Utc>> {
        let counts = |effect: &&&Effect| effect.at + window.length() > self.now && fits(&effect.call);
        self.effects.iter().filter(counts).map(|effect| effect.at).collect()
    }
}

impl Window {
    fn length(self) -> TimeDelta {
        match self {
            Window::Hour => HOUR,
            Window::Day => DAY,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Window::Hour => "60 minutes",
            Window::Day => "24 hours",
        }
    }
}

/// A limit that is exceeded; until when, unless at any time.
struct Finding {
    why: String,
    until: Option<(DateTime<Utc>, Window)>,
}

/// Whether `more` fit beside what left at `times` (oldest first) under `limit`.
fn count(
    times: &[DateTime<Utc>],
    more: usize,
    limit: u32,
    window: Window,
    what: &str,
    key: &str,
) -> Option<Finding> {
    let limit_count = usize::try_from(limit).unwrap_or(usize::MAX);
    let surplus = (times.len() + more).checked_sub(limit_count).filter(|surplus| *surplus > 0)?;
    let why = format!("{what} within {}: {} have left, {key} allows {limit}", window.name(), times.len());
    // Room is made by the oldest; a call that alone is too much finds none.
    let until =
        times.get(surplus - 1).filter(|_| more <= limit_count).map(|at| (*at + window.length(), window));
    Some(Finding { why, until })
}

fn of_tool(limits: &Limits, past: &Past<'_>, call: &Call, findings: &mut Vec<Finding>) {
    let tool = call.tool();
    let (per_hour, per_day) = tool_limits(limits, tool);
    let own = limits.tools.get(tool).copied().unwrap_or_default();
    let key = |own: bool, name: &str| {
        if own { format!("limits.tools.{tool}.{name}") } else { format!("limits.tool_{name}") }
    };
    let rows = [
        (Window::Hour, per_hour, key(own.per_hour.is_some(), "per_hour")),
        (Window::Day, per_day, key(own.per_day.is_some(), "per_day")),
    ];
    for (window, limit, key) in rows {
        let times = past.times(window, |other| other.tool() == tool);
        findings.extend(count(&times, 1, limit, window, &format!("calls of {tool}"), &key));
    }
}

fn of_recipients(limits: &Limits, past: &Past<'_>, call: &Call, findings: &mut Vec<Finding>) {
    let proposed = recipients(call);
    for recipient in &proposed {
        let times = past.times(Window::Day, |other| recipients(other).contains(recipient));
        let what = format!("messages to {recipient}");
        let key = "limits.per_recipient_per_day";
        findings.extend(count(&times, 1, limits.per_recipient_per_day, Window::Day, &what, key));
    }
    // Oldest first, so that the first time of each stays.
    let mut first: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
    for effect in &past.effects {
        for recipient in recipients(&effect.call).into_iter().filter(|one| !past.known.contains(one)) {
            first.entry(recipient).or_insert(effect.at);
        }
    }
    let new = proposed.iter().filter(|one| !past.known.contains(*one) && !first.contains_key(*one)).count();
    if new > 0 {
        let mut times: Vec<DateTime<Utc>> = first.into_values().collect();
        times.sort_unstable();
        let (limit, key) = (limits.first_contacts_per_day, "limits.first_contacts_per_day");
        let what = "addresses and numbers that were never written to before";
        findings.extend(count(&times, new, limit, Window::Day, what, key));
    }
}

fn of_payment(limits: &Limits, past: &Past<'_>, payment: &Payment, findings: &mut Vec<Finding>) {
    let (currency, amount) = (&payment.currency, payment.amount.decimal());
    let mut never = |why: String| findings.push(Finding { why, until: None });
    let Some(ceiling) = limits.payments.get(currency) else {
        return never(format!("limits.payments has no ceilings for {currency}"));
    };
    let key = |name: &str| format!("limits.payments.{currency}.{name}");
    if amount > ceiling.single.decimal() {
        never(format!("one payment of {amount} {currency}: {} allows {}", key("single"), ceiling.single));
    }
    let paid = |fits: &dyn Fn(&Payment) -> bool| -> Vec<(DateTime<Utc>, Decimal)> {
        let payments = past.effects.iter().filter_map(|effect| match &effect.call {
            Call::InitiatePayment(other) if other.currency == *currency && fits(other) => {
                Some((effect.at, other.amount.decimal()))
            }
            _ => None,
        });
        payments.collect()
    };
    let all = paid(&|_| true);
    let same = paid(&|other| other.iban == payment.iban);
    findings.extend(sum(&all, amount, ceiling.per_day.decimal(), "payments", currency, &key("per_day")));
    let what = format!("payments to {}", payment.iban);
    let (limit, key) = (ceiling.per_payee_per_day.decimal(), key("per_payee_per_day"));
    findings.extend(sum(&same, amount, limit, &what, currency, &key));
}

/// Whether `more` fits beside what was paid (oldest first) under `limit`, in 24 hours.
fn sum(
    paid: &[(DateTime<Utc>, Decimal)],
    more: Decimal,
    limit: Decimal,
    what: &str,
    currency: &task::Currency,
    key: &str,
) -> Option<Finding> {
    let add = |sum: Decimal, (_, amount): &(DateTime<Utc>, Decimal)| sum.checked_add(*amount);
    let Some(before) = paid.iter().try_fold(Decimal::ZERO, add) else {
        return Some(Finding { why: format!("{what}: their sum is beyond reckoning"), until: None });
    };
    let fits = |before: Decimal| before.checked_add(more).is_some_and(|sum| sum <= limit);
    if fits(before) {
        return None;
    }
    let why = format!(
        "{what} within {}, with this one of {more} {currency}: {before} {currency} have left, {key} allows {limit}",
        Window::Day.name()
    );
    let mut rest = before;
    let until = paid.iter().find_map(|(at, amount)| {
        rest -= *amount;
        fits(rest).then_some((*at + DAY, Window::Day))
    });
    Some(Finding { why, until })
}

/// All that is exceeded in one ruling, the strictest.
fn together(findings: Vec<Finding>) -> Ruling {
    let why = findings.iter().map(|finding| finding.why.as_str()).collect::<Vec<_>>().join("; ");
    let times: Option<Vec<_>> = findings.iter().map(|finding| finding.until).collect();
    let Some(times) = times else { return Ruling::Refused { why } };
    let window = times.iter().map(|(_, window)| *window).max();
    match (times.iter().map(|(until, _)| *until).max(), window) {
        (Some(until), Some(window)) => Ruling::NotNow { until, window, why },
        _ => Ruling::Allowed,
    }
}

#[cfg(test)]
mod tests;
