//! Statistics of timings, in whole numbers: nanoseconds, and ratios in ten-thousandths.

use std::fmt;
use std::time::{Duration, Instant};

/// A time, shown with three digits that mean something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Nanos(pub(crate) u64);

impl From<Duration> for Nanos {
    fn from(time: Duration) -> Self {
        Self(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl Nanos {
    pub(crate) const fn millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// How often this fits into a second.
    pub(crate) fn per_second(self) -> u64 {
        1_000_000_000 / self.0.max(1)
    }

    /// One of `parts` equal parts.
    pub(crate) fn part(self, parts: usize) -> Self {
        Self(self.0 / u64::try_from(parts).unwrap_or(u64::MAX).max(1))
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(n) = *self;
        match n {
            0..1_000_000 => write!(f, "{} µs", (n + 500) / 1_000),
            1_000_000..10_000_000 => write!(f, "{}.{:02} ms", n / 1_000_000, n / 10_000 % 100),
            10_000_000..100_000_000 => write!(f, "{}.{} ms", n / 1_000_000, n / 100_000 % 10),
            100_000_000..1_000_000_000 => write!(f, "{} ms", n / 1_000_000),
            _ => write!(f, "{}.{:02} s", n / 1_000_000_000, n / 10_000_000 % 100),
        }
    }
}

/// One number as a part of another, in ten-thousandths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Ratio(pub(crate) u64);

impl Ratio {
    pub(crate) fn of(part: u64, whole: u64) -> Self {
        let scaled = u128::from(part) * 10_000 / u128::from(whole.max(1));
        Self(u64::try_from(scaled).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            small @ 0..1_000 => write!(f, "0.{small:04}"),
            ratio => write!(f, "{}.{:02}", ratio / 10_000, ratio / 100 % 100),
        }
    }
}

/// What one thing took, time after time, in the order in which it was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<Nanos>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time.into());
    }

    /// Runs `work` and notes what it took.
    pub(crate) fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.push(start.elapsed());
        result
    }

    /// The same for each of `parts` equal parts of what was measured.
    pub(crate) fn part(&self, parts: usize) -> Self {
        Self(self.0.iter().map(|time| time.part(parts)).collect())
    }

    pub(crate) fn median(&self) -> Nanos {
        Nanos(median(self.0.iter().map(|time| time.0).collect()))
    }

    /// The time that `percent` of all stay within.
    pub(crate) fn percentile(&self, percent: usize) -> Nanos {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or(Nanos(0))
    }

    /// The median of `self / base`, pair by pair: what disturbs the machine for a while disturbs
    /// both sides of a pair.
    pub(crate) fn against(&self, base: &Times) -> Ratio {
        let pairs = self.0.iter().zip(&base.0);
        Ratio(median(pairs.map(|(part, whole)| Ratio::of(part.0, whole.0).0).collect()))
    }
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    let middle = values.len() / 2;
    match (values.len(), values.get(middle)) {
        (_, None) => 0,
        (len, Some(upper)) if len % 2 == 1 => *upper,
        (_, Some(upper)) => u64::midpoint(values[middle - 1], *upper),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(millis: &[u64]) -> Times {
        Times(millis.iter().map(|n| Nanos::millis(*n)).collect())
    }

    #[test]
    fn medians_and_percentiles_are_taken_over_sorted_times() {
        assert_eq!(times(&[9, 1, 5]).median(), Nanos::millis(5));
        assert_eq!(times(&[9, 1, 5, 6]).median(), Nanos(5_500_000));
        assert_eq!(times(&[]).median(), Nanos(0));
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(times(&hundred).percentile(95), Nanos::millis(95));
        assert_eq!(times(&[3]).percentile(95), Nanos::millis(3));
    }

    #[test]
    fn a_ratio_is_the_median_over_pairs_so_that_one_disturbed_pair_does_not_count() {
        assert_eq!(times(&[1, 200, 3]).against(&times(&[10, 20, 30])), Ratio(1_000));
    }

    #[test]
    fn numbers_are_shown_with_the_digits_that_mean_something() {
        let shown: Vec<_> =
            [350_000, 1_234_000, 12_340_000, 123_400_000, 2_390_000_000].map(|n| Nanos(n).to_string()).into();
        assert_eq!(shown, ["350 µs", "1.23 ms", "12.3 ms", "123 ms", "2.39 s"]);
        let shown: Vec<_> = [12, 987, 9_412, 23_000].map(|n| Ratio(n).to_string()).into();
        assert_eq!(shown, ["0.0012", "0.0987", "0.94", "2.30"]);
    }
}
