//! An owner with a key, a data directory, and a server to talk to.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use mcp_servers::{Service, Setup};
use policy::Class;
use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest, MetaObject, RequestMetaObject,
    ServerResult,
};
use rmcp::service::{PeerRequestOptions, RunningService, ServiceError, ServiceExt as _};
use serde_json::{Map, Value, json};
use ssh_key::private::{Ed25519Keypair, PrivateKey};
use ssh_key::{HashAlg, LineEnding};
use task::{Action, Clock, FixedClock, Mode, Order, Role, Server};

/// The vault's id in all orders of these tests.
pub(crate) const VAULT: &str = "vault-1";

/// When these tests take place.
pub(crate) fn now() -> DateTime<Utc> {
    "2026-02-23T03:20:00Z".parse().expect("time")
}

pub(crate) fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

/// A data directory as `init` leaves it.
pub(crate) fn data_dir() -> tempfile::TempDir {
    let data = tempfile::tempdir().expect("folder");
    prepare(data.path());
    data
}

pub(crate) fn prepare(data: &Path) {
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o700)).expect("mode");
    let line = key(1).public_key().to_openssh().expect("key");
    let approvers = format!("owner namespaces=\"{}\" {line}\n", Order::NAMESPACE);
    std::fs::write(data.join("approvers"), approvers).expect("approvers");
    std::fs::write(data.join("vault-id"), format!("{VAULT}\n")).expect("vault id");
}

/// An order and its signature, as `_meta` carries them.
pub(crate) struct Signed {
    pub(crate) order: Order,
    pub(crate) text: String,
    pub(crate) signature: String,
}

/// What a test changes before the owner signs.
pub(crate) type Change<'a> = &'a dyn Fn(&mut Order);

/// Has the owner sign an order for a call, at `at`.
pub(crate) fn sign_at(
    at: DateTime<Utc>,
    server: Server,
    tool: &str,
    arguments: &Value,
    change: Change<'_>,
) -> Signed {
    let action: Action = serde_json::from_value(json!({
        "server": server.name(), "tool": tool, "account": "owner@example.com", "arguments": arguments,
    }))
    .expect("action");
    let mut order = Order {
        action,
        approval: format!("approval-{tool}"),
        executor: "local-001".parse().expect("agent"),
        expires: at + TimeDelta::minutes(15),
        id: "EMAIL_1".parse().expect("id"),
        issued: at,
        mode: Mode::Live,
        vault: VAULT.into(),
    };
    change(&mut order);
    sign_with(&key(1), order)
}

pub(crate) fn sign(server: Server, tool: &str, arguments: &Value) -> Signed {
    sign_at(now(), server, tool, arguments, &|_| {})
}

pub(crate) fn sign_with(key: &PrivateKey, order: Order) -> Signed {
    let text = order.to_text().expect("text");
    let signature = key.sign(Order::NAMESPACE, HashAlg::Sha512, text.as_bytes()).expect("signature");
    Signed { order, text, signature: signature.to_pem(LineEnding::LF).expect("armour") }
}

impl Signed {
    pub(crate) fn meta(&self) -> Map<String, Value> {
        Map::from_iter([
            (Order::META_TEXT.to_owned(), self.text.clone().into()),
            (Order::META_SIGNATURE.to_owned(), self.signature.clone().into()),
            (Order::META_KEY.to_owned(), self.order.approval.clone().into()),
        ])
    }
}

/// A server in this process and a client on the other end of a pipe.
pub(crate) struct InProcess {
    pub(crate) client: RunningService<RoleClient, ()>,
    pub(crate) clock: Arc<FixedClock>,
    server: tokio::task::JoinHandle<()>,
}

/// A setup with sample data.
pub(crate) fn setup(data: &Path, max_class: Class, clock: Arc<dyn Clock>) -> Setup {
    Setup {
        data: data.to_owned(),
        config: config::Config::default(),
        mock: true,
        agent: "local-001".parse().expect("agent"),
        role: Role::Local,
        max_class,
        clock,
        secrets: Arc::new(|_, _| Err("there are no secrets here".into())),
    }
}

impl InProcess {
    pub(crate) async fn start(server: Server, data: &Path, max_class: Class) -> Self {
        Self::with(server, data, max_class, |_| {}).await
    }

    pub(crate) async fn with(
        server: Server,
        data: &Path,
        max_class: Class,
        change: impl FnOnce(&mut Setup),
    ) -> Self {
        let clock = Arc::new(FixedClock::new(now()));
        let mut setup = setup(data, max_class, clock.clone());
        change(&mut setup);
        let service = Service::new(server, &setup);
        let (theirs, ours) = tokio::io::duplex(1 << 16);
        let (read, write) = tokio::io::split(theirs);
        let server = tokio::spawn(async move {
            mcp_servers::serve(service, read, write, Default::default()).await.expect("served");
        });
        let client = ().serve(ours).await.expect("session");
        Self { client, clock, server }
    }

