//! Odoo's two interfaces: `/json/2` of 19 and newer with named arguments and a bearer key, and
//! `/jsonrpc` of 18 and older, where the key stands in for the password.

use std::collections::BTreeMap;

use config::OdooApi;
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::OnceCell;

use crate::http::{Http, Reply, Service, Trouble};
use crate::setup::Setup;

/// A database that can be called.
pub(super) struct Wire {
    http: Http,
    api: OdooApi,
    database: String,
    user: String,
    /// `/jsonrpc` numbers its callers.
    uid: OnceCell<u64>,
}

/// One method of one model. The first argument is given by position where arguments have none.
pub(super) struct Method {
    model: &'static str,
    method: &'static str,
    first: (&'static str, Box<RawValue>),
    named: BTreeMap<&'static str, Box<RawValue>>,
}

impl Method {
    pub(super) fn new(
        model: &'static str,
        method: &'static str,
        first: (&'static str, &impl Serialize),
    ) -> Result<Self, Trouble> {
        Ok(Self { model, method, first: (first.0, raw(first.1)?), named: BTreeMap::new() })
    }

    pub(super) fn with(mut self, name: &'static str, value: &impl Serialize) -> Result<Self, Trouble> {
        self.named.insert(name, raw(value)?);
        Ok(self)
    }
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>, Trouble> {
    to_raw_value(value).map_err(|error| Trouble::before(error.to_string()))
}

/// An exception, as both interfaces describe it.
#[derive(Deserialize)]
struct Exception {
    #[serde(default)]
    name: String,
    #[serde(default)]
    message: String,
}

/// `/jsonrpc`'s envelope. The result's absence is told from its being null or false.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RpcError {
    #[serde(default)]
    data: Option<Exception>,
    #[serde(default)]
    message: String,
}

impl Wire {
    pub(super) fn new(odoo: &config::Odoo, setup: &Setup) -> Self {
        Self {
            http: Http::new(Service {
                name: "Odoo",
                section: "odoo",
                url: odoo.url.clone(),
                secret: odoo.secret.clone(),
                ca_file: odoo.ca_file.clone(),
                timeout_seconds: odoo.timeout_seconds,
                secrets: setup.secrets.clone(),
            }),
            api: odoo.api,
            database: odoo.database.clone(),
            user: odoo.user.clone().unwrap_or_default(),
            uid: OnceCell::new(),
        }
    }

    /// Calls a method. Odoo takes back what a request did that ends in an exception of its own.
    pub(super) async fn call<T: DeserializeOwned>(&self, method: Method) -> Result<T, Trouble> {
        match self.api {
            OdooApi::Json2 => self.json2(method).await,
            OdooApi::Jsonrpc => self.jsonrpc(method).await,
        }
    }

    async fn json2<T: DeserializeOwned>(&self, method: Method) -> Result<T, Trouble> {
        let Method { model, method, first, mut named } = method;
        named.insert(first.0, first.1);
        let path = format!("/json/2/{model}/{method}");
        let reply = self.http.post(path, &named).header("x-odoo-database", &self.database).send().await?;
        if reply.is_ok() {
            return reply.json();
        }
        let said = serde_json::from_slice::<Exception>(&reply.body);
        Err(match said {
            Ok(said) => reply.refusal(&said.message, remedy(reply.status)),
            Err(_) if reply.status == 404 => reply.refusal("", "check odoo.url and odoo.database"),
            Err(_) => reply.refusal("", remedy(reply.status)),
        })
    }

    async fn jsonrpc<T: DeserializeOwned>(&self, method: Method) -> Result<T, Trouble> {
        let uid = *self.uid.get_or_try_init(|| self.login()).await?;
        let key = self.http.key()?;
        let Method { model, method, first, named } = method;
        let arguments = (&self.database, uid, key.expose_secret(), model, method, (first.1,), named);
        let reply = self.rpc("object", "execute_kw", &arguments).await?;
        Self::opened(&reply)
    }

    async fn login(&self) -> Result<u64, Trouble> {
        let key = self.http.key()?;
        let arguments = (&self.database, &self.user, key.expose_secret());
        let reply = self.rpc("common", "login", &arguments).await.map_err(|t| Trouble { may: false, ..t })?;
        let refused = || {
            reply.refusal(
                "it does not know this user and key",
                "check odoo.user, odoo.secret and odoo.database",
            )
        };
        match Self::opened::<serde_json::Value>(&reply) {
            Ok(uid) => uid.as_u64().ok_or_else(refused).map_err(|t| Trouble { may: false, ..t }),
            Err(trouble) => Err(Trouble { may: false, ..trouble }),
        }
    }

    async fn rpc(&self, service: &str, method: &str, arguments: &impl Serialize) -> Result<Reply, Trouble> {
        #[derive(Serialize)]
        struct Params<'a, A> {
            service: &'a str,
            method: &'a str,
            args: &'a A,
        }
        #[derive(Serialize)]
        struct Rpc<'a, A> {
            jsonrpc: &'a str,
            method: &'a str,
            id: u32,
            params: Params<'a, A>,
        }
        let params = Params { service, method, args: arguments };
        let body = Rpc { jsonrpc: "2.0", method: "call", id: 1, params };
        self.http.post("/jsonrpc", &body).anonymous().send().await
    }

    fn opened<T: DeserializeOwned>(reply: &Reply) -> Result<T, Trouble> {
        let envelope: Envelope = reply.json()?;
        if let Some(RpcError { data, message }) = envelope.error {
            let (name, said) = data.map_or((String::new(), message), |data| (data.name, data.message));
            // Odoo's own exceptions; what else breaks in it is its own fault.
            let refused = name.starts_with("odoo.exceptions.");
            let remedy = if name.ends_with(".AccessDenied") { "check odoo.user and odoo.secret" } else { "" };
            return Err(Trouble { may: !refused, ..reply.refusal(&said, remedy) });
        }
        // A method without a result gives null, which the envelope cannot tell from none.
        let result = envelope.result.map_or_else(|| raw(&json!(null)), Ok)?;
        serde_json::from_str(result.get())
            .map_err(|error| Trouble::after(format!("Odoo's answer is not understood: {error}")))
    }
}

fn remedy(status: u16) -> &'static str {
    match status {
        401 => "check odoo.secret; Odoo makes API keys under the user's security settings",
        403 => "give the key's user the right to do this",
        _ => "",
    }
}
