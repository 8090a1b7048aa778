//! What `claude` is started with: our servers and no others, the tools that read and draft, and a
//! word against each of its own.

use std::ffi::OsString;
use std::path::PathBuf;

use policy::{Class, Decision, TOOLS};
use serde_json::{Value, json};
use task::{Role, Server};

/// The tool servers of this machine, for a program that starts them itself.
#[derive(Clone, Debug, Default)]
pub struct ToolServers {
    /// Where their programs are.
    pub directory: PathBuf,
    /// `--config` for them.
    pub config: Option<PathBuf>,
    /// `--data` for them.
    pub data: PathBuf,
    /// Environment variables for them, such as `MOCK_DATA`.
    pub environment: Vec<(String, String)>,
    /// An empty folder to be started in.
    pub folder: PathBuf,
}

/// Everything that `claude` can do by itself, as of its documentation: each of these is refused, whatever the
/// owner's own settings allow. What comes to be later is not among the allowed tools and is refused for that.
pub(super) const OWN_TOOLS: &[&str] = &[
    "Agent",
    "AskUserQuestion",
    "Bash",
    "BashOutput",
    "Computer",
    "CronCreate",
    "CronDelete",
    "CronList",
    "Edit",
    "EnterPlanMode",
    "EnterWorktree",
    "ExitPlanMode",
    "ExitWorktree",
    "Glob",
    "Grep",
    "KillBash",
    "KillShell",
    "LS",
    "LSP",
    "ListMcpResourcesTool",
    "Monitor",
    "MultiEdit",
    "NotebookEdit",
    "NotebookRead",
    "PowerShell",
    "PushNotification",
    "Read",
    "ReadMcpResourceTool",
    "RemoteTrigger",
    "ScheduleWakeup",
    "SendMessage",
    "Skill",
    "SlashCommand",
    "Task",
    "TaskCreate",
    "TaskGet",
    "TaskList",
    "TaskOutput",
    "TaskStop",
    "TaskUpdate",
    "TeamCreate",
    "TeamDelete",
    "TodoWrite",
    "ToolSearch",
    "WebFetch",
    "WebSearch",
    "Workflow",
    "Write",
];

fn name(server: Server, tool: &str) -> String {
    format!("mcp__{server}__{tool}")
}

/// The tools that a role may call without anybody's signature.
pub(super) fn allowed(role: Role) -> Vec<String> {
    let free = |tool: &&policy::Tool| {
        tool.class < Class::Dangerous && policy::decide(role, tool.server, tool.name) == Decision::Allow
    };
    TOOLS.iter().filter(free).map(|tool| name(tool.server, tool.name)).collect()
}

/// The tools that are refused by name.
pub(super) fn refused(role: Role) -> Vec<String> {
    let allowed = allowed(role);
    let ours = TOOLS.iter().map(|tool| name(tool.server, tool.name)).filter(|name| !allowed.contains(name));
    OWN_TOOLS.iter().map(|name| (*name).to_owned()).chain(ours).collect()
}

/// The servers in the form that `--mcp-config` takes. They register nothing that acts.
fn servers(tool_servers: &ToolServers, role: Role) -> Value {
    let mut servers = serde_json::Map::new();
    for server in Server::ALL {
        if role == Role::Cloud && policy::local_only(server) {
            continue;
        }
        let mut arguments: Vec<String> = Vec::new();
        if let Some(config) = &tool_servers.config {
            arguments.extend(["--config".to_owned(), config.display().to_string()]);
        }
        arguments.extend(["--data".to_owned(), tool_servers.data.display().to_string()]);
        arguments.extend(["--max-class".to_owned(), Class::Draft.to_string()]);
        let environment: serde_json::Map<String, Value> = tool_servers
            .environment
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect();
        servers.insert(
            server.name().to_owned(),
            json!({
                "command": tool_servers.directory.join(server.binary()).display().to_string(),
                "args": arguments,
                "env": environment,
            }),
        );
    }
    json!({ "mcpServers": servers })
}

/// The arguments. What is asked stands on its stdin: everybody on a machine can read arguments.
pub(super) fn arguments(
    config: &config::ClaudeCode,
    tool_servers: &ToolServers,
    role: Role,
) -> Vec<OsString> {
    let mut all: Vec<OsString> =
        ["-p", "--output-format", "json", "--strict-mcp-config", "--mcp-config"].map(OsString::from).into();
    all.push(servers(tool_servers, role).to_string().into());
    all.extend(["--allowedTools".into(), allowed(role).join(",").into()]);
    all.extend(["--disallowedTools".into(), refused(role).join(",").into()]);
    all.extend(["--max-turns".into(), config.max_turns.to_string().into()]);
    if let Some(model) = &config.model {
        all.extend(["--model".into(), model.into()]);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_or_drafts_is_allowed_and_everything_else_is_refused_by_name() {
        for role in [Role::Cloud, Role::Local, Role::Gold] {
            let (allowed, refused) = (allowed(role), refused(role));
            assert!(allowed.iter().all(|name| name.starts_with("mcp__")), "{allowed:?}");
            for tool in TOOLS {
                let name = name(tool.server, tool.name);
                let free = tool.class < Class::Dangerous
                    && !(role == Role::Cloud && policy::local_only(tool.server));
                assert_eq!((allowed.contains(&name), refused.contains(&name)), (free, !free), "{name}");
            }
            for own in
                ["Bash", "Write", "Edit", "Read", "WebFetch", "Task", "CronCreate", "ToolSearch", "Skill"]
            {
                assert!(refused.iter().any(|name| name == own), "{own}");
            }
        }
    }

    #[test]
    fn the_cloud_is_given_no_server_that_belongs_on_the_owners_machine() {
        let tool_servers =
            ToolServers { directory: "/opt".into(), data: "/data".into(), ..ToolServers::default() };
        let of = |role| {
            servers(&tool_servers, role)["mcpServers"]
                .as_object()
                .expect("servers")
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(of(Role::Cloud), ["email", "odoo", "social"]);
        assert_eq!(of(Role::Local).len(), 5);
        let email = &servers(&tool_servers, Role::Local)["mcpServers"]["email"];
        assert_eq!(email["args"], json!(["--data", "/data", "--max-class", "draft"]));
        assert_eq!(email["command"], "/opt/mcp-email");
    }
}
