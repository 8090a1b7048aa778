//! 3, the cloud cannot act; 4, nothing leaves unsigned; 5, at most once.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Machine, World};

#[test]
fn invariant_03_the_cloud_cannot_act() {
    let world = World::quiet();
    let smtp = "mail: [{ name: work, address: owner@example.com, smtp: { host: localhost, port: 465, security: tls, user: u, secret: { env: UNSET } } }]\n";
    let mut cloud = world.machine("cloud-machine", "cloud-agent", "cloud-001", &(world.synced() + smtp));
    cloud.environment.insert("SMTP_PASSWORD".into(), "hunter2".into());
    // It makes the data directory before it looks at what is in it.
    cloud.fails(2, &["--once"]);
    std::fs::write(cloud.data().join("keys/owner"), "a key").expect("a key");
    let dotenv = cloud.config().with_file_name(".env");
    std::fs::write(&dotenv, "WHATSAPP_TOKEN=hunter3\nWISE_API_KEY=hunter4\nLINKEDIN_ACCESS_TOKEN=hunter5\n")
        .expect(".env");

    for arguments in [&["--once"][..], &[]] {
        let mut agent = cloud.start(arguments);
        assert_eq!(agent.end().code(), Some(2));
        let said = agent.said();
        for finding in [
            "mail account work (smtp)",
            "environment variable SMTP_PASSWORD",
            "keys/owner",
            "WHATSAPP_TOKEN",
            "WISE_API_KEY",
            "LINKEDIN_ACCESS_TOKEN",
        ] {
            assert_eq!(said.matches(finding).count(), 1, "{finding}: {said}");
        }
        assert!(!said.contains("hunter"), "and says no secret: {said}");
    }
    assert!(!cloud.vault().exists(), "nothing was begun");

    // Without them it works, so it was they that it refused.
    std::fs::remove_file(dotenv).expect("remove");
    std::fs::remove_file(cloud.data().join("keys/owner")).expect("remove");
    cloud.environment.clear();
    let config = std::fs::read_to_string(cloud.config()).expect("config").replace(smtp, "");
    std::fs::write(cloud.config(), config).expect("config");
    cloud.ok(&["--once"]);
}

#[test]
fn invariant_03_a_token_that_may_send_is_refused_and_one_that_may_read_is_not() {
    let world = World::quiet();
    let with = |folder: &str, scope: &str| {
        let mail = format!(
            "mail: [{{ name: work, address: o@example.com, imap: {{ host: localhost, port: 993, security: tls, user: u, auth: xoauth2, granted_scopes: ['{scope}'], secret: {{ env: T }} }} }}]\n"
        );
        world.machine(folder, "cloud-agent", "cloud-001", &mail)
    };
    let said = with("may-send", "https://mail.google.com/").fails(2, &["--once"]);
    assert!(said.contains("https://mail.google.com/") && said.contains("work"), "{said}");
    with("may-read", "https://www.googleapis.com/auth/gmail.readonly").ok(&["--once"]);
}

#[test]
fn invariant_03_the_clouds_tool_servers_have_no_tool_that_acts() {
    let world = World::quiet();
    for server in ["mcp-email", "mcp-odoo", "mcp-social", "mcp-whatsapp", "mcp-payment"] {
        let mut cloud = world.machine(server, "cloud-agent", "cloud-001", "");
        cloud.environment.insert("AGENT_ROLE".into(), "cloud".into());
        let listed = Server::start(&cloud, server).ask("tools/list", json!({}));
        let tools = listed["result"]["tools"].as_array().expect("tools");
        for tool in tools {
            let name = tool["name"].as_str().expect("a name");
            let acts =
                name.starts_with("send_") || name.starts_with("initiate_") || name.starts_with("post_");
            assert!(!acts, "{server} offers {name} on a cloud machine");
        }
    }
}

/// A tool server, spoken to as a client of 2025-11-25 would, with every class asked for.
struct Server {
    child: std::process::Child,
    out: BufReader<std::process::ChildStdout>,
    id: u32,
}

