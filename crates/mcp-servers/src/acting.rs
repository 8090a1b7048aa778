//! The only way to a DANGEROUS tool: an owner's order, verified, used once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use policy::Recovery;
use serde_json::{Map, Value};
use signature::{Approvers, Expect, Permit};
use task::{AgentId, Clock, Digest, Mode, Order, Server};

use crate::backend::Backend;
use crate::ledger::{Ledger, LedgerError, Record, State};
use crate::outcome::{Answer, Effect, Failure};
use crate::setup::Setup;
use crate::store::blocking;

/// How long tidying up after an effect may keep the answer waiting.
const TIDY: Duration = Duration::from_secs(15);

/// A caller's wish to use a DANGEROUS tool.
pub(crate) struct Wish {
    pub(crate) tool: String,
    pub(crate) arguments: Value,
    pub(crate) order: String,
    pub(crate) signature: String,
    /// The idempotency key, where the caller gave one; it must be the order's.
    pub(crate) key: Option<String>,
    /// The account, where the caller named one; it must be the order's.
    pub(crate) account: Option<String>,
}

impl Wish {
    /// Reads the request's `_meta`.
    pub(crate) fn read(tool: &str, arguments: Value, meta: &Map<String, Value>) -> Result<Self, Failure> {
        let text = |key: &str| meta.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(order), Some(signature)) = (text(Order::META_TEXT), text(Order::META_SIGNATURE)) else {
            return Err(Failure::none(format!(
                "{tool} needs the owner's signed order; _meta carries it in {:?} and {:?}",
                Order::META_TEXT,
                Order::META_SIGNATURE
            )));
        };
        Ok(Self {
            tool: tool.to_owned(),
            arguments,
            order,
            signature,
            key: text(Order::META_KEY),
            account: text(crate::META_ACCOUNT),
        })
    }
}

/// Verifies orders and sees them through.
pub(crate) struct Acting {
    server: Server,
    data: PathBuf,
    agent: AgentId,
    clock: Arc<dyn Clock>,
    ledger: Ledger,
    backend: Arc<dyn Backend>,
}

/// What a verified wish leads to.
enum Way {
    /// Nobody used the approval yet: act.
    First(Permit, Digest),
    /// It was used, and may be used again because the tool knows its key; or only asked about, when
    /// the order has expired meanwhile or the other side may have forgotten the key.
    Again { permit: Permit, late: bool, record: Record },
    /// It was used.
    Used(Record),
}

impl Acting {
    pub(crate) fn new(server: Server, setup: &Setup, backend: Arc<dyn Backend>) -> Self {
        Self {
            server,
            data: setup.data.clone(),
            agent: setup.agent.clone(),
            clock: setup.clock.clone(),
            ledger: Ledger::new(&setup.data, server),
            backend,
        }
    }

    /// Carries out a wish, or says why not. Once it has begun it must run to its end, whether or
    /// not anybody still waits for it.
    pub(crate) async fn carry_out(self: Arc<Self>, wish: Wish) -> Result<Answer, Failure> {
        let acting = self.clone();
        let now = self.clock.now();
        let way = blocking(move || acting.way(&wish, now)).await?;
        match way {
            Way::First(permit, digest) => {
                let (acting, approval) = (self.clone(), permit.order().approval.clone());
                let tool = permit.order().action.call.tool();
                let begun =
                    blocking(move || acting.ledger.begin(&approval, tool, digest, now).map_err(unrecorded))
                        .await?;
                if !begun {
                    // Another process came between the look and the mark.
                    return Err(Failure::unknown("this approval is being carried out by another process"));
                }
                self.act(permit).await
            }
            Way::Again { permit, late, record } => match self.backend.settled(permit.order()).await {
                Ok(Some(answer)) => {
                    let approval = permit.order().approval.clone();
                    self.clone().end(approval, State::Done(answer.clone())).await;
                    Ok(answer.done())
                }
                Ok(None) if !late => self.act(permit).await,
                Ok(None) => Err(asked(
                    &record,
                    "the other side was asked and does not know of it, which proves nothing",
                )),
                Err(failure) => Err(asked(&record, &failure.message)),
            },
            Way::Used(record) => match (&record.state, self.keyed_by(&record)) {
                (State::Done(answer), true) => Ok(answer.clone().done()),
                _ => Err(used(&record)),
            },
        }
    }

    /// Whether the recorded tool answers the same key with the same result.
    fn keyed_by(&self, record: &Record) -> bool {
        policy::recovery(self.server, &record.tool) == Recovery::Repeat
    }

    /// Verifies the wish and looks its approval up.
    fn way(&self, wish: &Wish, now: DateTime<Utc>) -> Result<Way, Failure> {
        // Looked up before anything is refused: a refusal says "no effect", and that must not be
        // said of an approval that was used before.
        let claimed = Order::parse(&wish.order).map_err(|e| Failure::none(explain(&e)))?;
        let record = self.ledger.find(&claimed.approval).map_err(unrecorded)?;
        let used_before = record.clone().filter(|record| record.state != State::None);
        self.verify(wish, now, record).map_err(|reason| match used_before {
            None => Failure::none(reason),
            Some(record) => Failure::unknown(format!("{reason}; {}", used(&record).message)),
        })
    }

