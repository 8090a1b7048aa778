//! Who may sign: a file in OpenSSH's allowed_signers format (`ssh-keygen(1)`).

use std::io::Read as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, Utc};
use ssh_key::public::KeyData;
use ssh_key::{HashAlg, PublicKey};

use crate::Refusal;
use crate::pattern::list_matches;

/// A list of approvers is a few lines; whatever is longer is not one.
const MAX_BYTES: u64 = 64 * 1024;

/// The keys that may sign orders, each with the names and limits that its line gives it.
#[derive(Clone, Debug)]
pub struct Approvers(Vec<Approver>);

#[derive(Clone, Debug)]
struct Approver {
    principals: String,
    namespaces: Option<String>,
    valid_after: Option<DateTime<Utc>>,
    valid_before: Option<DateTime<Utc>>,
    key: KeyData,
}

/// Why an approvers file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ApproversError {
    /// It cannot be read.
    #[error("failed to read the approvers file {path}", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not in the format.
    #[error("approvers file {path} cannot be used", path = path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: LineError,
    },
}

/// What is wrong with a text of approvers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A line that says nothing that can be relied on.
    #[error("line {line}: {reason}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// No key at all.
    #[error("it names no key; add a line such as: owner namespaces=\"ai-employee-order\" ssh-ed25519 AAAA…")]
    Empty,
}

impl Approvers {
    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ApproversError> {
        let unreadable = |source| ApproversError::Read { path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut text = String::new();
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
        // A part of the list could lack the very line that limits a key.
        if u64::try_from(text.len()).is_ok_and(|length| length > MAX_BYTES) {
            return Err(unreadable(std::io::ErrorKind::FileTooLarge.into()));
        }
        Self::parse(&text).map_err(|source| ApproversError::Invalid { path: path.to_owned(), source })
    }

    /// Reads lines of `principals [options] keytype base64 [comment]`; empty lines and lines that
    /// start with `#` are skipped. Of the options, `namespaces`, `valid-after` and `valid-before`
    /// are known; a line with another option is refused, because ignoring a limit widens it.
    pub fn parse(text: &str) -> Result<Self, LineError> {
        let mut keys = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                keys.push(Approver::parse(line).map_err(|reason| LineError::Line { line: at + 1, reason })?);
            }
        }
        if keys.is_empty() { Err(LineError::Empty) } else { Ok(Self(keys)) }
    }

    /// Whether any line has the key with this fingerprint (`SHA256:…`), whatever its limits.
    pub fn lists(&self, fingerprint: &str) -> bool {
        self.0.iter().any(|approver| approver.key.fingerprint(HashAlg::Sha256).to_string() == fingerprint)
    }

    /// The principals of the line that allows `key` to sign for `namespace` at `now`.
    pub(crate) fn admit(&self, key: &KeyData, namespace: &str, now: DateTime<Utc>) -> Result<&str, Refusal> {
        let fingerprint = || key.fingerprint(HashAlg::Sha256).to_string();
        let mut refusal = Refusal::UnknownKey { fingerprint: fingerprint() };
        for approver in self.0.iter().filter(|approver| approver.key == *key) {
            let fingerprint = fingerprint();
            if approver.namespaces.as_deref().is_some_and(|list| !list_matches(list, namespace)) {
                refusal = Refusal::KeyNotForOrders { fingerprint };
            } else if let Some(from) = approver.valid_after.filter(|from| now < *from) {
                refusal = Refusal::KeyNotYetValid { fingerprint, from };
            } else if let Some(until) = approver.valid_before.filter(|until| now >= *until) {
                refusal = Refusal::KeyExpired { fingerprint, until };
            } else {
                return Ok(&approver.principals);
            }
        }
        Err(refusal)
    }
}

impl Approver {
    fn parse(line: &str) -> Result<Self, String> {
        let (principals, rest) = field(line)?;
        let (second, after) = field(rest)?;
        let (options, key) = if is_key_type(&second) { (String::new(), rest) } else { (second, after) };
        let key = PublicKey::from_openssh(key.trim())
            .map_err(|error| format!("{error}; expected: principals [options] ssh-ed25519 AAAA…"))?;
        let key = key.key_data().clone();
        if !matches!(key, KeyData::Ed25519(_) | KeyData::SkEd25519(_)) {
            return Err(format!("{} keys are not supported; use ssh-ed25519", key.algorithm()));
        }
        let mut approver = Self {
            principals: principals.trim_matches('"').to_owned(),
            namespaces: None,
            valid_after: None,
            valid_before: None,
            key,
        };
        for (name, value) in split_options(&options)? {
            match name.to_ascii_lowercase().as_str() {
                "namespaces" => approver.namespaces = Some(value),
                "valid-after" => approver.valid_after = Some(time(&value)?),
                "valid-before" => approver.valid_before = Some(time(&value)?),
                other => {
                    return Err(format!(
                        "option {other:?} is not supported; use namespaces, valid-after, valid-before"
                    ));
                }
            }
        }
        Ok(approver)
    }
}

