//! The door to the thread that owns the repository: messages in, results out.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use async_trait::async_trait;
use claim::{ClaimRecord, PublishError, Publisher, Verdict};
use task::Clock;
use tokio::sync::{oneshot, watch};

use crate::cycle::Purpose;
use crate::engine::Engine;
use crate::guard::Guard;
use crate::heartbeat::check_note;
use crate::open::{OpenError, open};
use crate::reserve::{self, Wish};
use crate::transport::Pushed;
use crate::{Holder, RemoteBeat, Report, Reservation, Settings, Status, SyncError};

/// So many loose objects are packed into one file.
const PACK_AFTER: usize = 2000;

type Answer<T> = oneshot::Sender<T>;

enum Request {
    Cycle(Purpose, Answer<Result<Report, SyncError>>),
    Publish(Vec<ClaimRecord>, Answer<Result<Vec<Verdict>, SyncError>>),
    Beat(String, Answer<Result<bool, SyncError>>),
    Beats(Answer<Vec<RemoteBeat>>),
    Trust(String, Answer<Result<(), SyncError>>),
    Grant(reserve::Asked),
    Close(Answer<()>),
}

/// The vault's synchronisation. Cheap to clone; all clones speak to one thread.
#[derive(Clone, Debug)]
pub struct Sync {
    requests: mpsc::Sender<Request>,
    status: watch::Receiver<Status>,
}

impl Sync {
    /// Makes the vault an ordinary clone of `settings.config.remote` if it is none yet, and starts
    /// the thread that works on it. No network is touched: what the remote has comes with the
    /// first cycle.
    pub fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Self::serve(open(settings, clock)?)
    }

    /// [`Sync::open`], which looks for the shapes of secrets in what is sent; here for values
    /// besides, that `secrets` was made from.
    pub fn open_guarded(
        settings: Settings,
        clock: Arc<dyn Clock>,
        secrets: Arc<secret_scan::Scanner>,
    ) -> Result<Self, OpenError> {
        let mut engine = open(settings, clock)?;
        engine.guard = Arc::new(Guard::new(secrets));
        Self::serve(engine)
    }

    fn serve(engine: Engine) -> Result<Self, OpenError> {
        let (requests, inbox) = mpsc::channel();
        let (publish_status, status) = watch::channel(Status::default());
        std::thread::Builder::new()
            .name("sync".to_owned())
            .spawn(move || serve(engine, &inbox, &publish_status))
            .map_err(OpenError::Thread)?;
        Ok(Self { requests, status })
    }

    /// Takes in what the remote has and sends what is here, gathering changes for
    /// `push_gap_seconds`. With nothing to do it costs one network round, commits nothing and
    /// writes nothing. Without the remote, changes are committed here and the error says so.
    pub async fn cycle(&self) -> Result<Report, SyncError> {
        self.ask(|answer| Request::Cycle(Purpose::Paced, answer)).await?
    }

    /// Like [`Sync::cycle`], without gathering: for one-shot runs and before an end.
    pub async fn flush(&self) -> Result<Report, SyncError> {
        self.ask(|answer| Request::Cycle(Purpose::Now, answer)).await?
    }

    /// Sends a sign of life with a note of at most 200 of `[A-Za-z0-9_.=-]`. False: not sent,
    /// because the remote has no commit yet or the last beat's ref had gone; try again next time.
    pub async fn beat(&self, note: &str) -> Result<bool, SyncError> {
        check_note(note)?;
        let note = note.to_owned();
        self.ask(|answer| Request::Beat(note, answer)).await?
    }

    /// The other agents' signs of life, as of the last look at the remote. Touches no network.
    pub async fn beats(&self) -> Vec<RemoteBeat> {
        self.ask(Request::Beats).await.unwrap_or_default()
    }

    /// Sits down as the one that carries this agent's orders out, unless another seat does.
    pub async fn sit(&self, seat: &str) -> Result<Holder, SyncError> {
        self.grant(Wish::Sit(seat.to_owned())).await
    }

    /// Takes that seat, whoever has it.
    pub async fn take_seat(&self, seat: &str) -> Result<(), SyncError> {
        self.grant(Wish::Take(seat.to_owned())).await.map(drop)
    }

    /// Reserves an order for this seat, unless it is somebody's already. The same reservation may be
    /// asked for again and again.
    pub async fn reserve(&self, reservation: Reservation) -> Result<Holder, SyncError> {
        self.grant(Wish::Reserve(reservation)).await
    }

    async fn grant(&self, wish: Wish) -> Result<Holder, SyncError> {
        self.ask(|answer| Request::Grant((wish, answer))).await?
    }

    /// The owner vouches for a tip that does not descend from the last one seen.
    pub async fn trust_tip(&self, sha: &str) -> Result<(), SyncError> {
        let sha = sha.trim().to_ascii_lowercase();
        self.ask(|answer| Request::Trust(sha, answer)).await?
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Writes git's index if it is behind and ends the thread. Dropping the last clone does the
    /// same without waiting.
    pub async fn close(self) {
        // Ended already is ended too.
        let _ = self.ask(Request::Close).await;
    }

    async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, SyncError> {
        let (answer, result) = oneshot::channel();
        self.requests.send(request(answer)).map_err(|_| SyncError::Ended)?;
        result.await.map_err(|_| SyncError::Ended)
    }
}

