//! `mcp-payment`: on the owner's machine only.

mod mercury;
mod mock;

pub(crate) use mercury::Live;
pub(crate) use mock::Mock;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::catalog::{Entry, proposable, schema};

pub(crate) const TOOLS: &[Entry] = &[
    Entry { name: "list_accounts", description: "Lists the bank accounts.", schema: schema::<ListAccounts> },
    Entry { name: "get_balance", description: "An account's balance.", schema: schema::<GetBalance> },
    Entry {
        name: "list_transactions",
        description: "An account's transactions, newest first.",
        schema: schema::<ListTransactions>,
    },
    Entry {
        name: "payment_status",
        description: "Whether a payment was made, by its payment id or by its idempotency key.",
        schema: schema::<PaymentStatus>,
    },
    proposable!("initiate_payment", "Pays. The same order pays once."),
];

/// Arguments of `list_accounts`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListAccounts {}

/// Arguments of `get_balance`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GetBalance {
    /// The account's id.
    account: String,
}

/// Arguments of `list_transactions`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListTransactions {
    /// The account's id.
    account: String,
    /// Only those on or after this day.
    since: Option<chrono::NaiveDate>,
    /// At most so many; 20 unless told, 100 at most.
    limit: Option<u32>,
}

/// Arguments of `payment_status`; one of the two.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PaymentStatus {
    /// The bank's id of the payment.
    payment_id: Option<String>,
    /// The approval's id.
    idempotency_key: Option<String>,
}
