//! What the owner's reviews leave in the data directory, for the executor to read: which approvals
//! were given here, and which payees were introduced. Neither is ever in the vault.

use std::io::{self, Read as _};
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use task::{Digest, Introduction};

use crate::verify::signed_by;
use crate::{Approvers, Refusal};

/// An introduction with its signature is some 600 bytes; whatever is longer is none.
const MAX_BYTES: u64 = 16 * 1024;

/// The records of one data directory.
#[derive(Clone, Debug)]
pub struct Register {
    data: PathBuf,
}

/// An introduction and the owner's signature over it, as the file has them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedIntroduction {
    /// The canonical text.
    pub introduction: String,
    /// Armored SSHSIG in the namespace [`Introduction::NAMESPACE`].
    pub signature: String,
}

/// Whether a payee was introduced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Introduced {
    /// Nobody signed for this account.
    Never,
    /// Something is there that does not count, and why.
    Void(String),
    /// The owner did.
    Yes(Introduction),
}

impl Register {
    /// The records in the data directory `data`.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self { data: data.into() }
    }

    /// Where it is written down that an approval was given here. `None` for an id that no review
    /// gives: it becomes a file's name.
    pub fn approval_file(&self, approval: &str) -> Option<PathBuf> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let fits = (1..=100).contains(&approval.len()) && approval.bytes().all(plain);
        fits.then(|| self.data.join("approvals").join(approval))
    }

    /// Where the introduction of an account is; `None` for what is no IBAN.
    pub fn payee_file(&self, iban: &str) -> Option<PathBuf> {
        let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        let fits = (5..=34).contains(&iban.len()) && iban.bytes().all(plain);
        fits.then(|| self.data.join("payees").join(format!("{iban}.json")))
    }

    /// Whether exactly this order was signed in a review on this machine.
    pub fn has_given(&self, approval: &str, order: &str) -> io::Result<bool> {
        let Some(path) = self.approval_file(approval) else { return Ok(false) };
        let noted = read(&path)?;
        Ok(noted.is_some_and(|noted| noted.trim_end() == Digest::of(order).to_string()))
    }

    /// Whether the owner introduced the account `iban` to the vault `vault`: an approver's
    /// signature over it must verify at `now`.
    pub fn introduced(
        &self,
        iban: &str,
        vault: &str,
        approvers: &Approvers,
        now: DateTime<Utc>,
    ) -> io::Result<Introduced> {
        let Some(path) = self.payee_file(iban) else { return Ok(Introduced::Never) };
        let Some(text) = read(&path)? else { return Ok(Introduced::Never) };
        let signed = serde_json::from_str(&text).map_err(|error| error.to_string());
        let verified =
            signed.and_then(|signed: SignedIntroduction| signed.verify(iban, vault, approvers, now));
        Ok(verified.map_or_else(Introduced::Void, Introduced::Yes))
    }
}

impl SignedIntroduction {
    /// Whether an approver introduced exactly this account to this vault; if not, why, in a fragment.
    pub fn verify(
        &self,
        iban: &str,
        vault: &str,
        approvers: &Approvers,
        now: DateTime<Utc>,
    ) -> Result<Introduction, String> {
        let said = |refusal: Refusal| match refusal {
            Refusal::Changed => "it was changed after it was signed".to_owned(),
            Refusal::Namespace(other) => format!("its signature was made for {other:?}, not for payees"),
            refusal => refusal.to_string(),
        };
        signed_by(&self.introduction, &self.signature, Introduction::NAMESPACE, approvers, now)
            .map_err(said)?;
        let introduction = Introduction::parse(&self.introduction).map_err(|e| e.to_string())?;
        if introduction.iban != iban {
            return Err(format!("it introduces another account ({})", introduction.iban));
        }
        if introduction.vault != vault {
            return Err("it was signed for another vault".into());
        }
        Ok(introduction)
    }
}

/// A small file's text; `None` when there is none.
fn read(path: &std::path::Path) -> io::Result<Option<String>> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(Some(text))
}
