//! Writing mails: a signed message to MIME bytes and envelope.

use std::path::Path;

use chrono::{DateTime, Utc};
use lettre::address::Envelope;
use lettre::message::header::ContentType;
use lettre::message::{Attachment as Part, Mailbox, MessageBuilder, MultiPart, SinglePart};
use lettre::{Address, Message};
use task::{Attachment, Digest, EmailMessage};

use crate::outcome::Failure;

/// The most bytes that a mail's attachments may have together; common servers take 25 MB.
const MAX_ATTACHED: u64 = 20 << 20;

/// A mail ready to go.
pub(super) struct Composed {
    pub(super) envelope: Envelope,
    /// What is sent: without Bcc.
    pub(super) bytes: Vec<u8>,
    /// What is filed in Sent: with Bcc.
    pub(super) kept: Vec<u8>,
}

/// Writes `mail` as coming from `sender` with `message_id`. Attachments' bytes are taken from
/// `<data>/attachments/<hex digest>`.
pub(super) fn compose(
    sender: &str,
    mail: &EmailMessage,
    message_id: &str,
    now: DateTime<Utc>,
    data: &Path,
) -> Result<Composed, Failure> {
    let attachments = mail.attachments.iter().map(|a| attachment(a, data)).collect::<Result<Vec<_>, _>>()?;
    if mail.attachments.iter().map(|a| a.size).sum::<u64>() > MAX_ATTACHED {
        return Err(Failure::none(format!("attachments are larger than {MAX_ATTACHED} bytes together")));
    }
    let build = |keep_bcc: bool| {
        let mut builder = head(sender, mail, message_id, now)?;
        if keep_bcc {
            builder = builder.keep_bcc();
        }
        let text = SinglePart::plain(mail.body.clone());
        let message = if attachments.is_empty() {
            builder.singlepart(text)
        } else {
            builder.multipart(
                attachments
                    .iter()
                    .fold(MultiPart::mixed().singlepart(text), |all, a| all.singlepart(a.clone())),
            )
        };
        message.map_err(|error| Failure::none(format!("the mail cannot be written: {error}")))
    };
    let sent = build(false)?;
    Ok(Composed {
        envelope: sent.envelope().clone(),
        bytes: sent.formatted(),
        kept: build(true)?.formatted(),
    })
}

fn head(
    sender: &str,
    mail: &EmailMessage,
    message_id: &str,
    now: DateTime<Utc>,
) -> Result<MessageBuilder, Failure> {
    let mut builder = Message::builder()
        .from(mailbox(sender)?)
        .subject(mail.subject.clone())
        .date(now.into())
        .message_id(Some(message_id.to_owned()));
    for to in &mail.to {
        builder = builder.to(mailbox(to)?);
    }
    for cc in &mail.cc {
        builder = builder.cc(mailbox(cc)?);
    }
    for bcc in &mail.bcc {
        builder = builder.bcc(mailbox(bcc)?);
    }
    if let Some(id) = &mail.in_reply_to {
        builder = builder.in_reply_to(id.clone());
    }
    // A reply's references end with what it answers (RFC 5322, 3.6.4).
    let mut references = mail.references.clone();
    references.extend(mail.in_reply_to.iter().filter(|id| !mail.references.contains(id)).cloned());
    if !references.is_empty() {
        builder = builder.references(references.join(" "));
    }
    Ok(builder)
}

fn mailbox(address: &str) -> Result<Mailbox, Failure> {
    let parsed: Address = address.parse().map_err(|error| {
        Failure::none(format!("{address:?} is no mail address: {error}; correct the draft"))
    })?;
    Ok(Mailbox::new(None, parsed))
}

