//! Who may know whom: the lines of ARCHITECTURE.md, held against `cargo metadata`.
//!
//! The lines are the four tables below. A new arrow is a decision: it is made by a line here.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Our crates, and for each one the only others of ours that it may name. Arrows point to earlier lines alone, so there is
/// no circle; feature crates do not know each other, except where one is the other's subject and the line says so.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("fault", &[]),
    ("secret-scan", &[]),
    // test services: they judge the programs from outside, and know none of our crates.
    ("effects", &[]),
    ("task", &[]),
    ("config", &["task"]),
    ("vault", &["fault", "task"]),
    ("policy", &["task", "config"]),
    ("router", &["task"]),
    ("signature", &["task"]),
    // daemon takes the inventory of credentials that policy judges, and hands the values to the search for them.
    ("daemon", &["fault", "secret-scan", "task", "config", "policy"]),
    ("claim", &["fault", "task", "config", "vault", "router"]),
    // sync publishes claims: it implements claim's `Publisher`, and the router says which kinds have one claimant.
    // secret-scan says what must not be sent.
    ("sync", &["fault", "secret-scan", "task", "config", "vault", "router", "claim"]),
    ("health", &["task", "config", "vault"]),
    ("watchers", &["fault", "task", "config", "vault"]),
    ("drafter", &["fault", "task", "config", "policy"]),
    ("scheduler", &["fault", "task", "config", "vault"]),
    // the dashboard shows what health found.
    ("reports", &["task", "config", "vault", "health"]),
    // secret-scan says what an order would give away.
    ("approval", &["fault", "secret-scan", "task", "config", "policy", "vault", "signature"]),
    ("mcp-client", &["task", "config", "policy"]),
    ("executor", &["fault", "task", "config", "policy", "vault", "signature", "mcp-client"]),
    ("mcp-servers", &["fault", "task", "config", "policy", "signature", "daemon"]),
    (
        "worker",
        &[
            "fault",
            "task",
            "config",
            "vault",
            "policy",
            "router",
            "daemon",
            "claim",
            "sync",
            "health",
            "watchers",
            "drafter",
            "scheduler",
            "mcp-client",
        ],
    ),
    // both agents are set up with it; it tries the remote out, and writes the files that daemon reads.
    ("onboarding", &["task", "config", "vault", "daemon", "sync", "health", "worker"]),
    (
        "cloud-agent",
        &[
            "task",
            "config",
            "vault",
            "policy",
            "router",
            "daemon",
            "claim",
            "sync",
            "health",
            "watchers",
            "drafter",
            "reports",
            "mcp-client",
            "worker",
            "onboarding",
        ],
    ),
    (
        "local-agent",
        &[
            "task",
            "config",
            "vault",
            "policy",
            "router",
            "signature",
            "daemon",
            "claim",
            "sync",
            "health",
            "watchers",
            "drafter",
            "scheduler",
            "reports",
            "approval",
            "mcp-client",
            "executor",
            "worker",
            "onboarding",
        ],
    ),
    // what it does not let through is an incident, also while no agent runs.
    ("sync-watcher", &["task", "config", "vault", "sync", "health", "daemon"]),
    // all of it together in one process, for tests.
    (
        "simulation",
        &[
            "fault",
            "task",
            "config",
            "vault",
            "router",
            "claim",
            "sync",
            "drafter",
            "signature",
            "approval",
            "mcp-client",
            "executor",
            "worker",
        ],
    ),
    (
        "xtask",
        &[
            "secret-scan",
            "effects",
            "task",
            "config",
            "vault",
            "policy",
            "claim",
            "sync",
            "watchers",
            "mcp-client",
            "approval",
            "simulation",
        ],
    ),
    ("tests", &[]),
];

/// Crates of others that are one crate's business, and whose.
const ONLY_NAMED_BY: &[(&str, &[&str])] = &[
    ("git2", &["sync"]),
    ("rmcp", &["mcp-client", "mcp-servers"]),
    ("ssh-key", &["signature", "approval"]),
    ("rusqlite", &["executor", "mcp-servers"]),
    ("lettre", &["mcp-servers"]),
    ("async-imap", &["watchers", "mcp-servers"]),
    ("genai", &["drafter"]),
    ("clap", &["daemon", "cloud-agent", "local-agent", "sync-watcher", "mcp-servers", "xtask"]),
    ("tracing-subscriber", &["daemon", "cloud-agent", "local-agent", "sync-watcher", "mcp-servers", "xtask"]),
];

/// Crates of ours, and what they must not reach of ours, however far away.
const NEVER_REACHES: &[(&str, &[&str])] = &[
    // The cloud cannot act: it links no code that signs or executes.
    ("cloud-agent", &["executor", "approval", "signature", "mcp-servers"]),
    ("worker", &["executor", "approval", "signature", "mcp-servers"]),
    ("onboarding", &["executor", "approval", "signature", "mcp-servers"]),
    ("sync-watcher", &["executor", "approval", "drafter", "mcp-client", "watchers"]),
    ("mcp-servers", &["vault", "approval", "worker"]),
    ("drafter", &["executor", "vault"]),
    ("executor", &["drafter", "approval"]),
    ("sync", &["drafter", "mcp-client"]),
];

