//! `local-agent audit` writes the briefing of a [`week`]. `local-agent audit --gate` tries to get an order carried
//! out that the owner never signed, on every path there is, and says who refused it.
//!
//! The programs, the configuration and the list of approvers are the owner's own. What would
//! leave traces happens in a temporary folder: the data directory of every try is a new one with a
//! copy of `approvers` and `vault-id`, and tries through a vault use an empty vault. No key of the
//! owner is read; what is signed is signed with a key made for this run. What is asked for is
//! harmless, should a gate be open: a mail to `example.invalid`, a cent to an example account.

mod agent;
mod fetched;
mod orders;
mod servers;
mod speaker;
mod stage;
pub(crate) mod week;

use daemon::{Failure, OrFailure as _, Setup};
use serde::Serialize;

use self::stage::Stage;
use super::{print, print_json};
use crate::cli::Audit;

/// What became of one try.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// Nothing was done, and somebody said so.
    Refused,
    /// It was done, or nobody said that it was not.
    NotRefused,
    /// It could not be tried.
    NotTried,
}

/// One path, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Try {
    /// What was asked of whom.
    path: String,
    verdict: Verdict,
    /// Who answered.
    by: String,
    /// In which words.
    reason: String,
}

impl Try {
    fn new(
        path: impl Into<String>,
        verdict: Verdict,
        by: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        let reason: String = reason.into();
        let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(240).collect();
        Self { path: path.into(), verdict, by: by.into(), reason }
    }
}

pub(crate) async fn run(setup: &Setup, arguments: &Audit) -> Result<(), Failure> {
    let stage = Stage::build(setup)?;
    let mut tries = Vec::new();
    let local = stage.clone();
    let blocking = move || -> Result<Vec<Try>, Failure> {
        let mut tries = servers::owners(&local)?;
        tries.extend(servers::clouds(&local)?);
        tries.extend(agent::executes(&local)?);
        tries.extend(agent::approves(&local)?);
        Ok(tries)
    };
    tries.extend(tokio::task::spawn_blocking(blocking).await.or_failed("cannot try the gates")??);
    tries.push(fetched::arrives(&stage).await?);
    report(&tries, arguments.json)?;
    let open = tries.iter().filter(|one| one.verdict != Verdict::Refused).count();
    match open {
        0 => Ok(()),
        _ => Err(Failure::failed(format!("{open} of {} tries were not refused", tries.len()))
            .hint("stop sending with local-agent stop; a program that was exchanged or a key that was added is the first suspicion")),
    }
}

fn report(tries: &[Try], json: bool) -> Result<(), Failure> {
    if json {
        let value = serde_json::to_value(tries).or_failed("cannot print the tries")?;
        return print_json(&value);
    }
    let mut text = String::new();
    for one in tries {
        let verdict = match one.verdict {
            Verdict::Refused => "refused    ",
            Verdict::NotRefused => "NOT REFUSED",
            Verdict::NotTried => "NOT TRIED  ",
        };
        text.push_str(&format!("{verdict} {}: {} says: {}\n", one.path, one.by, one.reason));
    }
    let refused = tries.iter().filter(|one| one.verdict == Verdict::Refused).count();
    text.push_str(&format!(
        "{refused} of {} refused; everything was tried in a temporary folder, nothing is left of it\n",
        tries.len()
    ));
    print(&text)
}