fn attachment(wanted: &Attachment, data: &Path) -> Result<SinglePart, Failure> {
    let refuse = |why: String| Failure::none(format!("attachment {:?} cannot be sent: {why}", wanted.name));
    let path = data.join("attachments").join(wanted.sha256.hex());
    let size = std::fs::metadata(&path).map_err(|error| {
        refuse(format!(
            "its bytes are not at {} ({error}); put the file there under that name",
            path.display()
        ))
    })?;
    if size.len() != wanted.size || size.len() > MAX_ATTACHED {
        return Err(refuse(format!("{} bytes were signed, {} are there", wanted.size, size.len())));
    }
    let bytes = std::fs::read(&path).map_err(|error| refuse(error.to_string()))?;
    if Digest::of(&bytes) != wanted.sha256 {
        return Err(refuse(format!("{} has other bytes than were signed", path.display())));
    }
    let kind = ContentType::parse("application/octet-stream").map_err(|error| refuse(error.to_string()))?;
    Ok(Part::new(wanted.name.clone()).body(bytes, kind))
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;

    use super::*;

    fn mail() -> EmailMessage {
        EmailMessage {
            to: vec!["alice@example.com".into()],
            cc: vec![],
            bcc: vec!["boss@example.com".into()],
            subject: "Re: Rechnung für März – 1.250,00 €".into(),
            in_reply_to: Some("<CAF2@mail.example.com>".into()),
            references: (0..30).map(|n| format!("<{n:040}@mail.example.com>")).collect(),
            body: "Liebe Alice,\n\n.\nein Punkt allein, ein \u{1f600} und eine lange Zeile: ".to_owned()
                + &"x".repeat(2_000),
            attachments: vec![],
        }
    }

    fn composed(mail: &EmailMessage, data: &Path) -> Result<Composed, Failure> {
        compose(
            "owner@example.com",
            mail,
            "<a1@example.com>",
            "2026-02-23T03:20:00Z".parse().expect("time"),
            data,
        )
    }

    #[test]
    fn what_was_signed_is_what_arrives() {
        let composed = composed(&mail(), Path::new("/nowhere")).expect("composed");
        assert!(composed.bytes.is_ascii(), "goes through any server");
        assert!(composed.bytes.split(|b| *b == b'\n').all(|line| line.len() <= 998));
        let read = MessageParser::new().parse(&composed.bytes).expect("a mail");
        assert_eq!(read.subject(), Some(mail().subject.as_str()));
        assert_eq!(read.message_id(), Some("a1@example.com"));
        assert_eq!(read.in_reply_to().as_text(), Some("CAF2@mail.example.com"));
        let references = read.references().as_text_list().expect("references");
        assert_eq!(references.len(), 31, "those given, and what is answered");
        assert_eq!(references.last().map(AsRef::as_ref), Some("CAF2@mail.example.com"));
        let body = read.body_text(0).expect("text").replace("\r\n", "\n");
        assert_eq!(body.trim_end(), mail().body);
    }

    #[test]
    fn a_blind_copy_is_delivered_and_not_shown() {
        let composed = composed(&mail(), Path::new("/nowhere")).expect("composed");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(!text(&composed.bytes).contains("boss@example.com"));
        assert!(text(&composed.kept).contains("Bcc: boss@example.com"));
        assert!(composed.envelope.to().iter().any(|to| to.to_string() == "boss@example.com"));
    }

    #[test]
    fn attachments_are_the_signed_bytes_or_nothing_is_sent() {
        let data = tempfile::tempdir().expect("folder");
        let bytes = b"%PDF-1.7 invoice".to_vec();
        let mut mail = mail();
        mail.attachments =
            vec![Attachment { name: "Rechnung März.pdf".into(), size: 16, sha256: Digest::of(&bytes) }];
        let check = |expected: &str| {
            let failure = composed(&mail, data.path()).err().expect(expected);
            assert!(failure.message.contains(expected), "{failure}");
        };
        check("its bytes are not at");
        let path = data.path().join("attachments").join(Digest::of(&bytes).hex());
        std::fs::create_dir(data.path().join("attachments")).expect("folder");
        std::fs::write(&path, "%PDF-1.7 another").expect("file");
        check("other bytes than were signed");
        std::fs::write(&path, &bytes).expect("file");
        let composed = composed(&mail, data.path()).expect("composed");
        let read = MessageParser::new().parse(&composed.bytes).expect("a mail");
        let part = read.attachments().next().expect("attachment");
        assert_eq!(part.contents(), bytes);
    }
}
