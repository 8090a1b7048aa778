//! Reading mails: bytes to summary and to text.

use chrono::{DateTime, Utc};
use mail_parser::{Address, HeaderValue, Message, MessageParser, MimeHeaders as _};
use serde_json::{Value, json};
use task::Digest;

use super::Summary;

/// The longest text that `read_email` answers with, in characters.
const MAX_TEXT: usize = 60_000;

/// Reads header fields, or a whole mail.
pub(super) fn summary(id: u32, bytes: &[u8], size: u64) -> Summary {
    let message = MessageParser::new().parse_headers(bytes);
    let message = message.as_ref();
    Summary {
        id,
        from: message
            .and_then(Message::from)
            .and_then(|a| mailboxes(a).into_iter().next())
            .unwrap_or_default(),
        to: message.and_then(Message::to).map(mailboxes).unwrap_or_default(),
        subject: message.and_then(Message::subject).unwrap_or_default().to_owned(),
        date: message.and_then(Message::date).and_then(|d| time(d.to_timestamp())),
        message_id: message.and_then(Message::message_id).map(|id| format!("<{id}>")),
        size,
    }
}

/// The whole mail for reading; `cut` says that `bytes` are only its beginning.
pub(super) fn read(id: u32, folder: &str, bytes: &[u8], size: u64) -> Value {
    let cut = (bytes.len() as u64) < size;
    let head = summary(id, bytes, size);
    let mut content = json!({
        "id": id, "folder": folder, "from": head.from, "to": head.to, "subject": head.subject,
        "date": head.date, "message_id": head.message_id, "size": size,
    });
    let Some(message) = MessageParser::new().parse(bytes) else {
        content["text"] = "".into();
        content["truncated"] = true.into();
        return content;
    };
    let ids = |value: &HeaderValue| match value {
        HeaderValue::Text(text) => vec![format!("<{text}>")],
        HeaderValue::TextList(list) => list.iter().map(|text| format!("<{text}>")).collect(),
        _ => Vec::new(),
    };
    let text: String =
        (0..message.text_body_count()).filter_map(|at| message.body_text(at)).collect::<Vec<_>>().join("\n");
    let shown: String = text.chars().take(MAX_TEXT).collect();
    content["truncated"] = (cut || shown.len() < text.len()).into();
    content["text"] = shown.into();
    content["in_reply_to"] = ids(message.in_reply_to()).into();
    content["references"] = ids(message.references()).into();
    content["cc"] = message.cc().map(mailboxes).unwrap_or_default().into();
    content["attachments"] = message
        .attachments()
        .map(|part| {
            json!({
                "name": part.attachment_name().unwrap_or("unnamed"),
                "size": part.contents().len(),
                "sha256": Digest::of(part.contents()),
            })
        })
        .collect();
    content
}

fn mailboxes(address: &Address) -> Vec<String> {
    address
        .iter()
        .filter_map(|a| {
            let address = a.address()?;
            Some(match a.name() {
                Some(name) => format!("{name} <{address}>"),
                None => address.to_owned(),
            })
        })
        .collect()
}

fn time(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_with_encoded_words_and_an_attachment_is_read() {
        let mail = "From: =?utf-8?Q?J=C3=B6rg?= <joerg@example.com>\r\nTo: owner@example.com\r\n\
            Subject: =?utf-8?B?UmVjaG51bmcg4oKs?=\r\nMessage-ID: <m1@example.com>\r\n\
            In-Reply-To: <m0@example.com>\r\nReferences: <a@x> <m0@example.com>\r\n\
            Date: Mon, 23 Feb 2026 03:15:00 +0000\r\nMIME-Version: 1.0\r\n\
            Content-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hallo <b>Welt</b></p>\r\n\
            --b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--b--\r\n";
        let size = mail.len() as u64;
        let content = read(7, "inbox", mail.as_bytes(), size);
        assert_eq!(content["from"], "Jörg <joerg@example.com>");
        assert_eq!(content["subject"], "Rechnung €");
        assert_eq!(content["message_id"], "<m1@example.com>");
        assert_eq!(content["references"], json!(["<a@x>", "<m0@example.com>"]));
        assert_eq!(content["in_reply_to"], json!(["<m0@example.com>"]));
        assert!(content["text"].as_str().is_some_and(|t| t.contains("Hallo") && !t.contains("<b>")));
        assert_eq!(content["attachments"][0]["name"], "a.pdf");
        assert_eq!(content["attachments"][0]["sha256"], Digest::of("%PDF").to_string());
        assert_eq!(content["truncated"], false);
        assert_eq!(read(7, "inbox", mail.as_bytes(), size + 1)["truncated"], true);
    }

    #[test]
    fn bytes_that_are_no_mail_are_answered_too() {
        for bytes in [&b""[..], b"\xff\xfe\x00", b"no header at all"] {
            let content = read(1, "inbox", bytes, bytes.len() as u64);
            assert_eq!(content["from"], "", "{bytes:?}");
        }
    }
}
