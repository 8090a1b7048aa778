//! Readiness by ownership: each part that is starting holds a latch; ready is when the last one
//! lets go of it.

use std::sync::{Arc, Mutex, PoisonError};

type OnReady = Box<dyn FnOnce() + Send>;

struct Inner(Mutex<Option<OnReady>>);

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(ready) = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            ready();
        }
    }
}

/// Hands out latches while a process starts. Drop it when all have been handed out.
pub struct Readiness(Arc<Inner>);

/// Held by one part until it has started.
pub struct Latch {
    _held: Arc<Inner>,
}

impl Readiness {
    /// `ready` is called once, by whoever lets go of the last latch.
    pub fn new(ready: impl FnOnce() + Send + 'static) -> Self {
        Self(Arc::new(Inner(Mutex::new(Some(Box::new(ready))))))
    }

    /// A latch for one part.
    pub fn latch(&self) -> Latch {
        Latch { _held: Arc::clone(&self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn ready_is_when_the_last_part_lets_go() {
        let calls = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&calls);
        let readiness = Readiness::new(move || {
            seen.fetch_add(1, Ordering::Relaxed);
        });
        let (mail, sync) = (readiness.latch(), readiness.latch());
        drop(readiness);
        drop(mail);
        assert_eq!(calls.load(Ordering::Relaxed), 0);
        drop(sync);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}
