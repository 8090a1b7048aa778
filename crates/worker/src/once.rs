//! One round of everything, for `--once`.

use tokio_util::sync::CancellationToken;
use watchers::{Source, Watchers};

use crate::{Duties, Found, Worker};

/// How many cycles one round may take: each works on at most `claims.per_cycle` tasks.
const CYCLES: usize = 50;

/// Looks at every source once, works until nothing is left that it may work on now, and brings
/// the vault and the remote together before and after.
pub async fn once(
    worker: &mut Worker,
    duties: &mut impl Duties,
    watchers: &Watchers,
    sources: Vec<Box<dyn Source>>,
    cancel: &CancellationToken,
) -> Found {
    let mut found = worker.flush().await;
    found.add(worker.resume().await);
    found.add(worker.reclaim().await);
    for state in watchers.poll_once(sources, cancel).await {
        found.events += usize::try_from(state.new_tasks).unwrap_or(usize::MAX);
        if let Some(error) = state.last_error {
            found.troubles.push(format!("{}: {error}", state.source));
        }
    }
    let mut cycles = 0;
    while cycles < CYCLES && !cancel.is_cancelled() {
        let step = worker.cycle(cancel).await;
        let progressed = !step.worked.is_empty();
        found.add(step);
        if worker.has_work_in_hand() {
            continue;
        }
        cycles += 1;
        if !progressed {
            break;
        }
    }
    worker.put_down().await;
    // The dashboard shows what the heartbeat has just found out.
    duties.beat().await;
    duties.after_cycle(&mut found).await;
    found.add(duties.finish().await);
    found.add(worker.flush().await);
    worker.close().await;
    found
}