/// Crates of ours, and what they must not reach of others', however far away.
const NEVER_LINKS: &[(&str, &[&str])] = &[
    ("secret-scan", RUNTIME_AND_IO),
    ("task", RUNTIME_AND_IO),
    ("config", RUNTIME_AND_IO),
    ("policy", RUNTIME_AND_IO),
    ("router", RUNTIME_AND_IO),
    ("vault", &["tokio", "socket2", "git2", "rustls", "reqwest"]),
    ("signature", &["tokio", "socket2", "git2", "rustls", "reqwest"]),
    ("claim", &["git2", "rmcp", "reqwest"]),
    // The cloud agent can neither sign, nor speak SMTP.
    ("cloud-agent", &["ssh-key", "ssh-encoding", "lettre"]),
    ("sync-watcher", &["ssh-key", "lettre", "rmcp", "genai", "async-imap"]),
];

const RUNTIME_AND_IO: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "async-std",
    "git2",
    "libgit2-sys",
    "rusqlite",
    "rustls",
    "reqwest",
    "hyper",
    "notify",
    "rustix",
];

/// A crate in the graph. Names are not enough: `signature` is one of ours, and another on the registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Crate {
    Ours(String),
    Others(String),
}

/// What names what, in normal and build dependencies; what only tests use is nobody's concern here.
#[derive(Debug, Default)]
struct Graph(BTreeMap<Crate, BTreeSet<Crate>>);

impl Graph {
    fn read(metadata: &Metadata) -> Self {
        let crates: BTreeMap<_, _> = metadata
            .packages
            .iter()
            .map(|package| {
                let name = package.name.to_string();
                let ours = metadata.workspace_members.contains(&package.id);
                (&package.id, if ours { Crate::Ours(name) } else { Crate::Others(name) })
            })
            .collect();
        let mut graph = Self::default();
        for node in &metadata.resolve.as_ref().expect("cargo resolves the dependencies").nodes {
            let named = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development))
                .map(|dep| crates[&dep.pkg].clone());
            graph.0.entry(crates[&node.id].clone()).or_default().extend(named);
        }
        graph
    }

    fn ours(&self) -> impl Iterator<Item = (&str, &BTreeSet<Crate>)> {
        self.0.iter().filter_map(|(from, to)| match from {
            Crate::Ours(name) => Some((name.as_str(), to)),
            Crate::Others(_) => None,
        })
    }

    /// Everything that a crate reaches, with one way to it.
    fn reached_from(&self, start: &Crate) -> BTreeMap<Crate, String> {
        let mut reached = BTreeMap::new();
        let mut open = vec![(start.clone(), start.name().to_owned())];
        while let Some((at, way)) = open.pop() {
            for next in self.0.get(&at).into_iter().flatten() {
                if !reached.contains_key(next) {
                    let way = format!("{way} → {}", next.name());
                    reached.insert(next.clone(), way.clone());
                    open.push((next.clone(), way));
                }
            }
        }
        reached
    }
}

impl Crate {
    fn name(&self) -> &str {
        match self {
            Self::Ours(name) | Self::Others(name) => name,
        }
    }
}

/// Every arrow that crosses a line.
fn violations(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for (from, named) in graph.ours() {
        let may = MAY_NAME.iter().find(|(name, _)| *name == from).map(|(_, may)| *may);
        if may.is_none() {
            found.push(format!("{from} has no line in the table of our crates"));
        }
        for to in named {
            match to {
                Crate::Ours(to) if !may.unwrap_or_default().contains(&to.as_str()) => {
                    found.push(format!("{from} names {to}"));
                }
                Crate::Others(to) => {
                    let only = ONLY_NAMED_BY.iter().find(|(name, _)| name == to);
                    if only.is_some_and(|(_, by)| !by.contains(&from)) {
                        found.push(format!("{from} names {to}"));
                    }
                }
                Crate::Ours(_) => {}
            }
        }
    }
    let ours = NEVER_REACHES.iter().map(|(from, to)| (from, to, Crate::Ours as fn(String) -> Crate));
    let others = NEVER_LINKS.iter().map(|(from, to)| (from, to, Crate::Others as fn(String) -> Crate));
    for (from, forbidden, kind) in ours.chain(others) {
        let reached = graph.reached_from(&Crate::Ours((*from).to_owned()));
        for to in *forbidden {
            if let Some(way) = reached.get(&kind((*to).to_owned())) {
                found.push(format!("{from} reaches {to}: {way}"));
            }
        }
    }
    found
}