#[async_trait]
impl Publisher for Sync {
    async fn publish(&self, claims: &[ClaimRecord]) -> Result<Vec<Verdict>, PublishError> {
        let records = claims.to_vec();
        let published = match self.ask(|answer| Request::Publish(records, answer)).await {
            Ok(published) => published,
            Err(ended) => Err(ended),
        };
        of_publication(published)
    }
}

/// What a publication's outcome means for the claims.
pub(crate) fn of_publication(
    published: Result<Vec<Verdict>, SyncError>,
) -> Result<Vec<Verdict>, PublishError> {
    published.map_err(|error| match error.may_have_happened() {
        true => PublishError::Unknown(error.into()),
        false => PublishError::NotPublished(error.into()),
    })
}

fn serve(mut engine: Engine, inbox: &mpsc::Receiver<Request>, status: &watch::Sender<Status>) {
    loop {
        let request = match engine.index_due() {
            Some(due) => inbox.recv_timeout(due.max(Duration::from_millis(10))),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        // Whoever asked and no longer waits needs no answer.
        match request {
            Ok(Request::Cycle(purpose, answer)) => {
                let result = engine.cycle(purpose);
                tell(&engine, status, &result);
                let _ = answer.send(result);
                pack(&mut engine);
            }
            Ok(Request::Publish(records, answer)) => {
                let result = engine.cycle(Purpose::Claims);
                tell(&engine, status, &result);
                let _ = answer.send(result.and_then(|_| engine.verdicts(&records)));
            }
            Ok(Request::Beat(note, answer)) => {
                let _ = answer.send(engine.beat(&note));
            }
            Ok(Request::Beats(answer)) => {
                let _ = answer.send(engine.beats.others());
            }
            Ok(Request::Grant((wish, answer))) => {
                let _ = answer.send(engine.grant(&wish));
            }
            Ok(Request::Trust(sha, answer)) => {
                let _ = answer.send(engine.trust(&sha));
            }
            Err(RecvTimeoutError::Timeout) => engine.flush_index_in_turn(),
            Ok(Request::Close(answer)) => {
                engine.flush_index_in_turn();
                let _ = answer.send(());
                return;
            }
            Err(RecvTimeoutError::Disconnected) => {
                engine.flush_index_in_turn();
                return;
            }
        }
    }
}

pub(crate) fn tell(engine: &Engine, status: &watch::Sender<Status>, result: &Result<Report, SyncError>) {
    let unpushed = engine.has_unpushed();
    status.send_modify(|status| {
        status.unpushed = unpushed;
        status.withheld = engine.withheld();
        status.foreign = engine.foreign();
        match result {
            Ok(report) => {
                status.last_seen = Some(engine.clock.now());
                status.trouble = None;
                status.stopped = false;
                status.tip = report.tip.clone();
            }
            Err(error) => {
                status.trouble = Some(error.to_string());
                status.stopped = error.needs_owner();
            }
        }
    });
}

fn pack(engine: &mut Engine) {
    if engine.loose_objects < PACK_AFTER {
        return;
    }
    engine.loose_objects = 0;
    let packed = engine.turn().and_then(|_turn| engine.transport.maintain().map_err(|t| engine.trouble(t)));
    if let Err(error) = packed {
        tracing::info!(%error, "loose objects were not packed this time");
    }
}

impl Engine {
    /// What the tip says of these claims.
    pub(crate) fn verdicts(&self, records: &[ClaimRecord]) -> Result<Vec<Verdict>, SyncError> {
        let tree = self.memory.seen.map(|tip| self.tree_of(tip)).transpose()?;
        let trees = crate::tree::Trees::of(&self.repo);
        let folder = format!("In_Progress/{}", self.settings.agent);
        let files = trees.folder(tree, &folder).map_err(crate::engine::of_tree("read the tip"))?;
        let owned = |record: &ClaimRecord| {
            let name = vault::claim_file_name(&record.id);
            let blob = files
                .iter()
                .find(|(file, _)| *file == name)
                .and_then(|(_, id)| self.repo.find_blob(*id).ok());
            let standing = blob.and_then(|blob| ClaimRecord::parse(blob.content()).ok());
            standing.as_ref() == Some(record)
                && files.iter().any(|(file, _)| *file == format!("{}.md", record.id))
        };
        Ok(records.iter().map(|record| if owned(record) { Verdict::Owned } else { Verdict::Lost }).collect())
    }

    pub(crate) fn beat(&mut self, note: &str) -> Result<bool, SyncError> {
        let Some(tip) = self.memory.seen else { return Ok(false) };
        let now = self.clock.now();
        match self.beats.send(&self.repo, self.transport.as_ref(), tip, note, now) {
            Ok(Pushed::Accepted) => Ok(true),
            Ok(Pushed::Moved | Pushed::Locked(_)) => Ok(false),
            Ok(Pushed::Declined(said)) => Err(SyncError::Declined { remote: self.remote(), said }),
            Err(trouble) => Err(self.trouble(trouble)),
        }
    }

    fn has_unpushed(&self) -> bool {
        self.resolve(&self.branch_ref()).is_ok_and(|head| head != self.memory.seen)
    }
}
