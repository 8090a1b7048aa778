//! What a verified order allows, here and now.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use task::{AgentId, Mode, Order, Server, canonical};

use crate::Refusal;

/// How far an order's `issued` may lie ahead: the signing program and the executing one share a
/// machine, but time servers set its clock back now and then.
const LEEWAY: TimeDelta = TimeDelta::seconds(60);

/// An order that an approver signed. It can be read; only a [`Permit`] made of it can be used.
#[derive(Debug)]
pub struct Verified {
    order: Order,
    approver: String,
}

/// The place and the moment in which an order would be carried out.
#[derive(Clone, Copy, Debug)]
pub struct Expect<'a> {
    /// This vault's id.
    pub vault: &'a str,
    /// The agent that would do it.
    pub executor: &'a AgentId,
    /// What is run.
    pub mode: Mode,
    /// Now.
    pub now: DateTime<Utc>,
}

/// The right to carry out one order, once. It is consumed by the effect.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    order: Order,
    approver: String,
}

impl Verified {
    pub(crate) fn new(order: Order, approver: String) -> Self {
        Self { order, approver }
    }

    /// The signed order.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// Who signed, as the approvers list names the key.
    pub fn approver(&self) -> &str {
        &self.approver
    }

    /// What speaks against carrying it out in `expect`'s place and moment, if anything.
    pub fn check(&self, expect: &Expect<'_>) -> Result<(), Refusal> {
        let order = &self.order;
        if order.vault != expect.vault {
            return Err(Refusal::OtherVault(order.vault.chars().take(60).collect()));
        }
        if order.executor != *expect.executor {
            return Err(Refusal::OtherExecutor {
                named: order.executor.clone(),
                here: expect.executor.clone(),
            });
        }
        if order.mode != expect.mode {
            return Err(Refusal::OtherMode { signed: order.mode, here: expect.mode });
        }
        if order.issued > expect.now + LEEWAY {
            return Err(Refusal::NotYetValid(order.issued));
        }
        if expect.now >= order.expires {
            return Err(Refusal::Expired(order.expires));
        }
        Ok(())
    }

    /// Turns it into the right to act, if [`Verified::check`] has nothing against it.
    pub fn permit(self, expect: &Expect<'_>) -> Result<Permit, Refusal> {
        self.check(expect)?;
        Ok(Permit { order: self.order, approver: self.approver })
    }
}

impl Permit {
    /// The order.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// Who signed, as the approvers list names the key.
    pub fn approver(&self) -> &str {
        &self.approver
    }

    /// Whether a call is exactly the signed one: server, tool, account and every argument.
    pub fn matches_call(
        &self,
        server: Server,
        tool: &str,
        account: &str,
        arguments: &Value,
    ) -> Result<(), Refusal> {
        let call = &self.order.action.call;
        if call.server() != server {
            return Err(Refusal::OtherCall("server"));
        }
        if call.tool() != tool {
            return Err(Refusal::OtherCall("tool"));
        }
        if self.order.action.account != account {
            return Err(Refusal::OtherCall("account"));
        }
        // Canonical texts, so that the order of keys does not matter and everything else does.
        let signed = call.arguments().map_err(|_| Refusal::OtherCall("arguments"))?;
        match (canonical::to_string(&signed), canonical::to_string(arguments)) {
            (Ok(signed), Ok(given)) if signed == given => Ok(()),
            _ => Err(Refusal::OtherCall("arguments")),
        }
    }
}
