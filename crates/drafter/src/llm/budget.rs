//! What the model may cost in a UTC day. The worst case is reserved before a call and settled
//! after it; what cannot be read or written allows nothing.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use task::{Clock, Currency};

/// Why a call may not be made. Reads on after "no draft from the language model: ".
#[derive(Debug, thiserror::Error)]
pub(crate) enum BudgetError {
    /// The day's tokens are used up.
    #[error("budget of {limit} tokens a day used up")]
    Tokens { limit: u64 },
    /// The day's money is used up.
    #[error("budget of {limit} {currency} used up")]
    Money { limit: Decimal, currency: Currency },
    /// The file cannot be read, written or understood.
    #[error("budget file {} cannot be used: {reason}; remove it to begin the day's count anew", path.display())]
    File { path: PathBuf, reason: String },
}

/// Tokens in and out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

/// The count of a day, in one file that several processes may share.
#[derive(Clone)]
pub(crate) struct Budget {
    limits: config::Budget,
    path: PathBuf,
    clock: Arc<dyn Clock>,
}

/// What a call may cost at most; to be settled. Dropped without that it stays counted: nobody
/// knows what the provider charges for a call that was cut off.
#[derive(Debug)]
#[must_use]
pub(crate) struct Reservation {
    day: NaiveDate,
    tokens: Tokens,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Day {
    day: NaiveDate,
    tokens: u64,
    money: Decimal,
    currency: Currency,
    /// The days before, the oldest first, for reports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<SpentDay>,
}

/// What the model cost on a day that is counted.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpentDay {
    /// UTC day.
    pub day: NaiveDate,
    /// In and out; a call that was cut off counts with its worst case.
    pub tokens: u64,
    /// What they cost by the prices in the configuration.
    pub money: Decimal,
    /// In which currency.
    pub currency: Currency,
}

/// So many days are remembered.
const REMEMBERED: usize = 21;

/// What the model cost, day by day, as the budget's file at `path` has it: up to three weeks, the
/// oldest day first; nothing where there is no file. The error is a fragment. Blocks.
pub fn spending(path: &Path) -> Result<Vec<SpentDay>, String> {
    let place = |reason: String| format!("budget file {} cannot be used: {reason}", path.display());
    let Some(text) = read(path).map_err(|error| place(error.to_string()))? else { return Ok(Vec::new()) };
    let today: Day = serde_json::from_str(&text).map_err(|error| place(error.to_string()))?;
    Ok(today.closed())
}

impl Day {
    /// All days, this one last.
    fn closed(mut self) -> Vec<SpentDay> {
        let mut days = std::mem::take(&mut self.before);
        days.push(SpentDay {
            day: self.day,
            tokens: self.tokens,
            money: self.money,
            currency: self.currency,
        });
        let surplus = days.len().saturating_sub(REMEMBERED);
        days.drain(..surplus);
        days
    }
}

impl Budget {
    pub(crate) fn new(limits: config::Budget, path: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { limits, path, clock }
    }

    /// Counts the worst case, if the day has room for it. Blocks on files.
    pub(crate) fn reserve(&self, worst: Tokens) -> Result<Reservation, BudgetError> {
        let day = self.update(|count| {
            let (tokens, money) = (worst.input.saturating_add(worst.output), self.price(worst));
            let after = Day {
                tokens: count.tokens.saturating_add(tokens),
                money: count.money.checked_add(money).unwrap_or(Decimal::MAX),
                ..count.clone()
            };
            if after.tokens > self.limits.tokens_per_day {
                return Err(BudgetError::Tokens { limit: self.limits.tokens_per_day });
            }
            if after.money > self.limits.money_per_day.decimal() {
                let limit = self.limits.money_per_day.decimal();
                return Err(BudgetError::Money { limit, currency: self.limits.currency.clone() });
            }
            *count = after;
            Ok(count.day)
        })?;
        Ok(Reservation { day, tokens: worst })
    }

    /// Replaces the reserved worst case by what was used. Blocks on files.
    pub(crate) fn settle(&self, reserved: Reservation, used: Tokens) -> Result<(), BudgetError> {
        self.settle_at(reserved, used, None)
    }

    /// The same where the other side says what it cost, in the budget's currency.
    pub(crate) fn settle_at(
        &self,
        reserved: Reservation,
        used: Tokens,
        cost: Option<Decimal>,
    ) -> Result<(), BudgetError> {
        let cost = cost.unwrap_or_else(|| self.price(used));
        let (worst, used) = ((reserved.tokens, self.price(reserved.tokens)), (used, cost));
        self.update(|count| {
            // A day that is over has its count closed.
            if count.day == reserved.day {
                let sum = |tokens: Tokens| tokens.input.saturating_add(tokens.output);
                count.tokens = count.tokens.saturating_sub(sum(worst.0)).saturating_add(sum(used.0));
                count.money = (count.money - worst.1).max(Decimal::ZERO).saturating_add(used.1);
            }
            Ok(())
        })
    }

