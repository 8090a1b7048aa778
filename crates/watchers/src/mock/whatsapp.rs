//! Sample WhatsApp messages; only the owner's machine ever sees this channel.

use config::Channel;
use task::Priority;

use super::minutes;
use crate::event::Event;

pub(super) fn events() -> Vec<Event> {
    let message = |id: &str, from: &str, name: &str, subject: &str, text: &str, priority, at| Event {
        channel: Channel::Whatsapp,
        id: id.to_owned(),
        what: "direct_message",
        account: "+4915155500001".to_owned(),
        from: from.to_owned(),
        name: name.to_owned(),
        post: None,
        subject: subject.to_owned(),
        text: text.to_owned(),
        priority,
        at: minutes(at),
    };
    vec![
        message(
            "wamid.HBgNNDkxNTE1NTUwMDAxNxUCABIYFjNFQjBDMUQ5QzA2RDc4RjM0QTIx",
            "+4915155500017",
            "Petra Hoffmann",
            "Message from Petra Hoffmann",
            "Good morning! Are we still on for tomorrow at 9? I can bring the signed contract.",
            Priority::Medium,
            2,
        ),
        message(
            "wamid.HBgNNDkxNTE1NTUwMDAyMxUCABIYFjNFQjBGN0E4RDE5RTJCQzQ1RDBB",
            "+4915155500023",
            "Print Shop Weber",
            "Message from Print Shop Weber: payment",
            "Hi, the flyers are ready. Could you transfer the 240.00 EUR for order 5512 today? IBAN DE89 3704 0044 0532 0130 00, reference 5512. Then we ship this afternoon.",
            Priority::High,
            26,
        ),
        message(
            "wamid.HBgNNDQ3NzAwOTAwMTIzFQIAEhgWM0VCMEEzQzk5RjQ1MTFFMDdCMkM",
            "+447700900123",
            "Dan Clarke",
            "Message from Dan Clarke",
            "Thanks for the quick fix on Friday, everything runs again. Please send the invoice to accounts@clarke-interiors.example.",
            Priority::Medium,
            75,
        ),
    ]
}
