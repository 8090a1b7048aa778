//! From `main` to the end of stdin.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use policy::Class;
use rmcp::service::{RunningService, ServerInitializeError, serve_server_with_ct};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::{RoleServer, transport::stdio_pipes};
use task::{Server, SystemClock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::check::check;
use crate::service::Service;
use crate::setup::Setup;
use crate::stream::Tolerant;

/// The longest message that is read: a mail with its order is far shorter.
const MAX_LINE: usize = 4 << 20;

#[derive(Parser)]
#[command(about = "An MCP server of the AI Employee: speaks MCP over stdin and stdout.", version)]
struct Cli {
    #[command(flatten)]
    common: daemon::CommonArgs,
    /// Tools above this class do not exist: safe, draft or dangerous
    #[arg(long, value_name = "CLASS", default_value_t = Class::Draft)]
    max_class: Class,
    /// Try the configured accounts out, say what was found, and end; status 1 when something is wrong
    #[arg(long)]
    check: bool,
}

/// The whole of a server binary.
pub fn main(server: Server) -> ExitCode {
    // Five programs of one package: each tells its own name.
    if let Some(status) = daemon::generated(Cli::command().name(server.binary())) {
        return status;
    }
    let matches = Cli::command().name(server.binary()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    daemon::init_logging(&cli.common, "warn");
    daemon::run(server.binary(), daemon::Threads::One, async move {
        let setup = setup(server, &cli)?;
        if cli.check {
            let (text, wrong) = check(server, &setup).await;
            daemon::print(&text)?;
            return match wrong {
                0 => Ok(()),
                _ => Err(daemon::Failure::failed(format!("{wrong} of its accounts cannot be used"))),
            };
        }
        let shutdown = daemon::Shutdown::install()?;
        let service = Service::new(server, &setup);
        let (read, write) = stdio_pipes();
        let outcome = shutdown.drain(serve(service, read, write, shutdown.token())).await;
        outcome.result().unwrap_or(Ok(())).map_err(|error| {
            daemon::Failure::failed("the session could not begin")
                .because(error)
                .hint("this program speaks MCP over stdin and stdout; an MCP client starts it")
        })
    })
}

fn setup(server: Server, cli: &Cli) -> Result<Setup, daemon::Failure> {
    let loaded = daemon::load(daemon::Program::McpServer, &cli.common, &daemon::Flags::default())?;
    let modes = loaded.modes;
    let env = loaded.env;
    Ok(Setup {
        data: loaded.data.root().to_owned(),
        config: loaded.config,
        mock: match server {
            Server::Email | Server::Social => modes.mock_data,
            Server::Odoo => modes.odoo_mock,
            Server::Whatsapp => modes.whatsapp_mock,
            Server::Payment => modes.payment_mock,
        },
        agent: loaded.agent,
        role: loaded.role,
        max_class: cli.max_class,
        clock: Arc::new(SystemClock),
        secrets: Arc::new(move |secret, of| {
            env.secret(secret, of).map_err(|error| daemon::Failure::from(error).to_string())
        }),
    })
}

/// Serves one client until its stream ends or `stop` is cancelled; effects that have begun are
/// seen through first.
pub async fn serve(
    service: Service,
    read: impl AsyncRead + Send + Unpin + 'static,
    write: impl AsyncWrite + Send + Unpin + 'static,
    stop: CancellationToken,
) -> Result<(), ServerInitializeError> {
    let transport = AsyncRwTransport::new_server(read, write).with_max_line_length(MAX_LINE);
    let work = service.work().clone();
    let running: RunningService<RoleServer, Service> =
        match serve_server_with_ct(service, Tolerant::new(transport), stop).await {
            Ok(running) => running,
            // The client left, or was told to, before it said anything: nothing is wrong.
            Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
    if let Err(error) = running.waiting().await {
        tracing::error!(%error, "the session ended early");
    }
    work.close();
    work.wait().await;
    Ok(())
}