    /// Where the count is kept.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn price(&self, tokens: Tokens) -> Decimal {
        let of = |tokens: u64, per_million: task::Amount| {
            Decimal::from(tokens)
                .checked_mul(per_million.decimal())
                .and_then(|money| money.checked_div(Decimal::from(1_000_000)))
                .unwrap_or(Decimal::MAX)
        };
        let input = of(tokens.input, self.limits.input_per_million);
        input.checked_add(of(tokens.output, self.limits.output_per_million)).unwrap_or(Decimal::MAX)
    }

    /// Reads, changes and writes the count under a lock; what fails changes nothing.
    fn update<T>(&self, change: impl FnOnce(&mut Day) -> Result<T, BudgetError>) -> Result<T, BudgetError> {
        let bad = |reason: String| BudgetError::File { path: self.path.clone(), reason };
        let io = |error: std::io::Error| bad(error.to_string());
        // A lock file of its own, because the counted file is replaced.
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path.with_extension("lock"))
            .map_err(io)?;
        lock.lock().map_err(io)?;
        let today = self.clock.now().date_naive();
        let before = match read(&self.path).map_err(io)? {
            Some(text) => Some(serde_json::from_str::<Day>(&text).map_err(|error| bad(error.to_string()))?),
            None => None,
        };
        // A count from a later day means that the clock was set back; it still counts.
        let mut count = match before.clone() {
            Some(count) if count.day >= today => count,
            old => Day {
                day: today,
                tokens: 0,
                money: Decimal::ZERO,
                currency: self.limits.currency.clone(),
                before: old.map(Day::closed).unwrap_or_default(),
            },
        };
        if count.currency != self.limits.currency {
            return Err(bad(format!(
                "it counts {}, but the budget is in {}",
                count.currency, self.limits.currency
            )));
        }
        let result = change(&mut count)?;
        if before.as_ref() != Some(&count) {
            let text = serde_json::to_string(&count).map_err(|error| bad(error.to_string()))?;
            replace(&self.path, &text).map_err(io)?;
        }
        Ok(result)
    }
}

/// The longest file that can be a count, in bytes.
const LONGEST: u64 = 4096;

fn read(path: &Path) -> std::io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(Some(text))
}

/// Temporary file, fsync, rename, fsync of the folder: a count that was reported survives. The
/// lock that the caller holds makes the temporary name ours.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let temporary = path.with_extension("tmp");
    fault::reach("budget.write")?;
    let mut file = File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fault::reach("budget.rename")?;
    std::fs::rename(&temporary, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use task::FixedClock;

    use super::*;

    struct Fixture {
        _dir: tempfile::TempDir,
        clock: Arc<FixedClock>,
        budget: Budget,
    }

    fn fixture(tokens: u64, money: &str) -> Fixture {
        let dir = tempfile::tempdir().expect("tempdir");
        let clock = Arc::new(FixedClock::new("2026-02-23T23:50:00Z".parse().expect("time")));
        let limits = config::Budget {
            tokens_per_day: tokens,
            money_per_day: money.parse().expect("amount"),
            ..config::Budget::default()
        };
        let budget = Budget::new(limits, dir.path().join("budget.json"), clock.clone());
        Fixture { _dir: dir, clock, budget }
    }

    const CALL: Tokens = Tokens { input: 1_000, output: 2_000 };

    fn counted(fixture: &Fixture) -> (u64, String) {
        let text = std::fs::read_to_string(&fixture.budget.path).expect("file");
        let day: Day = serde_json::from_str(&text).expect("count");
        (day.tokens, day.money.normalize().to_string())
    }

    #[test]
    fn the_worst_case_is_counted_until_it_is_settled() {
        let f = fixture(500_000, "2.00");
        let reserved = f.budget.reserve(CALL).expect("room");
        // 1,000 in at 3.00 and 2,000 out at 15.00 for a million.
        assert_eq!(counted(&f), (3_000, "0.033".into()));
        f.budget.settle(reserved, Tokens { input: 900, output: 100 }).expect("settled");
        assert_eq!(counted(&f), (1_000, "0.0042".into()));
        let reserved = f.budget.reserve(CALL).expect("room");
        f.budget.settle(reserved, Tokens::default()).expect("given back");
        assert_eq!(counted(&f), (1_000, "0.0042".into()));
    }

    #[test]
    fn a_call_that_might_exceed_the_budget_is_not_made() {
        let f = fixture(5_000, "2.00");
        let _kept = f.budget.reserve(CALL).expect("room");
        let error = f.budget.reserve(CALL).expect_err("no room").to_string();
        assert_eq!(error, "budget of 5000 tokens a day used up");
        let f = fixture(500_000, "0.05");
        let _kept = f.budget.reserve(CALL).expect("room");
        assert_eq!(f.budget.reserve(CALL).expect_err("no room").to_string(), "budget of 0.05 USD used up");
    }

    #[test]
    fn a_new_day_begins_anew_and_a_clock_set_back_does_not() {
        let f = fixture(5_000, "2.00");
        let reserved = f.budget.reserve(CALL).expect("room");
        f.clock.advance(TimeDelta::hours(1));
        let _today = f.budget.reserve(CALL).expect("a new day");
        f.budget.settle(reserved, CALL).expect("settled");
        assert_eq!(counted(&f).0, 3_000, "yesterday's call does not touch today's count");
        f.clock.advance(TimeDelta::hours(-48));
        assert!(f.budget.reserve(CALL).is_err());
    }

    #[test]
    fn what_cannot_be_understood_allows_nothing() {
        let check = |text: &str| {
            let f = fixture(500_000, "2.00");
            std::fs::write(&f.budget.path, text).expect("write");
            let error = f.budget.reserve(CALL).expect_err(text).to_string();
            assert!(error.contains("budget.json cannot be used") && error.contains("remove it"), "{error}");
            assert_eq!(std::fs::read_to_string(&f.budget.path).expect("file"), text, "left as it is");
        };
        check("");
        check("{\"day\":\"2026-02-23\"");
        check("{\"day\":\"2026-02-23\",\"tokens\":-5,\"money\":\"0\",\"currency\":\"USD\"}");
        check("{\"day\":\"2026-02-23\",\"tokens\":5,\"money\":\"0\",\"currency\":\"EUR\"}");
        let f = fixture(500_000, "2.00");
        std::fs::create_dir(&f.budget.path).expect("mkdir");
        assert!(f.budget.reserve(CALL).is_err());
    }
}