    pub(crate) async fn tools(&self) -> Vec<String> {
        let tools = self.client.list_all_tools().await.expect("tools");
        tools.into_iter().map(|tool| tool.name.into_owned()).collect()
    }

    pub(crate) async fn try_call(
        &self,
        tool: &str,
        arguments: Value,
        meta: Map<String, Value>,
    ) -> Result<CallToolResult, ServiceError> {
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let mut options = PeerRequestOptions::no_options();
        options.meta = Some(RequestMetaObject(MetaObject(meta)));
        let handle = self.client.send_request_with_option(request, options).await?;
        match handle.await_response().await? {
            ServerResult::CallToolResult(result) => Ok(result),
            other => panic!("{other:?}"),
        }
    }

    /// Calls a tool that works.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        let result = self.try_call(tool, arguments, Map::new()).await.expect(tool);
        assert_ne!(result.is_error, Some(true), "{tool}: {result:?}");
        result.structured_content.expect("structured content")
    }

    /// Calls a DANGEROUS tool: whether it is an error, and what it says.
    pub(crate) async fn act(&self, tool: &str, arguments: &Value, meta: Map<String, Value>) -> (bool, Value) {
        let result = self.try_call(tool, arguments.clone(), meta).await.expect(tool);
        (result.is_error == Some(true), result.structured_content.expect("structured content"))
    }

    pub(crate) async fn stop(mut self) {
        self.client.close().await.expect("closed");
        self.server.await.expect("the server ends with its input");
    }
}

/// The sample data's state on disk.
pub(crate) fn state(data: &Path, server: Server) -> Value {
    let path: PathBuf = data.join("mock").join(format!("{server}.json"));
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).expect("state"),
        Err(_) => Value::Null,
    }
}

/// How many effects of `approval` the state has anywhere.
pub(crate) fn effects(data: &Path, server: Server, approval: &str) -> usize {
    fn count(value: &Value, approval: &str) -> usize {
        match value {
            Value::Object(map) => {
                let here = ["approval", "key"].iter().any(|k| map.get(*k).is_some_and(|v| v == approval));
                usize::from(here) + map.values().map(|v| count(v, approval)).sum::<usize>()
            }
            Value::Array(items) => items.iter().map(|v| count(v, approval)).sum(),
            _ => 0,
        }
    }
    count(&state(data, server), approval)
}

/// A DANGEROUS tool of each server, with arguments that its sample data takes.
pub(crate) fn dangerous() -> Vec<(Server, &'static str, Value)> {
    let post = json!({"text": "We are hiring."});
    let picture = json!({
        "text": "Office plant", "media": [{"name": "a.jpg", "size": 3, "sha256": task::Digest::of("abc")}],
    });
    vec![
        (Server::Email, "send_email", mail()),
        (
            Server::Odoo,
            "post_invoice",
            json!({"invoice_id": 3, "partner": "Café Central", "total": "312.38", "currency": "EUR"}),
        ),
        (Server::Social, "post_facebook", post.clone()),
        (Server::Social, "post_instagram", picture),
        (Server::Social, "post_twitter", post.clone()),
        (Server::Social, "post_linkedin", post),
        (Server::Whatsapp, "send_whatsapp", json!({"to": "+491701234567", "text": "Hallo"})),
        (
            Server::Payment,
            "initiate_payment",
            json!({"payee": "Bob", "iban": "DE89370400440532013000", "amount": "12.50", "currency": "EUR", "reference": "R1"}),
        ),
    ]
}

pub(crate) fn mail() -> Value {
    json!({"to": ["alice@example.com"], "subject": "Re: Q1 invoice", "body": "Dear Alice,\n\nplease find it attached."})
}

/// Keeps every change to a server's sample data waiting, until it is dropped.
pub(crate) fn hold(data: &Path, server: Server) -> std::fs::File {
    let folder = data.join("mock");
    std::fs::create_dir_all(&folder).expect("folder");
    let file = std::fs::File::create(folder.join(format!("{server}.lock"))).expect("lock file");
    file.lock().expect("lock");
    file
}

/// Waits until the ledger says that an effect is under way.
pub(crate) fn wait_until_started(data: &Path, server: Server) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::time::Instant::now() < end {
        let ledger = rusqlite::Connection::open(data.join(format!("mcp-{server}.sqlite"))).expect("ledger");
        let count = ledger.query_row("SELECT count(*) FROM approvals WHERE state = 'started'", [], |row| {
            row.get::<_, i64>(0)
        });
        if count.is_ok_and(|count| count > 0) {
            return;
        }
        // Another process does it; its file can only be looked at again.
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    panic!("the effect was never begun");
}