fn is_key_type(text: &str) -> bool {
    ["ssh-", "sk-", "ecdsa-"].iter().any(|prefix| text.starts_with(prefix))
}

/// The text up to the next white space outside of quotes, and what follows.
fn field(text: &str) -> Result<(String, &str), String> {
    let text = text.trim_start();
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => return Ok((text[..at].to_owned(), &text[at..])),
            _ => {}
        }
    }
    if quoted { Err("a quote is not closed".into()) } else { Ok((text.to_owned(), "")) }
}

/// `a="x,y",b="z"` as name and value; a value stands in quotes.
fn split_options(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut options = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some((name, value)) = rest.split_once("=\"") else {
            let word = rest.split(',').next().unwrap_or(rest);
            return Err(format!("option {word:?} is not supported here"));
        };
        let (value, after) = value.split_once('"').ok_or("a quote is not closed")?;
        options.push((name.to_owned(), value.to_owned()));
        rest = match after.strip_prefix(',') {
            Some(more) if !more.is_empty() => more,
            None if after.is_empty() => "",
            _ => return Err(format!("{after:?} follows an option; separate options by one comma")),
        };
    }
    Ok(options)
}

/// `YYYYMMDDZ`, `YYYYMMDDHHMMZ` or `YYYYMMDDHHMMSSZ`. Without the `Z` the format means the time
/// zone of whoever reads it; a limit that differs between machines is refused.
fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let bad = || format!("{text:?} is no time in UTC such as 20261231Z or 202612312359Z");
    let digits = text.strip_suffix('Z').ok_or_else(bad)?;
    let padded = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        14 => digits.to_owned(),
        _ => return Err(bad()),
    };
    NaiveDateTime::parse_from_str(&padded, "%Y%m%d%H%M%S").map(|t| t.and_utc()).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti owner@laptop";

    fn data() -> KeyData {
        PublicKey::from_openssh(KEY).expect("key").key_data().clone()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("time")
    }

    #[test]
    fn a_lines_limits_are_kept() {
        let check = |options: &str, now: &str, expected: &str| {
            let approvers =
                Approvers::parse(&format!("# who\n\nowner,o@x {options} {KEY}\n")).expect(options);
            let admitted = approvers.admit(&data(), "ai-employee-order", at(now));
            let said = admitted.map_or_else(|refusal| refusal.to_string(), str::to_owned);
            assert!(said.contains(expected), "{options}: {said}");
        };
        let now = "2026-06-01T00:00:00Z";
        check("", now, "owner,o@x");
        check("namespaces=\"ai-employee-order\"", now, "owner,o@x");
        check("namespaces=\"file,git\"", now, "not for orders");
        check("valid-after=\"20260601Z\",valid-before=\"20260602Z\"", now, "owner,o@x");
        check("valid-after=\"202606010001Z\"", now, "not valid before");
        check("valid-before=\"20260601Z\"", now, "not valid since");
        check("namespaces=\"ai-*\",valid-before=\"20260531235959Z\"", now, "not valid since");
    }

    #[test]
    fn several_keys_and_several_lines_for_one_key() {
        let text = format!("old valid-before=\"20200101Z\" {KEY}\nowner {KEY}\n");
        let approvers = Approvers::parse(&text).expect("approvers");
        assert_eq!(approvers.admit(&data(), "x", at("2026-06-01T00:00:00Z")), Ok("owner"));
    }

    #[test]
    fn what_cannot_be_relied_on_is_refused_with_its_line() {
        let check = |text: &str, expected: &str| {
            let error = Approvers::parse(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("", "names no key");
        check("# nobody\n", "names no key");
        check("owner", "line 1");
        check(&format!("\nowner cert-authority {KEY}"), "line 2: option \"cert-authority\"");
        check(&format!("owner no-touch-required=\"x\" {KEY}"), "not supported");
        check(&format!("owner valid-after=\"20260601\" {KEY}"), "no time in UTC");
        check(&format!("owner valid-after=\"20261301Z\" {KEY}"), "no time in UTC");
        check(&format!("owner namespaces=\"a {KEY}"), "quote");
        check(&format!("owner namespaces=\"a\"valid-after=\"20260601Z\" {KEY}"), "comma");
        check("owner ssh-ed25519 AAAA", "line 1");
    }

    #[test]
    fn a_file_that_is_missing_or_too_long_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let error = Approvers::load(&folder.path().join("approvers")).expect_err("missing");
        assert!(error.to_string().contains("approvers"), "{error}");
        let long = folder.path().join("long");
        std::fs::write(&long, format!("owner {KEY}\n").repeat(1000)).expect("write");
        assert!(matches!(Approvers::load(&long), Err(ApproversError::Read { .. })));
    }
}
