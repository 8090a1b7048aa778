//! The seat: the right of one data directory, on one machine, to carry orders out.
//!
//! At most once is the journal's promise, so it holds only while there is one journal. A copied data
//! directory, or one that was put back from a backup, has a journal that does not know what the other
//! one did. `seat.json` says which machine and which journal file the seat was taken with; where
//! either is another one, nothing is carried out until the owner says `local-agent take-seat`. That
//! also sends every order that was signed before back to the owner: nobody knows which of them the
//! other journal has seen through.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use vault::{DurableError, durable};

/// Why this data directory may not carry orders out.
#[derive(Debug, thiserror::Error)]
pub enum SeatError {
    /// It is a copy, or was put back.
    #[error(
        "data directory {data} was copied or put back from a backup: {what}. Another one may carry the same orders out"
    )]
    Copied {
        /// The data directory.
        data: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// The record cannot be read.
    #[error("failed to read {path}: {reason}", path = path.display())]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The record cannot be written.
    #[error(transparent)]
    Write(#[from] DurableError),
    /// No randomness.
    #[error("failed to name the seat: {0}")]
    Randomness(#[from] getrandom::Error),
}

/// What tells one file from its copies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Mark {
    inode: u64,
    /// When the file was made, in nanoseconds since 1970; absent where the file system does not say.
    born: Option<u64>,
}

impl From<&Metadata> for Mark {
    fn from(metadata: &Metadata) -> Self {
        let born = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Self { inode: metadata.ino(), born: born.and_then(|since| u64::try_from(since.as_nanos()).ok()) }
    }
}

/// `seat.json`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Record {
    /// Random; the remote knows it.
    seat: String,
    /// The machine's name, as the composition gave it.
    machine: Option<String>,
    /// The journal's file.
    journal: Mark,
    /// When the owner had it taken over; orders from before count no longer.
    since: Option<DateTime<Utc>>,
    /// Whether the remote has said that it is this seat's.
    confirmed: bool,
}

/// The seat that this process holds.
#[derive(Debug)]
pub struct Seat {
    path: PathBuf,
    record: Mutex<Record>,
}

impl Seat {
    /// Sits down again, or for the first time where nobody ever sat. `machine` is what tells this
    /// machine from others, where that is known. The journal must be there.
    pub fn open(data: &Path, machine: Option<&str>) -> Result<Self, SeatError> {
        let path = data.join("seat.json");
        let journal = journal_of(data)?;
        let record = match read(&path)? {
            Some(record) => record,
            None => {
                let record = Record {
                    seat: random()?,
                    machine: machine.map(str::to_owned),
                    journal,
                    since: None,
                    confirmed: false,
                };
                // Another process of this data directory may be faster: its seat is everybody's.
                match durable::write_new(&path, &json(&record)) {
                    Ok(()) => record,
                    Err(error) => read(&path)?.ok_or(error)?,
                }
            }
        };
        let copied = |what| Err(SeatError::Copied { data: data.to_owned(), what });
        if record.machine.as_deref() != machine {
            return copied("it belongs to another machine");
        }
        if record.journal != journal {
            return copied("its journal is another file than the one that the seat was taken with");
        }
        Ok(Self { path, record: Mutex::new(record) })
    }

    /// Takes a new seat for this data directory, whatever was before. Orders that were issued until
    /// `now` count no longer.
    pub fn take(data: &Path, machine: Option<&str>, now: DateTime<Utc>) -> Result<Self, SeatError> {
        let path = data.join("seat.json");
        let record = Record {
            seat: random()?,
            machine: machine.map(str::to_owned),
            journal: journal_of(data)?,
            since: Some(now),
            confirmed: false,
        };
        store(&path, &record)?;
        Ok(Self { path, record: Mutex::new(record) })
    }

    /// Its name at the remote.
    pub fn name(&self) -> String {
        self.get().seat
    }

    /// Until when orders that were issued count no longer.
    pub(crate) fn since(&self) -> Option<DateTime<Utc>> {
        self.get().since
    }

    /// Whether the remote has ever said that the seat is this one's.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.get().confirmed
    }

    /// Keeps what the remote said.
    pub fn confirm(&self, confirmed: bool) -> Result<(), SeatError> {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        if record.confirmed != confirmed {
            record.confirmed = confirmed;
            store(&self.path, &record)?;
        }
        Ok(())
    }

    fn get(&self) -> Record {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn journal_of(data: &Path) -> Result<Mark, SeatError> {
    let path = data.join("journal.sqlite");
    std::fs::metadata(&path)
        .map(|metadata| Mark::from(&metadata))
        .map_err(|error| SeatError::Read { path, reason: error.to_string() })
}

fn read(path: &Path) -> Result<Option<Record>, SeatError> {
    let failed = |reason| SeatError::Read { path: path.to_owned(), reason };
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn json(record: &Record) -> Vec<u8> {
    // A struct of strings, numbers and times always has JSON.
    serde_json::to_vec_pretty(record).unwrap_or_default()
}

fn store(path: &Path, record: &Record) -> Result<(), SeatError> {
    Ok(durable::replace(path, &json(record))?)
}

/// 128 random bits, in hexadecimal digits.
pub(crate) fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
