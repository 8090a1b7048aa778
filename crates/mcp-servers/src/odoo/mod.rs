//! `mcp-odoo`: the books.

mod live;
mod mock;
mod wire;

pub(crate) use live::Live;
pub(crate) use mock::Mock;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::catalog::{Entry, proposable, schema};

pub(crate) const TOOLS: &[Entry] = &[
    Entry {
        name: "list_invoices",
        description: "Lists customer invoices, newest first.",
        schema: schema::<ListInvoices>,
    },
    Entry {
        name: "read_invoice",
        description: "Reads one invoice with its lines.",
        schema: schema::<ReadInvoice>,
    },
    Entry { name: "list_partners", description: "Lists customers by name.", schema: schema::<ListPartners> },
    Entry {
        name: "read_transactions",
        description: "Lists bank transactions in the books, newest first.",
        schema: schema::<ReadTransactions>,
    },
    proposable!("create_invoice_draft", "Creates an invoice that is not posted; nothing is sent."),
    proposable!("post_invoice", "Posts an invoice: it gets its number and is due."),
];

/// Arguments of `list_invoices`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListInvoices {
    /// Only those in this state: draft, posted or paid.
    state: Option<State>,
    /// Only those of customers whose name contains this.
    partner: Option<String>,
    /// At most so many; 20 unless told, 100 at most.
    limit: Option<u32>,
}

/// An invoice's state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Can be changed.
    Draft,
    /// Numbered and due.
    Posted,
    /// Paid.
    Paid,
}

/// Arguments of `read_invoice`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadInvoice {
    /// The invoice's id in the books.
    invoice_id: u64,
}

/// Arguments of `list_partners`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListPartners {
    /// Only those whose name or mail address contains this.
    query: Option<String>,
    /// At most so many; 20 unless told, 100 at most.
    limit: Option<u32>,
}

/// Arguments of `read_transactions`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadTransactions {
    /// Only those on or after this day.
    since: Option<chrono::NaiveDate>,
    /// At most so many; 20 unless told, 100 at most.
    limit: Option<u32>,
}