    fn verify(&self, wish: &Wish, now: DateTime<Utc>, record: Option<Record>) -> Result<Way, String> {
        let approvers = Approvers::load(&self.data.join("approvers")).map_err(|e| explain(&e))?;
        let path = self.data.join("vault-id");
        let vault = std::fs::read_to_string(&path).map_err(|error| {
            format!("failed to read {}: {error}; local-agent init writes it", path.display())
        })?;
        let verified = signature::verify(&wish.order, &wish.signature, &approvers, now)
            .map_err(|refusal| refusal.to_string())?;
        // An approval that was used is held against the moment of its use: whether it had its
        // effect does not change when it expires.
        let digest = Digest::of(&wish.order);
        if record.as_ref().is_some_and(|record| record.digest != digest) {
            return Err("another order with the same approval id was used".into());
        }
        let used = record.filter(|record| record.state != State::None);
        let moment = used.as_ref().map_or(now, |record| record.started);
        let expect = Expect { vault: vault.trim(), executor: &self.agent, mode: Mode::Live, now: moment };
        let late = now >= verified.order().expires || now >= moment + self.backend.keys_last();
        let permit = verified.permit(&expect).map_err(|refusal| refusal.to_string())?;
        let order = permit.order();
        let account = wish.account.as_deref().unwrap_or(&order.action.account);
        permit
            .matches_call(self.server, &wish.tool, account, &wish.arguments)
            .map_err(|refusal| refusal.to_string())?;
        if wish.key.as_ref().is_some_and(|key| *key != order.approval) {
            return Err("the idempotency key is not the order's approval id".into());
        }
        if !plain(&order.approval) {
            return Err("the approval id has other characters than letters, digits, '-', '_' and '.'".into());
        }
        let Some(record) = used else { return Ok(Way::First(permit, digest)) };
        match record.state {
            State::Started | State::Unknown(_) if self.keyed_by(&record) => {
                Ok(Way::Again { permit, late, record })
            }
            _ => Ok(Way::Used(record)),
        }
    }

    /// The effect, its record, and the tidying up.
    async fn act(self: &Arc<Self>, permit: Permit) -> Result<Answer, Failure> {
        let approval = permit.order().approval.clone();
        tracing::info!(server = %self.server, task = %permit.order().id, %approval, "acting on an order");
        let (state, outcome) = match self.backend.act(permit).await {
            Ok(done) => (State::Done(done.answer.clone()), Ok(done)),
            Err(failure) if failure.effect != Effect::Unknown => (State::None, Err(failure)),
            Err(failure) => (State::Unknown(failure.message.clone()), Err(failure)),
        };
        let mut warnings = self.clone().end(approval, state).await;
        let done = outcome?;
        if let Some(tidy) = done.tidy {
            warnings.extend(tokio::time::timeout(TIDY, tidy).await.unwrap_or_else(|_| {
                vec![format!("filing the sent mail was given up after {} s", TIDY.as_secs())]
            }));
        }
        let mut answer = done.answer;
        answer.warn(warnings);
        Ok(answer.done())
    }

    /// Records the end. That it cannot be recorded is a warning: the approval stays marked as
    /// started, which is never taken for permission to act again.
    async fn end(self: Arc<Self>, approval: String, state: State) -> Vec<String> {
        let now = self.clock.now();
        let ended = blocking(move || self.ledger.end(&approval, &state, now).map_err(unrecorded)).await;
        match ended {
            Ok(()) => Vec::new(),
            Err(failure) => {
                tracing::error!(error = %failure, "the outcome of an order is not on record");
                vec![format!("the outcome is not on record: {failure}")]
            }
        }
    }
}

/// Letters, digits and a little more: the approval id becomes part of a Message-ID.
fn plain(approval: &str) -> bool {
    (1..=100).contains(&approval.len())
        && approval.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// What is said of an approval that was used before; never that nothing happened.
fn used(record: &Record) -> Failure {
    let what = match &record.state {
        State::Started => "its outcome is not on record".to_owned(),
        State::Done(answer) => format!("it had its effect: {}", answer.text),
        State::Unknown(message) => format!("its outcome is unknown: {message}"),
        State::None => "it had no effect".to_owned(),
    };
    Failure::unknown(format!("this approval was used at {} and is not used again; {what}", record.started))
}

/// The same, after the other side was asked.
fn asked(record: &Record, said: &str) -> Failure {
    Failure::unknown(format!("{}; {said}", used(record).message))
}

fn unrecorded(error: LedgerError) -> Failure {
    Failure::none(explain(&error))
}

/// An error with its causes, in one line.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
