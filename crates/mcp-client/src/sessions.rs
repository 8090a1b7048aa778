//! One kept session per server.

use std::path::PathBuf;
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
    slots: [Mutex<Option<Session>>; Server::ALL.len()],
}

impl Sessions {
    /// Sessions as `settings` say.
    pub fn new(settings: Settings) -> Self {
        Self { settings, slots: Default::default() }
    }

    /// Closes every session: the servers see the end of their input, finish what they are doing
    /// and exit.
    pub async fn close(&self) {
        let mut closing = tokio::task::JoinSet::new();
        for slot in &self.slots {
            if let Some(session) = slot.lock().await.take() {
                closing.spawn(session.close());
            }
        }
        closing.join_all().await;
    }

    /// The process id of a server that runs.
    pub async fn process_id(&self, server: Server) -> Option<u32> {
        self.slot(server).lock().await.as_ref().and_then(Session::process_id)
    }

    fn slot(&self, server: Server) -> &Mutex<Option<Session>> {
        // The discriminant is the position in `Server::ALL`; the array has one slot for each.
        &self.slots[server as usize]
    }

    /// The live session's peer, started if need be.
    async fn peer(&self, server: Server) -> Result<(Peer<RoleClient>, Fault), CallError> {
        let mut slot = self.slot(server).lock().await;
        if let Some(session) = slot.as_mut()
            && session.is_alive()
        {
            return Ok(session.peer());
        }
        if slot.take().is_some() {
            tracing::warn!(%server, "server has died and is started again");
        }
        let session = Session::start(server, &self.settings)
            .await
            .map_err(|reason| CallError::NotStarted { server, reason })?;
        Ok(slot.insert(session).peer())
    }

    /// Sets a session aside that did not answer in time: it gets no further calls, and its process
    /// may finish what it does before it ends.
    async fn retire(&self, server: Server, fault: &Fault) {
        let mut slot = self.slot(server).lock().await;
        // Another call may have replaced it meanwhile.
        if slot.as_ref().is_some_and(|session| session.has(fault))
            && let Some(session) = slot.take()
        {
            tokio::spawn(session.close());
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
        let (peer, fault) = self.peer(server).await?;
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let answer = async {
            match peer.send_request_with_option(request, options).await {
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
                    self.retire(server, &fault).await;
                }
                Err(asked.failure(&error, fault.get()))
            }
        }
    }
}
