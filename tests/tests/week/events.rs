//! The 500 events of the week: what they are, when they are there, and by which way they come.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::start;

pub(crate) const EVENTS: usize = 500;

/// By which way an event comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// Offered by the mock source of this channel.
    Channel(&'static str),
    /// Dropped by the owner.
    Inbox,
}

/// What an event is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Newsletter,
    Mail(&'static str, &'static str),
    Comment(&'static str),
    Private,
    Message,
    Invoice,
    Bill,
    Post,
    Sale,
    Summary,
}

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) n: usize,
    pub(crate) at: DateTime<Utc>,
    pub(crate) way: Way,
    what: What,
}

/// Customers of the books that [`crate::servers::open_books`] opens.
const CUSTOMERS: [&str; 3] = ["Northwind Logistics GmbH", "Contoso Ltd", "Fabrikam AG"];

const PAYEES: [(&str, &str); 3] = [
    ("Muster GmbH", "DE89 3704 0044 0532 0130 00"),
    ("Papier Schmidt", "NL91 ABNA 0417 1643 00"),
    ("Atelier Dubois", "FR14 2004 1010 0505 0001 3M02 606"),
];

impl Event {
    /// The event number `n`; one comes every 21 minutes, from Monday 00:00 until the next Monday.
    pub(crate) fn number(n: usize) -> Self {
        let channel = Way::Channel;
        let (way, what) = match n % 20 {
            0 | 1 => (channel("gmail"), What::Newsletter),
            2..=4 => (channel("gmail"), What::Mail("An offer", "Could you send me an offer for ten hours?")),
            5 | 18 => (channel("gmail"), What::Mail("Thursday", "Can we meet on Thursday at ten?")),
            6 => (channel("gmail"), What::Mail("Invoice", "Could you please resend our last invoice?")),
            7 => (
                channel("gmail"),
                What::Mail("Delay", "I am unhappy: the page is still down. When is it back?"),
            ),
            8 | 9 => (channel("linkedin"), What::Comment("Great post! Do you take new clients?")),
            10 => (channel("facebook"), What::Comment("When do you open on Saturday?")),
            11 => (channel("instagram"), What::Comment("Which lamps are these?")),
            12 => (channel("x"), What::Comment("Does it run on a Raspberry Pi?")),
            13 => (channel("x"), What::Private),
            14 | 15 => (channel("whatsapp"), What::Message),
            16 => (Way::Inbox, What::Invoice),
            17 => (Way::Inbox, What::Bill),
            _ => (Way::Inbox, [What::Post, What::Sale, What::Summary][n / 20 % 3]),
        };
        let at = start() + TimeDelta::minutes(21 * i64::try_from(n).expect("small"));
        Self { n, at, way, what }
    }

    /// Words that are in this event and in no other.
    pub(crate) fn mark(&self) -> String {
        format!("event-{:04}-of-the-week", self.n)
    }

    /// What its task's id begins with.
    pub(crate) fn prefix(&self) -> &'static str {
        match (self.way, self.what) {
            (Way::Channel("gmail"), _) => "EMAIL_",
            (Way::Channel("linkedin"), _) => "LINKEDIN_",
            (Way::Channel("facebook"), _) => "FACEBOOK_",
            (Way::Channel("instagram"), _) => "INSTAGRAM_",
            (Way::Channel("x"), _) => "TWITTER_",
            (Way::Channel(_), _) => "WHATSAPP_",
            (Way::Inbox, What::Invoice) => "ODOO_",
            (Way::Inbox, What::Bill) => "PAYMENT_",
            (Way::Inbox, What::Sale) => "SALESPOST_",
            (Way::Inbox, _) => "SOCIAL_",
        }
    }

    /// Whether it ends without the owner.
    pub(crate) fn needs_no_decision(&self) -> bool {
        matches!(self.what, What::Newsletter | What::Summary)
    }

    /// The file that the owner drops.
    pub(crate) fn file(&self) -> String {
        let about = if self.what == What::Summary { "summary" } else { "note" };
        format!("{}{about}-{:04}.md", self.prefix(), self.n)
    }

    /// What the owner's note says.
    pub(crate) fn text(&self) -> String {
        let n = self.n;
        let text = match self.what {
            What::Invoice => format!(
                "---\npartner: {}\ndescription: Work no. {n}\nquantity: '2'\nprice: '{}.50 EUR'\n---\nPlease invoice it.",
                CUSTOMERS[n / 20 % 3],
                100 + n
            ),
            What::Bill => {
                let (payee, iban) = PAYEES[n / 20 % 3];
                format!(
                    "---\naccount: main\n---\nOur invoice RE-{n:04} is below.\n\nEmpfänger: {payee}\nIBAN: {iban}\nBetrag: {},25 €",
                    30 + n / 20
                )
            }
            What::Post => {
                format!("---\nplatform: facebook\n---\nOur shop has news, number {n}. Come and see!")
            }
            What::Sale => format!(
                "---\nplatform: linkedin\nproduct: Check-up no. {n}\nbenefit: You learn what slows your site down.\nprice: 290 EUR\n---\nOffer it."
            ),
            _ => "---\nsubject: Summary of the pages\n---\nSummary of the pages, please.".to_owned(),
        };
        format!("{text}\n\n({})\n", self.mark())
    }

    /// The line of a mock source's script.
    fn line(&self, channel: &str) -> Value {
        let (n, at, mark) = (self.n, self.at.to_rfc3339(), self.mark());
        let text = |text: &str| format!("{text}\n\n({mark})");
        let mail = |from: &str, subject: &str, more: &str, body: &str| {
            let date = self.at.to_rfc2822();
            let mail = format!(
                "From: {from}\r\nTo: owner@example.com\r\nSubject: {subject} no. {n}\r\nDate: {date}\r\n\
                 Message-ID: <{n}@week.example>\r\n{more}\r\n{body}\r\n"
            );
            json!({ "at": at, "channel": channel, "mail": mail })
        };
        match self.what {
            What::Newsletter => mail(
                "news@weekly.example",
                "News",
                "List-Unsubscribe: <mailto:stop@weekly.example>\r\n",
                &text("News of the week."),
            ),
            What::Mail(subject, words) => {
                mail(&format!("Alice Berg <alice{}@customers.example>", n % 7), subject, "", &text(words))
            }
            What::Message => json!({
                "at": at, "channel": channel, "id": format!("wamid.{n}"), "what": "direct_message",
                "from": format!("+4917012345{:02}", n % 60), "name": "Ben",
                "text": text("Hi! Can we meet on Friday?"), "account": "+4915155500001",
            }),
            What::Private => json!({
                "at": at, "channel": channel, "id": format!("dm-{n}"), "what": "direct_message", "from": "@dana",
                "text": text("Can you call me?"),
            }),
            What::Comment(words) => json!({
                "at": at, "channel": channel, "id": format!("comment-{n}"), "from": "@dana", "name": "Dana",
                "post": "post-1", "text": text(words),
            }),
            What::Invoice | What::Bill | What::Post | What::Sale | What::Summary => Value::Null,
        }
    }
}

/// The script of the mock sources.
pub(crate) fn script(events: &[Event]) -> String {
    let lines = events.iter().filter_map(|event| match event.way {
        Way::Channel(channel) => Some(format!("{}\n", event.line(channel))),
        Way::Inbox => None,
    });
    lines.collect()
}
