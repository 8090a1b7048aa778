//! Tool calls on a session that is kept.

use std::time::Duration;

use mcp_client::{Call, Sessions, Settings, ToolCaller as _};
use policy::Class;
use serde_json::json;
use task::{Role, Server};

use super::Outcome;
use super::lab::{Lab, OrFailed as _};
use super::stats::{Nanos, Times};
use super::table::Row;

const TARGET: Nanos = Nanos::millis(1);

/// Calls that do not count; the first one starts the server.
const WARM_UP: usize = 50;

pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let home = lab.folder("tools")?;
    let config = home.path().join("config.yaml");
    std::fs::write(&config, "modes: { mock_data: true }\n").or_failed("write a configuration")?;
    let data = home.path().join("data");
    let sessions = Sessions::new(Settings {
        directory: lab.bin().to_owned(),
        agent: "local-001".parse().or_failed("name the agent")?,
        role: Role::Local,
        max_class: Class::Draft,
        config: Some(config),
        data,
        environment: vec![("MOCK_DATA".into(), "true".into())],
        timeout: Duration::from_secs(10),
    });
    lab.runtime.block_on(async {
        let call = || Call::new(Server::Email, "list_drafts", json!({}));
        let mut first = Times::default();
        let mut times = Times::default();
        for n in 0..WARM_UP + lab.count(1_000, 500) {
            let start = std::time::Instant::now();
            sessions.call(call()).await.or_failed("call list_drafts")?;
            let took = start.elapsed();
            if n == 0 {
                first.push(took);
            } else if n >= WARM_UP {
                times.push(took);
            }
        }
        sessions.close().await;
        Ok(vec![
            Row::within("MCP tool call on a kept session, p50", times.median(), TARGET),
            Row::reported("MCP tool call on a kept session, p99", times.percentile(99), ""),
            Row::reported("MCP tool call that starts its server", first.median(), ""),
        ])
    })
}
