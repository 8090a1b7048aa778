//! Telling whether a file changed without reading it.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::Stat;

/// File systems stamp times with a coarse clock: what changed so shortly before it was looked at
/// may change again without looking different.
const COARSE: i64 = 50_000_000;

/// What tells one state of a file from another without reading it; as git's index has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    pub(crate) inode: u32,
    pub(crate) size: u32,
    /// Nanoseconds since 1970.
    pub(crate) modified: i64,
    /// Nanoseconds since 1970.
    pub(crate) changed: i64,
}

impl Stamp {
    #[expect(clippy::cast_possible_truncation, clippy::unnecessary_cast, reason = "as git's index has it")]
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            inode: stat.st_ino as u32,
            size: stat.st_size as u32,
            modified: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }

    /// Whether a change after `looked_at` would certainly show.
    pub(crate) fn is_settled(&self, looked_at: i64) -> bool {
        self.modified.max(self.changed) + COARSE < looked_at
    }
}

pub(crate) fn nanoseconds(seconds: i64, nanos: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// This machine's time, as files are stamped with it.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