impl Server {
    fn start(machine: &Machine, program: &str) -> Self {
        let mut child = machine
            .command(program)
            .args(["--max-class", "dangerous"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let mut server = Self { child, out, id: 0 };
        let client = json!({ "name": "test", "version": "1" });
        let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        server.ask("initialize", hello);
        server.tell(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        server
    }

    fn tell(&mut self, message: &Value) {
        let input = self.child.stdin.as_mut().expect("its input");
        writeln!(input, "{message}").expect("write to the server");
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        let id = self.id;
        self.tell(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        let mut line = String::new();
        self.out.read_line(&mut line).expect("an answer");
        serde_json::from_str(&line).expect("JSON")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Drafts of these ids, waiting for the owner.
fn drafted(machine: &Machine, ids: &[&str]) {
    ids.iter().for_each(|id| machine.bring(id));
    machine.ok(&["--once"]);
    for id in ids {
        assert_eq!(machine.place(id), format!("Pending_Approval/APPROVE_{id}.md"));
    }
}

fn executable(id: &str) -> String {
    format!("Needs_Action/EXECUTE_{id}.md")
}

/// The lines of a task that hold order and signature.
fn order_of(text: &str) -> &str {
    let (from, to) = (text.find("\norder: ").expect("an order"), text.find("\ndecided_at:").expect("an end"));
    &text[from..to]
}

#[test]
fn invariant_04_nothing_leaves_unsigned() {
    let world = World::quiet();
    let machine = world.gold();
    let signed = ["EMAIL_good", "EMAIL_tampered", "EMAIL_swapped_a", "EMAIL_swapped_b", "EMAIL_renamed"];
    drafted(&machine, &signed);
    drafted(&machine, &["EMAIL_unsigned", "EMAIL_stolen", "EMAIL_garbled", "EMAIL_dry"]);
    signed.iter().for_each(|id| machine.approve(id));

    // The action in the file is changed after it was signed.
    let text = machine.read(&executable("EMAIL_tampered"));
    machine
        .write(&executable("EMAIL_tampered"), text.replace("    - dan@example.com", "    - eve@example.com"));
    // Two good orders change places.
    let (a, b) = (machine.read(&executable("EMAIL_swapped_a")), machine.read(&executable("EMAIL_swapped_b")));
    machine.write(&executable("EMAIL_swapped_a"), a.replace(order_of(&a), order_of(&b)));
    machine.write(&executable("EMAIL_swapped_b"), b.replace(order_of(&b), order_of(&a)));
    // A good order under another task's name, with the order's own id changed to match.
    let text = machine.read(&executable("EMAIL_renamed")).replace("EMAIL_renamed", "EMAIL_another");
    machine.write(&executable("EMAIL_another"), text);
    std::fs::remove_file(machine.vault().join(executable("EMAIL_renamed"))).expect("remove");
    // No order at all: a file that somebody dragged.
    let pending = |id: &str| machine.vault().join(format!("Pending_Approval/APPROVE_{id}.md"));
    std::fs::rename(pending("EMAIL_unsigned"), machine.vault().join(executable("EMAIL_unsigned")))
        .expect("drag");
    // An order that says all the right things, signed with somebody else's key.
    let mut thief = world.machine("thief", "local-agent", "gold-001", "modes: { dry_run: false }\n");
    thief.environment.insert("AGENT_ROLE".into(), "gold".into());
    thief.init();
    std::fs::copy(machine.data().join("vault-id"), thief.data().join("vault-id")).expect("the vault's id");
    thief.write(
        "Pending_Approval/APPROVE_EMAIL_stolen.md",
        std::fs::read(pending("EMAIL_stolen")).expect("read"),
    );
    thief.approve("EMAIL_stolen");
    std::fs::remove_file(pending("EMAIL_stolen")).expect("remove");
    machine.write(&executable("EMAIL_stolen"), thief.read(&executable("EMAIL_stolen")));
    // A signature with one letter changed.
    machine.approve("EMAIL_garbled");
    let text = machine.read(&executable("EMAIL_garbled"));
    let at = text.find("-----END SSH").expect("a signature") - 20;
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    machine.write(&executable("EMAIL_garbled"), format!("{}{other}{}", &text[..at], &text[at + 1..]));
    // A rehearsal's order.
    let digest = machine.digest("EMAIL_dry");
    machine.ok(&[
        "approve",
        "EMAIL_dry",
        "--digest",
        &digest,
        "--passphrase-file",
        &machine.passphrase(),
        "--dry-run",
    ]);

    let account = machine.ok(&["--once"]);
    let sent = machine.sent();
    assert_eq!(sent.len(), 1, "{account}\n{sent:#?}");
    assert_eq!(sent[0]["subject"], "Re: Question EMAIL_good");
    assert!(machine.place("EMAIL_good").starts_with("Done/"));
    let refused = [
        "EMAIL_tampered",
        "EMAIL_swapped_a",
        "EMAIL_swapped_b",
        "EMAIL_another",
        "EMAIL_unsigned",
        "EMAIL_stolen",
        "EMAIL_garbled",
    ];
    for id in refused {
        assert_eq!(machine.place(id), format!("Errors/{id}.md"), "{account}");
        let lines: Vec<&str> = account.lines().filter(|line| line.starts_with(&format!("  {id}:"))).collect();
        assert!(lines.len() == 1 && lines[0].contains("refused"), "said once: {lines:?}");
        assert!(machine.read(&format!("Errors/{id}.md")).contains("order refused"), "and in the file");
    }
    assert_eq!(machine.place("EMAIL_dry"), executable("EMAIL_dry"), "a rehearsal's order waits");
    assert!(machine.ok(&["status"]).contains("EMAIL_dry waits: its order is dry"));

    let again = machine.ok(&["--once"]);
    assert_eq!(machine.mails_sent(), 1);
    refused.iter().for_each(|id| assert!(!again.contains(id), "nothing is said twice: {again}"));
    machine.ok(&["--once", "--dry-run"]);
    assert!(machine.place("EMAIL_dry").starts_with("Done/"));
    assert_eq!(machine.mails_sent(), 1, "a rehearsal sends nothing");

    // The executed order once more, in a file as it was before.
    let used = machine.read(&machine.place("EMAIL_good"));
    machine.write(&executable("EMAIL_good"), &used);
    let account = machine.ok(&["--once"]);
    assert!(account.contains("used before"), "{account}");
    assert_eq!(machine.mails_sent(), 1);
    machine.ok(&["log", "verify"]);
}

#[test]
fn invariant_04_the_server_with_the_credential_asks_for_the_order_itself() {
    let world = World::quiet();
    let machine = world.gold();
    drafted(&machine, &["EMAIL_1", "EMAIL_2"]);
    machine.approve("EMAIL_1");
    let text = machine.read(&executable("EMAIL_1"));
    let quoted = text.lines().find_map(|line| line.strip_prefix("order: '")).expect("an order");
    let order = quoted.trim_end_matches('\'').replace("''", "'");
    let signature: String = text
        .lines()
        .skip_while(|line| !line.contains("BEGIN SSH"))
        .take_while(|line| line.starts_with("  "))
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    let parsed: Value = serde_json::from_str(&order).expect("JSON");
    let arguments = &parsed["action"]["arguments"];
    let mut elsewhere = arguments.clone();
    elsewhere["to"] = json!(["eve@example.com"]);
    let signed = json!({ "ai-employee/order": order, "ai-employee/signature": signature });
    let altered =
        json!({ "ai-employee/order": order.replace("dan@", "eve@"), "ai-employee/signature": signature });

    let mut server = Server::start(&machine, "mcp-email");
    let mut call = |arguments: &Value, meta: &Value| {
        let params = json!({ "name": "send_email", "arguments": arguments, "_meta": meta });
        server.ask("tools/call", params)["result"].clone()
    };
    for (arguments, meta) in [
        (arguments, &json!({})),
        (arguments, &json!({ "ai-employee/order": order })),
        (&elsewhere, &signed),
        (&elsewhere, &altered),
    ] {
        let result = call(arguments, meta);
        assert_eq!(result["isError"], true, "{result}");
        assert_eq!(result["structuredContent"]["effect"], "none", "{result}");
    }
    assert_eq!(machine.mails_sent(), 0);
    // With order and signature it sends, so it was their absence that it refused.
    let result = call(arguments, &signed);
    assert_ne!(result["isError"], true, "{result}");
    assert_eq!(machine.mails_sent(), 1);
}

/// When the agent is killed, after the order was taken up.
const MOMENTS: [u64; 10] = [0, 1, 3, 6, 10, 15, 25, 40, 60, 90];

#[test]
fn invariant_05_at_most_once() {
    let world = World::quiet();
    let machine = world.gold();
    let ids: Vec<String> = MOMENTS.iter().map(|ms| format!("EMAIL_after_{ms}_ms")).collect();
    drafted(&machine, &ids.iter().map(String::as_str).collect::<Vec<_>>());
    let mut cut_off = 0;
    for (id, moment) in ids.iter().zip(MOMENTS) {
        machine.approve(id);
        let ready = machine.vault().join(executable(id));
        let mut agent = machine.start(&["--once"]);
        while ready.exists() && !agent.has_ended() {
            std::hint::spin_loop();
        }
        let taken_up = Instant::now();
        while taken_up.elapsed() < Duration::from_millis(moment) {
            std::hint::spin_loop();
        }
        cut_off += usize::from(!agent.has_ended());
        agent.kill();

        machine.ok(&["--once"]);
        machine.ok(&["--once"]);
        let subject = format!("Re: Question {id}");
        let sent = machine.sent().iter().filter(|mail| mail["subject"] == *subject).count();
        let place = machine.place(id);
        if place.starts_with("Done/") {
            assert_eq!(sent, 1, "{id} is done and was sent {sent} times");
        } else {
            assert_eq!(place, format!("Errors/{id}.md"));
            assert!(machine.read(&place).contains("nobody knows"), "{}", machine.read(&place));
            assert!(sent <= 1, "{id} was sent {sent} times");
        }
    }
    assert!(cut_off > 0, "no run was cut off; this test saw nothing");
    machine.ok(&["log", "verify"]);
}
