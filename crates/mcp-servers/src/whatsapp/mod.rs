//! `mcp-whatsapp`: on the owner's machine only.

mod live;
mod mock;

pub(crate) use live::Live;
pub(crate) use mock::Mock;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::catalog::{Entry, proposable, schema};

pub(crate) const TOOLS: &[Entry] = &[
    Entry {
        name: "list_whatsapp_chats",
        description: "Lists chats with their last message, newest first.",
        schema: schema::<ListChats>,
    },
    Entry {
        name: "read_whatsapp_chat",
        description: "Reads the latest messages of one chat.",
        schema: schema::<ReadChat>,
    },
    proposable!("send_whatsapp", "Sends a WhatsApp message."),
];

/// Arguments of `list_whatsapp_chats`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListChats {
    /// At most so many; 20 unless told, 100 at most.
    limit: Option<u32>,
}

/// Arguments of `read_whatsapp_chat`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadChat {
    /// The other side's number in E.164 form, `+491701234567`.
    number: String,
    /// At most so many messages; 20 unless told, 100 at most.
    limit: Option<u32>,
}