/// Lines about crates that are not there hold nothing; after a renaming they would pass for ever.
fn void_lines(graph: &Graph) -> Vec<String> {
    let ours: BTreeSet<&str> = graph.ours().map(|(name, _)| name).collect();
    let named: BTreeSet<&str> = graph.ours().flat_map(|(_, to)| to).map(Crate::name).collect();
    let tables = MAY_NAME.iter().chain(NEVER_REACHES).flat_map(|(from, to)| std::iter::once(from).chain(*to));
    let starts = NEVER_LINKS.iter().map(|(from, _)| from);
    let owners = ONLY_NAMED_BY.iter().flat_map(|(_, by)| *by);
    let absent = tables.chain(starts).chain(owners).filter(|name| !ours.contains(**name));
    let unused = ONLY_NAMED_BY.iter().map(|(name, _)| name).filter(|name| !named.contains(**name));
    absent.chain(unused).map(|name| format!("{name} is in a table, but not in the workspace")).collect()
}

fn workspace() -> Graph {
    let rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .arg("-vV")
        .output()
        .expect("rustc says what it builds for");
    let text = String::from_utf8(rustc.stdout).expect("rustc speaks UTF-8");
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).expect("a line with the host");
    // For this platform alone: other platforms' crates are not on this machine.
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .other_options(["--filter-platform".to_owned(), host.to_owned()])
        .exec()
        .expect("cargo describes the workspace");
    Graph::read(&metadata)
}

#[test]
fn the_workspace_keeps_to_its_lines() {
    let found = violations(&workspace());
    assert!(found.is_empty(), "arrows across a line:\n{}", found.join("\n"));
}

#[test]
fn every_line_is_about_something_that_exists() {
    let found = void_lines(&workspace());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn arrows_point_to_earlier_lines() {
    for (at, (from, may)) in MAY_NAME.iter().enumerate() {
        for to in *may {
            let line = MAY_NAME.iter().position(|(name, _)| name == to);
            assert!(
                line.is_some_and(|line| line < at),
                "{from} may name {to}, which does not stand above it"
            );
        }
    }
}

/// A graph of `from > to` arrows; a crate of others is written `~name`.
fn graph(arrows: &str) -> Graph {
    let parse = |name: &str| match name.strip_prefix('~') {
        Some(name) => Crate::Others(name.to_owned()),
        None => Crate::Ours(name.to_owned()),
    };
    let mut graph = Graph::default();
    for arrow in arrows.split(", ") {
        let (from, to) = arrow.split_once(" > ").expect("an arrow");
        graph.0.entry(parse(to)).or_default();
        graph.0.entry(parse(from)).or_default().insert(parse(to));
    }
    graph
}

fn check(arrows: &str, expected: &[&str]) {
    assert_eq!(violations(&graph(arrows)), expected, "{arrows}");
}

#[test]
fn allowed_arrows_are_no_violation() {
    check("sync > claim, claim > vault, vault > task", &[]);
    check("sync > ~git2, mcp-client > ~rmcp, daemon > ~clap, local-agent > ~tracing-subscriber", &[]);
    check("local-agent > approval, approval > signature, signature > ~ssh-key", &[]);
    check("vault > ~signature", &[]);
}

#[test]
fn feature_crates_that_know_each_other_are_found() {
    check("watchers > drafter", &["watchers names drafter"]);
    check("health > watchers", &["health names watchers"]);
    check("approval > executor", &["approval names executor"]);
}

#[test]
fn arrows_up_are_found() {
    check("task > vault", &["task names vault"]);
    check("vault > sync", &["vault names sync"]);
    check("tests > task", &["tests names task"]);
}

#[test]
fn a_crate_without_a_line_is_found() {
    check("newcomer > task", &["newcomer has no line in the table of our crates", "newcomer names task"]);
}

#[test]
fn a_cloud_agent_that_can_sign_or_execute_is_found() {
    check(
        "cloud-agent > executor",
        &["cloud-agent names executor", "cloud-agent reaches executor: cloud-agent → executor"],
    );
    check(
        "cloud-agent > worker, worker > approval",
        &[
            "worker names approval",
            "cloud-agent reaches approval: cloud-agent → worker → approval",
            "worker reaches approval: worker → approval",
        ],
    );
    check(
        "cloud-agent > drafter, drafter > ~innocent, ~innocent > ~ssh-key",
        &["cloud-agent reaches ssh-key: cloud-agent → drafter → innocent → ssh-key"],
    );
}

#[test]
fn others_crates_in_the_wrong_hands_are_found() {
    check("vault > ~git2", &["vault names git2", "vault reaches git2: vault → git2"]);
    check("worker > ~rmcp", &["worker names rmcp"]);
    check("sync > ~clap", &["sync names clap"]);
    check("watchers > ~tracing-subscriber", &["watchers names tracing-subscriber"]);
}

#[test]
fn a_pure_crate_that_reaches_a_runtime_is_found() {
    check("router > ~tokio", &["router reaches tokio: router → tokio"]);
    check("policy > ~a, ~a > ~b, ~b > ~rusqlite", &["policy reaches rusqlite: policy → a → b → rusqlite"]);
}

#[test]
fn lines_about_absent_crates_are_found() {
    let found = void_lines(&graph("task > ~serde"));
    assert!(found.contains(&"vault is in a table, but not in the workspace".to_owned()), "{found:?}");
    assert!(found.contains(&"git2 is in a table, but not in the workspace".to_owned()), "{found:?}");
}
