//! A transport that survives bad manners before the handshake.
//!
//! The SDK ends a session that begins with a notification, a response, or a request it cannot
//! place; a client that probes would find the server gone. Such messages are ignored or refused
//! here, and the session waits for a proper start.

use rmcp::RoleServer;
use rmcp::model::{ClientRequest, ErrorCode, ErrorData, JsonRpcMessage, ServerJsonRpcMessage};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;

/// Wraps the transport of a server.
pub(crate) struct Tolerant<T> {
    inner: T,
    initialized: bool,
}

impl<T> Tolerant<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, initialized: false }
    }
}

impl<T: Transport<RoleServer> + 'static> Transport<RoleServer> for Tolerant<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.inner.send(message)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            match self.inner.receive().await? {
                JsonRpcMessage::Request(request) => match &request.request {
                    ClientRequest::InitializeRequest(_) => {
                        self.initialized = true;
                        return Some(JsonRpcMessage::Request(request));
                    }
                    ClientRequest::CustomRequest(custom) if !self.initialized => {
                        let method = custom.method.chars().take(80).collect::<String>();
                        let error = ErrorData::new(
                            ErrorCode::METHOD_NOT_FOUND,
                            format!("unknown method {method:?}"),
                            None,
                        );
                        let answer = ServerJsonRpcMessage::error(error, Some(request.id));
                        self.inner.send(answer).await.ok()?;
                    }
                    _ => return Some(JsonRpcMessage::Request(request)),
                },
                // Before `initialize`, and in sessions without it, no notification means anything:
                // an effect that has begun is not cancelled.
                notification @ JsonRpcMessage::Notification(_) if self.initialized => {
                    return Some(notification);
                }
                // This server asks nothing, so nothing answers it.
                JsonRpcMessage::Notification(_) | JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
            }
        }
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.inner.close()
    }
}
