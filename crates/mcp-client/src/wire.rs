//! The pipes to a server, one JSON-RPC message per line.
//!
//! The SDK's own transport skips what it cannot read. Here a server that prints anything but MCP
//! is not trusted further: the session ends at once and says what was printed, instead of every
//! call in flight waiting for its time limit.

use std::io;
use std::sync::{Arc, OnceLock};

use rmcp::RoleClient;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::Mutex;

/// The longest line that is read. A mailbox search answers with far less.
const MAX_LINE: usize = 16 << 20;

/// Why a session ended, if it was not asked to.
#[derive(Clone, Default, Debug)]
pub(crate) struct Fault(Arc<OnceLock<String>>);

impl Fault {
    /// Keeps the first reason; later ones follow from it.
    fn set(&self, reason: String) {
        self.0.get_or_init(|| reason);
    }

    /// Whether both are the same session's.
    pub(crate) fn is(&self, other: &Fault) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The reason, if there is one.
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// The client's end of the pipes.
pub(crate) struct Wire<R, W> {
    read: BufReader<R>,
    // Kept over calls: `receive` is cancelled whenever something else happens first.
    line: Vec<u8>,
    write: Arc<Mutex<Option<W>>>,
    fault: Fault,
}

impl<R: AsyncRead + Unpin, W> Wire<R, W> {
    pub(crate) fn new(read: R, write: W, fault: Fault) -> Self {
        Self { read: BufReader::new(read), line: Vec::new(), write: Arc::new(Mutex::new(Some(write))), fault }
    }

    /// Reads up to a line's end; false at the end of the stream or after a fault.
    async fn read_line(&mut self) -> bool {
        let room = (MAX_LINE + 1).saturating_sub(self.line.len()) as u64;
        match (&mut self.read).take(room).read_until(b'\n', &mut self.line).await {
            Err(error) => {
                self.fault.set(format!("its output cannot be read: {error}"));
                false
            }
            Ok(_) if self.line.last() == Some(&b'\n') => true,
            Ok(_) if self.line.len() > MAX_LINE => {
                self.fault.set(format!("it printed a line of more than {MAX_LINE} bytes"));
                false
            }
            Ok(_) => {
                self.fault.set("it closed its output".to_owned());
                false
            }
        }
    }
}

impl<R, W> Transport<RoleClient> for Wire<R, W>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let write = self.write.clone();
        async move {
            let mut bytes = serde_json::to_vec(&message).map_err(io::Error::other)?;
            bytes.push(b'\n');
            let mut write = write.lock().await;
            let pipe = write.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            pipe.write_all(&bytes).await?;
            pipe.flush().await
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            if !self.read_line().await {
                return None;
            }
            let line = std::mem::take(&mut self.line);
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice(&line) {
                Ok(message) => return Some(message),
                Err(_) => {
                    let start = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
                    self.fault.set(format!("it printed something that is no MCP message: {start:?}"));
                    return None;
                }
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        // The server sees the end of its input.
        drop(self.write.lock().await.take());
        Ok(())
    }
}
