//! One kept session per server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use policy::{Class, Decision};
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientRequest, MetaObject, RequestMetaObject, ServerResult,
};
use rmcp::service::{Peer, PeerRequestOptions};
use rmcp::{RoleClient, ServiceError};
use serde_json::Value;
use task::{AgentId, Order, Role, Server};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::outcome::Asked;
use crate::session::Session;
use crate::wire::Fault;
use crate::{Call, CallError, Reply, ToolCaller};

/// How the servers are started and what may be called.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder that holds the server binaries.
    pub directory: PathBuf,
    /// Who calls; orders must name it as their executor.
    pub agent: AgentId,
    /// As what.
    pub role: Role,
    /// The highest class that the servers register and that is let through.
    pub max_class: Class,
    /// `--config` for the servers; their own search when absent.
    pub config: Option<PathBuf>,
    /// `--data` for the servers.
    pub data: PathBuf,
    /// Environment variables for the servers beside the inherited ones, such as `MOCK_DATA`.
    pub environment: Vec<(String, String)>,
    /// How long one call may take.
    pub timeout: Duration,
}

/// How long telling a server that its time is over may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// The sessions with all servers. Nothing is started before it is called; a server that died is
/// started again by the next call.
pub struct Sessions {
    settings: Settings,
    // One lock per server, held while it starts and never during a call.
    slots: [Mutex<Option<Held>>; Server::ALL.len()],
}

/// A session, and when it was last of use.
struct Held {
    session: Session,
    /// Each call in hand holds a copy.
    in_use: Arc<()>,
    used: Instant,
}

/// The other side of a call, which is not ended as idle while this is held.
struct Line {
    peer: Peer<RoleClient>,
    fault: Fault,
    _in_use: Arc<()>,
}

impl Held {
    fn line(&mut self) -> Line {
        self.used = Instant::now();
        let (peer, fault) = self.session.peer();
        Line { peer, fault, _in_use: Arc::clone(&self.in_use) }
    }

    fn is_idle(&self, idle: Duration) -> bool {
        Arc::strong_count(&self.in_use) == 1 && self.used.elapsed() >= idle
    }
}

impl Sessions {
    /// Sessions as `settings` say.
    pub fn new(settings: Settings) -> Self {
        Self { settings, slots: Default::default() }
    }

    /// Closes every session: the servers see the end of their input, finish what they are doing
    /// and exit.
    pub async fn close(&self) {
        self.close_those(|_| true).await.join_all().await;
    }

    async fn close_those(&self, which: impl Fn(&Held) -> bool) -> JoinSet<()> {
        let mut closing = JoinSet::new();
        for slot in &self.slots {
            if let Some(held) = slot.lock().await.take_if(|held| which(held)) {
                closing.spawn(held.session.close());
            }
        }
        closing
    }

    /// The process id of a server that runs.
    pub async fn process_id(&self, server: Server) -> Option<u32> {
        self.slot(server).lock().await.as_ref().and_then(|held| held.session.process_id())
    }

    fn slot(&self, server: Server) -> &Mutex<Option<Held>> {
        // The discriminant is the position in `Server::ALL`; the array has one slot for each.
        &self.slots[server as usize]
    }

    /// The live session's other side, started if need be.
    async fn line(&self, server: Server) -> Result<Line, CallError> {
        let mut slot = self.slot(server).lock().await;
        if let Some(held) = slot.as_mut()
            && held.session.is_alive()
        {
            return Ok(held.line());
        }
        if slot.take().is_some() {
            tracing::warn!(%server, "server has died and is started again");
        }
        let session = Session::start(server, &self.settings)
            .await
            .map_err(|reason| CallError::NotStarted { server, reason })?;
        Ok(slot.insert(Held { session, in_use: Arc::new(()), used: Instant::now() }).line())
    }

    /// Sets a session aside that did not answer in time: it gets no further calls, and its process
    /// may finish what it does before it ends.
    async fn retire(&self, server: Server, fault: &Fault) {
        let mut slot = self.slot(server).lock().await;
        // Another call may have replaced it meanwhile.
        if let Some(held) = slot.take_if(|held| held.session.has(fault)) {
            tokio::spawn(held.session.close());
        }
    }

    /// Refuses what this role, or this class, may not call.
    fn permit(&self, call: &Call) -> Result<Asked, CallError> {
        let Call { server, tool, .. } = call;
        let refuse = |reason: String| Err(CallError::NotStarted { server: *server, reason });
        let class = policy::class(*server, tool);
        let role = self.settings.role;
        match policy::decide(role, *server, tool) {
            Decision::Allow => {}
            Decision::WithOrder => {
                let carried = [Order::META_TEXT, Order::META_SIGNATURE]
                    .into_iter()
                    .all(|key| call.meta.get(key).is_some_and(Value::is_string));
                if !carried {
                    return refuse(format!("{tool} needs the owner's signed order"));
                }
            }
            Decision::DraftOnly => {
                return refuse(format!("{tool} may only be proposed by role {role}, never called"));
            }
            Decision::Refuse => return refuse(format!("role {role} may not call {tool}")),
        }
        if class > self.settings.max_class {
            let most = self.settings.max_class;
            return refuse(format!("{tool} is of class {class}, and at most {most} may be called here"));
        }
        Ok(Asked { server: *server, tool: tool.clone(), class })
    }
}

#[async_trait]
impl ToolCaller for Sessions {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        let asked = self.permit(&call)?;
        let server = call.server;
        let Value::Object(arguments) = call.arguments else {
            let reason = format!("the arguments of {} are no JSON object", call.tool);
            return Err(CallError::NotStarted { server, reason });
        };
        let params = CallToolRequestParams::new(call.tool).with_arguments(arguments);
        let limit = call.timeout.unwrap_or(self.settings.timeout);
        let mut options = PeerRequestOptions::with_timeout(limit);
        options.meta = Some(RequestMetaObject(MetaObject(call.meta)));
        let line = self.line(server).await?;
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let answer = async {
            match line.peer.send_request_with_option(request, options).await {
                Ok(handle) => handle.await_response().await,
                Err(error) => Err(error),
            }
        };
        // After its time limit the SDK tells the server so, and waits until that is written: for
        // ever, when the server does not read.
        let answer = tokio::time::timeout(limit.saturating_add(FAREWELL), answer)
            .await
            .unwrap_or(Err(ServiceError::Timeout { timeout: limit }));
        match answer {
            Ok(ServerResult::CallToolResult(result)) => asked.result(result),
            Ok(_) => Err(asked.failure(&ServiceError::UnexpectedResponse, None)),
            Err(error) => {
                if matches!(error, ServiceError::Timeout { .. }) {
                    self.retire(server, &line.fault).await;
                }
                Err(asked.failure(&error, line.fault.get()))
            }
        }
    }

    async fn end(&self) {
        self.close().await;
    }

    async fn rest(&self, idle: Duration) {
        self.close_those(|held| held.is_idle(idle)).await.detach_all();
    }
}
