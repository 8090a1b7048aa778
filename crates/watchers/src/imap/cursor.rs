//! Which mails of a folder have been looked at.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::session::Opened;

/// How far a folder has been read. UIDs mean something under one UIDVALIDITY only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    uid_validity: u32,
    /// Every mail from this UID on is new.
    next_uid: u32,
    /// Mails below it that still wait, in ascending order.
    #[serde(default)]
    backlog: Vec<u32>,
}

/// How a look at the folder starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Nobody has looked yet.
    First,
    /// The server has renumbered its mails.
    Renumbered,
    /// From where the last look ended.
    Onwards(Cursor),
}

impl Cursor {
    /// What a stored cursor says about the folder as it is now.
    pub(super) fn start(stored: &Value, opened: Opened) -> Start {
        match serde_json::from_value::<Cursor>(stored.clone()) {
            Err(_) => Start::First,
            Ok(cursor) if cursor.uid_validity != opened.uid_validity => Start::Renumbered,
            Ok(cursor) => Start::Onwards(cursor),
        }
    }

    /// A cursor after `found` has been listed: the last `most` of it wait, the rest is left out.
    pub(super) fn listing(opened: Opened, next_uid: u32, found: Vec<u32>, most: usize) -> (Self, usize) {
        let mut backlog: Vec<u32> = found.into_iter().filter(|uid| *uid < next_uid).collect();
        let left_out = backlog.len().saturating_sub(most);
        backlog.drain(..left_out);
        (Self { uid_validity: opened.uid_validity, next_uid, backlog }, left_out)
    }

    /// The UID from which on everything is new.
    pub(super) fn next_uid(&self) -> u32 {
        self.next_uid
    }

    /// What waits: the backlog, then `fresh` from `next_uid` on, in ascending order.
    pub(super) fn queue(&self, fresh: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let fresh = fresh.into_iter().filter(|uid| *uid >= self.next_uid);
        self.backlog.iter().copied().chain(fresh).collect()
    }

    /// The cursor after the mails up to and including `uid` have been looked at.
    pub(super) fn past(mut self, uid: u32) -> Self {
        if uid >= self.next_uid {
            self.backlog.clear();
            self.next_uid = uid.saturating_add(1);
        } else {
            self.backlog.retain(|waiting| *waiting > uid);
        }
        self
    }

    /// The cursor when nothing waits below `uid_next`.
    pub(super) fn caught_up(mut self, uid_next: Option<u32>) -> Self {
        self.backlog.clear();
        self.next_uid = self.next_uid.max(uid_next.unwrap_or_default());
        self
    }

    pub(super) fn to_value(&self) -> Value {
        // Three numbers always encode; should that ever change, the next look starts afresh.
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENED: Opened = Opened { uid_validity: 7, uid_next: Some(50) };

    #[test]
    fn the_backlog_is_worked_off_before_what_is_new() {
        let (cursor, left_out) = Cursor::listing(OPENED, 50, vec![3, 5, 9, 12], 3);
        assert_eq!((cursor.queue([50, 51]), left_out), (vec![5, 9, 12, 50, 51], 1));
        let cursor = cursor.past(9);
        assert_eq!(cursor.queue([49, 50, 51]), [12, 50, 51]);
        let cursor = cursor.past(12).past(50);
        assert_eq!((cursor.queue([50, 51]), cursor.next_uid()), (vec![51], 51));
        assert_eq!(Cursor::start(&cursor.to_value(), OPENED), Start::Onwards(cursor));
    }

    #[test]
    fn what_is_stored_counts_only_under_its_uid_validity() {
        let (cursor, _) = Cursor::listing(OPENED, 50, vec![], 3);
        let renumbered = Opened { uid_validity: 8, ..OPENED };
        assert_eq!(Cursor::start(&cursor.to_value(), renumbered), Start::Renumbered);
        assert_eq!(Cursor::start(&Value::Null, OPENED), Start::First);
        assert_eq!(Cursor::start(&serde_json::json!({"x": 1}), OPENED), Start::First);
    }
}
