//! How the last tasks ended.

use std::collections::VecDeque;

/// Fewer tasks than this say nothing of a share.
const FEWEST: usize = 5;

/// The outcomes of the last tasks of this process.
#[derive(Debug, Clone)]
pub struct Outcomes {
    failed: VecDeque<bool>,
    window: usize,
}

impl Outcomes {
    /// Remembers at most `window` outcomes (`health.failed_window`).
    pub fn new(window: usize) -> Self {
        Self { failed: VecDeque::new(), window: window.max(1) }
    }

    /// Adds one.
    pub fn record(&mut self, failed: bool) {
        if self.failed.len() == self.window {
            self.failed.pop_front();
        }
        self.failed.push_back(failed);
    }

    /// How many failed, of how many; `None` while there are too few to tell.
    pub fn share(&self) -> Option<(usize, usize)> {
        let all = self.failed.len();
        let enough = all >= FEWEST.min(self.window);
        enough.then(|| (self.failed.iter().filter(|failed| **failed).count(), all))
    }
}
