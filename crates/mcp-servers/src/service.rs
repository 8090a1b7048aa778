//! The MCP side of a server: what it lists and how a call is routed.

use std::sync::Arc;

use policy::Class;
use rmcp::ErrorData;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, Implementation, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Map, Value};
use task::{Role, Server};
use tokio_util::task::TaskTracker;

use crate::acting::{Acting, Wish};
use crate::backend::{Backend, backend};
use crate::catalog;
use crate::outcome::{Answer, Failure, result};
use crate::setup::Setup;

/// One of the five servers, ready to be served.
#[derive(Clone)]
pub struct Service {
    server: Server,
    tools: Arc<Vec<Tool>>,
    backend: Arc<dyn Backend>,
    acting: Arc<Acting>,
    work: TaskTracker,
}

impl Service {
    /// The service of `server`.
    pub fn new(server: Server, setup: &Setup) -> Self {
        let backend: Arc<dyn Backend> = backend(server, setup).into();
        // On a cloud machine nothing acts, whatever was asked for on the command line.
        let most = if setup.role == Role::Cloud { Class::Draft } else { Class::Dangerous };
        Self {
            server,
            tools: Arc::new(catalog::tools(server, setup.max_class.min(most))),
            acting: Arc::new(Acting::new(server, setup, backend.clone())),
            backend,
            work: TaskTracker::new(),
        }
    }

    /// The effects under way; they run to their end when nobody waits for them any more.
    pub(crate) fn work(&self) -> &TaskTracker {
        &self.work
    }

    /// Whether the tool exists here: one above the class does not.
    fn has(&self, tool: &str) -> bool {
        self.tools.iter().any(|known| known.name == tool)
    }

    /// Calls a tool without MCP in between, for a caller in the same process.
    pub async fn call(
        &self,
        tool: &str,
        arguments: Value,
        meta: Map<String, Value>,
    ) -> Result<Answer, Failure> {
        match self.has(tool) {
            true => self.run(tool.to_owned(), arguments, meta).await,
            false => Err(Failure::none(format!("unknown tool {tool:?}"))),
        }
    }

    async fn run(&self, tool: String, arguments: Value, meta: Map<String, Value>) -> Result<Answer, Failure> {
        if policy::class(self.server, &tool) == Class::Dangerous {
            let wish = Wish::read(&tool, arguments, &meta)?;
            let effect = self.work.spawn(self.acting.clone().carry_out(wish));
            return effect
                .await
                .unwrap_or_else(|error| Err(Failure::unknown(format!("the tool ended early: {error}"))));
        }
        let account = meta.get(crate::META_ACCOUNT).and_then(Value::as_str);
        self.backend.answer(&tool, arguments, account).await
    }
}

impl ServerHandler for Service {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new(self.server.binary(), env!("CARGO_PKG_VERSION")))
            .with_instructions(
                "Tools of the AI Employee. Reading and drafting are free; whatever has an effect needs the owner's \
                 signed order.",
            )
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.to_vec()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        // The specification's code for an unknown tool; one above the class is just as unknown.
        if !self.has(&request.name) {
            let name: String = request.name.chars().take(80).collect();
            return Err(ErrorData::invalid_params(format!("unknown tool {name:?}"), None));
        }
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let outcome = self.run(request.name.into_owned(), arguments, context.meta.0.0).await;
        if let Err(failure) = &outcome {
            tracing::warn!(server = %self.server, effect = failure.effect.name(), "{failure}");
        }
        Ok(CallToolResponse::Complete(result(outcome)))
    }
}
