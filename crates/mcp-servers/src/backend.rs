//! What stands behind a server: sample data, or the real thing.

use async_trait::async_trait;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;
use signature::Permit;
use task::{Call, Order, Server};

use crate::outcome::{Answer, Failure};
use crate::setup::Setup;
use crate::{email, odoo, payment, social, whatsapp};

/// One server's tools.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// Answers a SAFE or DRAFT tool. `account` is the caller's choice where a tool's arguments have
    /// none.
    async fn answer(&self, tool: &str, arguments: Value, account: Option<&str>) -> Result<Answer, Failure>;

    /// Carries out an order. The permit is consumed by it; the effect happens at most once for
    /// the order's `approval`, which is also the idempotency key.
    async fn act(&self, permit: Permit) -> Result<Done, Failure>;

    /// Whether this order already had its effect, where the other side can be asked.
    async fn settled(&self, order: &Order) -> Result<Option<Answer>, Failure> {
        let _ = order;
        Ok(None)
    }

    /// How long after its first use an approval may be used again as an idempotency key, because
    /// the other side surely still knows it. Later it is only asked about.
    fn keys_last(&self) -> TimeDelta {
        policy::KEYS_LAST
    }
}

/// An effect that happened.
pub(crate) struct Done {
    pub(crate) answer: Answer,
    /// What is left to tidy up, such as filing a sent mail. It runs once the effect is on record,
    /// and what fails in it is a warning.
    pub(crate) tidy: Option<BoxFuture<'static, Vec<String>>>,
}

impl From<Answer> for Done {
    fn from(answer: Answer) -> Self {
        Self { answer, tidy: None }
    }
}

/// The backend that `setup` asks for.
pub(crate) fn backend(server: Server, setup: &Setup) -> Box<dyn Backend> {
    match (server, setup.mock) {
        (Server::Email, true) => Box::new(email::Mock::new(setup)),
        (Server::Email, false) => Box::new(email::Live::new(setup)),
        (Server::Odoo, true) => Box::new(odoo::Mock::new(setup)),
        (Server::Social, true) => Box::new(social::Mock::new(setup)),
        (Server::Whatsapp, true) => Box::new(whatsapp::Mock::new(setup)),
        (Server::Payment, true) => Box::new(payment::Mock::new(setup)),
        (Server::Odoo, false) => Box::new(odoo::Live::new(setup)),
        (Server::Payment, false) => Box::new(payment::Live::new(setup)),
        (Server::Social, false) => Box::new(social::Live::new(setup)),
        (Server::Whatsapp, false) => Box::new(whatsapp::Live::new(setup)),
    }
}

/// A section of config.yaml that a live backend cannot do without, and how to do without the
/// backend.
pub(crate) struct Unset(pub(crate) &'static str, pub(crate) &'static str);

impl Unset {
    pub(crate) fn failure(&self) -> Failure {
        let Self(section, instead) = self;
        Failure::none(format!(
            "config.yaml has no {section}: section; fill it in, or set {instead} to work with sample data"
        ))
    }
}

/// Decodes the arguments of a SAFE tool.
pub(crate) fn arguments<T: DeserializeOwned>(tool: &str, arguments: Value) -> Result<T, Failure> {
    serde_json::from_value(arguments).map_err(|e| Failure::none(format!("arguments of {tool}: {e}")))
}

/// Decodes the arguments of a DRAFT tool.
pub(crate) fn proposal(tool: &str, arguments: Value) -> Result<Call, Failure> {
    Call::decode(tool, arguments).map_err(|e| Failure::none(e.to_string()))
}

/// What a backend says to a tool that is another's. The catalogue and the backends have the same
/// tools, which a test holds; this is only reached when they have not.
pub(crate) fn not_here(tool: &str) -> Failure {
    Failure::none(format!("{tool} is no tool of this server"))
}

/// How many entries a listing has when the caller does not say.
pub(crate) const LISTED: u32 = 20;

/// How many it has at most.
pub(crate) const MOST: u32 = 100;

/// A caller's limit, brought into range.
pub(crate) fn limit(asked: Option<u32>) -> usize {
    asked.unwrap_or(LISTED).clamp(1, MOST) as usize
}
