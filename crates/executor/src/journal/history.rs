//! What has left before, and the step from ACCEPTED to DISPATCHING that depends on it: both in one
//! transaction of the database, so that no two calls, of whatever server and process, slip under one limit
//! together.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use chrono::{DateTime, Utc};
use config::Limits;
use policy::{Class, Effect, History, Ruling, govern, recipients};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use task::{Call, Order};

use super::{Journal, stamp};
use crate::JournalError;

/// What came of asking to dispatch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Dispatch {
    /// It is DISPATCHING: the call may be made, by the one who asked.
    Now,
    /// Somebody else did, or ended it.
    NotAccepted,
    /// It is ACCEPTED still: too much has left.
    Over(Ruling),
}

/// What had an effect, may have had one, or is having one. Rehearsals never were dispatched.
const EFFECTIVE: &str = "state IN ('dispatching', 'done', 'unknown')";

impl Journal {
    /// Writes down that the call is about to be made, if the limits leave room for it.
    pub(crate) fn dispatch(
        &self,
        order: &Order,
        limits: &Limits,
        now: DateTime<Utc>,
    ) -> Result<Dispatch, JournalError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        // Immediate: nobody else writes between the look at the history and what is added to it.
        super::reach("journal.dispatch").map_err(|source| self.used(source))?;
        let transaction = Transaction::new_unchecked(&connection, TransactionBehavior::Immediate)
            .map_err(|source| self.used(source))?;
        let history = self.history(&transaction, &order.action.call, now)?;
        match govern(limits, &history, &order.action.call, now) {
            Ruling::Allowed => {}
            over => return Ok(Dispatch::Over(over)),
        }
        let changed = transaction
            .execute(
                "UPDATE approvals SET state = 'dispatching', dispatched = ?2
                 WHERE approval = ?1 AND state = 'accepted'",
                params![order.approval, stamp(now)],
            )
            .and_then(|changed| transaction.commit().map(|()| changed))
            .map_err(|source| self.used(source))?;
        Ok(if changed == 1 { Dispatch::Now } else { Dispatch::NotAccepted })
    }

    /// Leaves an accepted order alone until then; no attempt was made.
    pub(crate) fn hold(
        &self,
        approval: &str,
        until: DateTime<Utc>,
        message: &str,
    ) -> Result<bool, JournalError> {
        self.change(
            "journal.hold",
            "UPDATE approvals SET not_before = ?2, message = ?3 WHERE approval = ?1 AND state = 'accepted'",
            params![approval, stamp(until), message],
        )
    }

    /// What the governor wants to know before `call`. What cannot be read is an error: nothing
    /// leaves on a history with gaps.
    fn history(
        &self,
        connection: &Connection,
        call: &Call,
        now: DateTime<Utc>,
    ) -> Result<History, JournalError> {
        let before = stamp(now - policy::DAY);
        let rows: Vec<(String, String, Option<String>)> = connection
            .prepare_cached(&format!(
                "SELECT approval, order_text, dispatched FROM approvals
                 WHERE {EFFECTIVE} AND (dispatched > ?1 OR (dispatched IS NULL AND state <> 'done'))"
            ))
            .and_then(|mut query| {
                query.query_map([&before], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
            })
            .map_err(|source| self.used(source))?;
        let mut history = History::default();
        for (approval, text, dispatched) in rows {
            let order = Order::parse(&text).map_err(|error| self.broken(&approval, &error.to_string()))?;
            let at = dispatched
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| self.broken(&approval, "the time of its call"))?;
            history.effects.push(Effect { call: order.action.call, at });
        }
        let mut asked = recipients(call);
        if !asked.is_empty() {
            asked.extend(history.effects.iter().flat_map(|effect| recipients(&effect.call)));
            history.known = self.known(connection, asked, &before)?;
        }
        Ok(history)
    }

    /// Those of `asked` to whom something was sent until `before`.
    fn known(
        &self,
        connection: &Connection,
        asked: BTreeSet<String>,
        before: &str,
    ) -> Result<BTreeSet<String>, JournalError> {
        let query = format!(
            "SELECT 1 FROM recipients JOIN approvals USING (approval)
             WHERE recipient = ?1 AND {EFFECTIVE} AND dispatched <= ?2 LIMIT 1"
        );
        let mut known = BTreeSet::new();
        for recipient in asked {
            let found = connection
                .prepare_cached(&query)
                .and_then(|mut query| query.query_row([recipient.as_str(), before], |_| Ok(())).optional())
                .map_err(|source| self.used(source))?;
            if found.is_some() {
                known.insert(recipient);
            }
        }
        Ok(known)
    }

    fn used(&self, source: rusqlite::Error) -> JournalError {
        JournalError::Use { path: self.path.to_path_buf(), source }
    }
}

/// Keeps to whom an order writes, to be found again without reading every order there ever was.
pub(super) fn keep_recipients(connection: &Connection, order: &Order) -> rusqlite::Result<()> {
    let call = &order.action.call;
    if policy::class(call.server(), call.tool()) != Class::Dangerous {
        return Ok(());
    }
    let mut insert = connection
        .prepare_cached("INSERT OR IGNORE INTO recipients (recipient, approval) VALUES (?1, ?2)")?;
    recipients(call).iter().try_for_each(|to| insert.execute([to, &order.approval]).map(drop))
}

/// Brings a journal of an earlier version up to date.
pub(super) fn upgrade(connection: &Connection, version: i64) -> rusqlite::Result<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    // Another process may have done it meanwhile.
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found < version {
        let texts: Vec<String> = transaction
            .prepare("SELECT order_text FROM approvals")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        // Recipients of what does not decode count as never written to, which is the stricter way.
        for order in texts.iter().filter_map(|text| Order::parse(text).ok()) {
            keep_recipients(&transaction, &order)?;
        }
        transaction.pragma_update(None, "user_version", version)?;
    }
    transaction.commit()
}
