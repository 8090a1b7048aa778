//! Writes down in the data directory what the owner signed, before it has any effect.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use signature::{Register, SignedIntroduction};
use task::Digest;
use vault::durable::{self, DurableError};

use crate::keys::{InitError, make_folder};

/// Notes that exactly this order was signed here.
pub(crate) fn note_approval(register: &Register, approval: &str, order: &str) -> Result<(), InitError> {
    let path = prepared(register.approval_file(approval), approval)?;
    fault::reach("approve.note").map_err(|errno| failed("write", &path, errno.into()))?;
    durable::write_new(&path, format!("{}\n", Digest::of(order)).as_bytes())
        .map_err(|source| InitError::Write { path, source })
}

/// Keeps an introduction; false when there is one already and `replaces` does not give it up.
pub(crate) fn note_payee(
    register: &Register,
    iban: &str,
    signed: &SignedIntroduction,
    replaces: bool,
) -> Result<bool, InitError> {
    let path = prepared(register.payee_file(iban), iban)?;
    let bytes = serde_json::to_vec(signed).map_err(|error| failed("write", &path, error.into()))?;
    fault::reach("approve.introduce").map_err(|errno| failed("write", &path, errno.into()))?;
    let written = if replaces { durable::replace(&path, &bytes) } else { durable::write_new(&path, &bytes) };
    match written {
        Ok(()) => Ok(true),
        Err(DurableError::Exists(_)) => Ok(false),
        Err(source) => Err(InitError::Write { path, source }),
    }
}

/// The file's path, with its folder made.
fn prepared(path: Option<PathBuf>, name: &str) -> Result<PathBuf, InitError> {
    let path = path.ok_or_else(|| failed("name a file", Path::new(name), ErrorKind::InvalidInput.into()))?;
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    Ok(path)
}

fn failed(action: &'static str, path: &Path, source: Error) -> InitError {
    InitError::File { action, path: path.to_owned(), source }
}
