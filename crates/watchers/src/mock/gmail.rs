//! Sample mails: real messages, parsed like any other.

use chrono::{DateTime, Utc};
use task::Task;

use super::{OWNER, minutes};
use crate::{Arrival, parse_mail};

/// Message source and minute of arrival.
const MAILS: [(&[u8], i64); 5] = [
    (include_bytes!("mail/invoice_question.eml"), 0),
    (include_bytes!("mail/newsletter.eml"), 7),
    (include_bytes!("mail/autoresponder.eml"), 12),
    (include_bytes!("mail/meeting_request.eml"), 65),
    (include_bytes!("mail/html_only.eml"), 131),
];

pub(super) fn events(now: DateTime<Utc>) -> Vec<Task> {
    let parse = |(bytes, at): &(&[u8], i64)| {
        let arrival = Arrival { account: OWNER, authserv_id: None, received: Some(minutes(*at)), now };
        parse_mail(bytes, &arrival)
    };
    MAILS.iter().map(parse).collect()
}
