//! Bad input, and what it gets: one clear message that says what, where and what to do; the task
//! concerned is set aside; everything else goes on; nothing is lost.
//!
//! Here through the assembled programs. What a mail server or a disk can do wrong is tried in the
//! crates that speak to them.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use tests::{Machine, World, mail, programs};

/// A machine that drafts, without a key of its own yet.
fn drafting(world: &World, extra: &str) -> Machine {
    let mut machine = world.machine("machine", "local-agent", "gold-001", extra);
    machine.environment.insert("AGENT_ROLE".into(), "gold".into());
    machine
}

fn lines<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.contains(word)).collect()
}

/// Puts a file beside a good one: it is set aside with a reason, said once, and the good one is
/// drafted.
#[track_caller]
fn check_file(path: &str, content: &[u8], aside: &str, reason: &str) {
    let world = World::quiet();
    let machine = drafting(&world, "");
    machine.bring("EMAIL_a_first");
    machine.write(path, content);
    machine.bring("EMAIL_z_last");
    let account = machine.ok(&["--once"]);
    for id in ["EMAIL_a_first", "EMAIL_z_last"] {
        assert_eq!(machine.place(id), format!("Pending_Approval/APPROVE_{id}.md"), "{account}");
    }
    let said = lines(&account, "set aside");
    assert_eq!(said.len(), 1, "said once: {account}");
    assert!(said[0].contains(reason), "{reason:?}: {account}");
    assert!(!machine.vault().join(path).exists(), "it is no longer in the way");
    let kept = std::fs::read(machine.vault().join("Errors").join(aside)).expect(aside);
    assert!(kept == content, "its bytes are kept");
    let note = machine.read(&format!("Errors/{aside}.reason.md"));
    assert!(note.contains("- what:") && note.contains("- why:"), "{note}");
    let again = machine.ok(&["--once"]);
    assert!(lines(&again, "set aside").is_empty(), "and not again: {again}");
    assert!(machine.read("Dashboard.md").contains("1 set aside"), "{}", machine.read("Dashboard.md"));
}

#[test]
fn front_matter_that_does_not_parse() {
    let bad = "Needs_Action/EMAIL_bad.md";
    check_file(bad, b"---\nid: [\n---\ntext\n", "EMAIL_bad.md", "front matter");
    check_file(bad, b"---\nid: EMAIL_bad\nnever closed\n", "EMAIL_bad.md", "---");
    check_file(bad, b"no front matter at all\n", "EMAIL_bad.md", "front matter");
    check_file(bad, mail("EMAIL_else").as_bytes(), "EMAIL_bad.md", "EMAIL_else");
    check_file("Inbox/EMAIL_bad.md", b"---\nid: [\n---\ntext\n", "EMAIL_bad.md", "front matter");
    check_file(
        "Pending_Approval/EMAIL_bad.md",
        mail("EMAIL_bad").as_bytes(),
        "EMAIL_bad.md",
        "Pending_Approval",
    );
}

#[test]
fn yaml_that_would_grow_without_end() {
    let bomb = "---\nid: EMAIL_bad\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n---\n";
    check_file("Needs_Action/EMAIL_bad.md", bomb.as_bytes(), "EMAIL_bad.md", "anchor");
}

#[test]
fn a_name_outside_the_rule() {
    let text = mail("EMAIL_bad");
    check_file("Needs_Action/EMAIL bad.md", text.as_bytes(), "email-bad.md", "letters, digits");
    check_file("Needs_Action/notes.txt", b"notes", "notes.txt", ".md");
    check_file("Needs_Action/EMAIL_a\nb.md", text.as_bytes(), "email-a-b.md", "letters, digits");
    check_file("Needs_Action/EMAIL_\u{202e}dm.exe", text.as_bytes(), "email-dm.exe", ".md");
    let long = "x".repeat(120);
    check_file(
        &format!("Needs_Action/EMAIL_{long}.md"),
        text.as_bytes(),
        &format!("email-{}.md", &long[..84]),
        "100",
    );
}

#[test]
fn a_task_of_ten_megabytes() {
    let big = vec![b'a'; 10 << 20];
    check_file("Needs_Action/EMAIL_bad.md", &big, "EMAIL_bad.md", "vault.max_task_bytes");
    check_file("Inbox/big.md", &big, "big.md", "vault.max_task_bytes");
}

#[test]
fn invalid_utf8() {
    check_file("Needs_Action/EMAIL_bad.md", b"---\nid: EMAIL_bad\n---\n\xff\xfe\n", "EMAIL_bad.md", "UTF-8");
    check_file("Inbox/note.md", b"caf\xe9\n", "note.md", "UTF-8");
}

#[test]
fn a_symlink() {
    let world = World::quiet();
    let machine = drafting(&world, "");
    machine.ok(&["--once"]);
    let outside = world.path().join("outside.md");
    std::fs::write(&outside, mail("EMAIL_link")).expect("write");
    symlink(&outside, machine.vault().join("Needs_Action/EMAIL_link.md")).expect("a link");
    symlink("/etc/passwd", machine.vault().join("Inbox/link.md")).expect("a link");
    machine.bring("EMAIL_good");
    let account = machine.ok(&["--once"]);
    assert_eq!(machine.place("EMAIL_good"), "Pending_Approval/APPROVE_EMAIL_good.md");
    assert_eq!(lines(&account, "symbolic link").len(), 2, "each is said once: {account}");
    assert!(!machine.vault().join("Needs_Action/EMAIL_link.md").is_symlink());
    assert!(machine.read("Errors/EMAIL_link.md.reason.md").contains("outside.md"));
    assert_eq!(
        std::fs::read_to_string(&outside).expect("read"),
        mail("EMAIL_link"),
        "its target is untouched"
    );
    assert!(!machine.holds("root:"), "and what it led to was not read");
    assert!(lines(&machine.ok(&["--once"]), "link").is_empty());
}

#[test]
fn a_file_that_a_person_is_still_writing_is_left_alone() {
    let world = World::quiet();
    let machine = drafting(&world, "");
    machine.reconfigure("quiet_seconds: 0", "quiet_seconds: 3600");
    machine.write("Needs_Action/EMAIL_half.md", "---\nid: EMAIL_half\ntype: em");
    machine.write("Inbox/thought.md", "Half a thou");
    let account = machine.ok(&["--once"]);
    assert!(lines(&account, "set aside").is_empty(), "{account}");
    assert_eq!(machine.place("EMAIL_half"), "Needs_Action/EMAIL_half.md");
    assert!(machine.vault().join("Inbox/thought.md").exists());
}

#[test]
fn an_unknown_key_in_the_configuration() {
    let world = World::quiet();
    for program in ["cloud-agent", "local-agent"] {
        let machine = world.machine(program, program, "agent-001", "approvel:\n  payment_minutes: 5\n");
        let said = machine.fails(2, &["--once"]);
        for part in ["config.yaml", "\"approvel\"", "did you mean \"approval\"?"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!machine.vault().exists(), "nothing was begun");
    }
}

#[test]
fn a_missing_key() {
    let world = World::quiet();
    let machine = drafting(&world, "modes: { dry_run: false }\n");
    machine.bring("EMAIL_1");
    machine.ok(&["--once"]);
    let pending = "Pending_Approval/APPROVE_EMAIL_1.md";
    let before = machine.read(pending);
    let none = format!("sha256:{}", "0".repeat(64));
    let said = machine.fails(1, &["approve", "EMAIL_1", "--digest", &none]);
    assert!(said.contains("run local-agent init"), "{said}");
    machine.init();
    let digest = machine.digest("EMAIL_1");
    let passphrase = machine.passphrase();
    let approve = ["approve", "EMAIL_1", "--digest", &digest, "--passphrase-file", &passphrase];
    let key = machine.data().join("keys/owner");
    // Open to others.
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    let said = machine.fails(1, &approve);
    assert!(said.contains("chmod 600") && said.contains("keys/owner"), "{said}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("chmod");
    // Gone, with nothing else in its stead.
    let away = machine.data().join("owner-away");
    std::fs::rename(&key, &away).expect("move");
    let said = machine.fails(1, &approve);
    assert!(said.contains("keys/owner") && said.contains("ssh-agent"), "{said}");
    assert_eq!(machine.read(pending), before, "nothing was moved or changed");
    // The daemon's part goes on without it.
    machine.bring("EMAIL_2");
    machine.ok(&["--once"]);
    assert_eq!(machine.waiting().len(), 2);
    std::fs::rename(&away, &key).expect("move");
    machine.ok(&approve);
}

#[test]
fn a_wrong_passphrase() {
    let world = World::quiet();
    let machine = world.gold();
    machine.bring("EMAIL_1");
    machine.ok(&["--once"]);
    let before = machine.read("Pending_Approval/APPROVE_EMAIL_1.md");
    let (wrong, digest) = (world.path().join("wrong"), machine.digest("EMAIL_1"));
    std::fs::write(&wrong, "open sesame").expect("write");
    let wrong = wrong.display().to_string();
    let said = machine.fails(1, &["approve", "EMAIL_1", "--digest", &digest, "--passphrase-file", &wrong]);
    assert!(said.contains("passphrase does not open the key") && said.contains("keys/owner"), "{said}");
    assert!(!said.contains("sesame"), "{said}");
    assert_eq!(machine.read("Pending_Approval/APPROVE_EMAIL_1.md"), before);
    let said = machine.fails(1, &["approve", "EMAIL_1", "--digest", &digest, "--passphrase-file", "/none"]);
    assert!(said.contains("/none"), "{said}");
    machine.approve("EMAIL_1");
}

#[test]
fn a_secret_that_is_not_set() {
    let world = World::quiet();
    let mail = "mail: [{ name: work, address: o@example.com, imap: { host: 127.0.0.1, port: 1, security: tls, user: u, secret: { env: WORK_PASSWORD } } }]\n";
    let machine = drafting(&world, mail);
    machine.bring("EMAIL_1");
    let account = machine.ok(&["--once", "--mock=false"]);
    assert!(account.contains("WORK_PASSWORD") && account.contains("work"), "{account}");
    assert!(machine.place("EMAIL_1").starts_with("Pending_Approval/"));
}

#[test]
fn a_refused_push() {
    let world = World::quiet();
    let (cloud, owner) = (world.cloud(), world.owner());
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    let hook = world.remote().join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().expect("a folder")).expect("hooks");
    std::fs::write(&hook, "#!/bin/sh\necho 'this repository is full' >&2\nexit 1\n").expect("a hook");
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    cloud.bring("EMAIL_1");
    owner.bring("WHATSAPP_1");
    for machine in [&cloud, &owner] {
        let said = machine.fails(1, &["--once"]);
        assert!(said.contains("remote.git") && said.contains("this repository is full"), "{said}");
        assert!(!said.contains("could not be reached"), "it was reached: {said}");
    }
    assert_eq!(cloud.place("EMAIL_1"), "Needs_Action/EMAIL_1.md", "not claimed, so not drafted");
    assert!(owner.place("WHATSAPP_1").starts_with("Pending_Approval/"), "what needs no claim goes on");
    std::fs::remove_file(hook).expect("remove");
    for machine in [&cloud, &owner, &cloud] {
        machine.ok(&["--once"]);
    }
    assert_eq!(cloud.place("EMAIL_1"), "Pending_Approval/APPROVE_EMAIL_1.md");
    assert_eq!(cloud.tasks(), owner.tasks());
}

#[test]
fn a_rewound_remote_waits_for_trust_tip() {
    let world = World::quiet();
    let (cloud, owner) = (world.cloud(), world.owner());
    cloud.bring("EMAIL_1");
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    let old = world.git(&["rev-parse", "main"]);
    cloud.bring("EMAIL_2");
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    world.git(&["update-ref", "refs/heads/main", &old]);
    let before = owner.tasks();
    owner.approve("EMAIL_1");
    let said = owner.fails(1, &["--once"]);
    assert!(said.contains(&format!("local-agent trust-tip {old}")), "what to do: {said}");
    assert!(said.contains("set back"), "what happened: {said}");
    assert_eq!(owner.mails_sent(), 1, "a signed order needs no remote");
    assert_eq!(owner.place("EMAIL_2"), "Pending_Approval/APPROVE_EMAIL_2.md");
    assert_eq!(owner.tasks().len(), before.len(), "nothing has gone");
    assert_eq!(world.git(&["rev-parse", "main"]), old, "and nothing was pushed over it");
    cloud.fails(1, &["--once"]);
    assert!(owner.fails(1, &["trust-tip", "abc"]).contains("40 digits"));
    for machine in [&owner, &cloud] {
        let trusted = machine.command("local-agent").args(["trust-tip", &old]).output().expect("trust-tip");
        assert!(trusted.status.success(), "{}", String::from_utf8_lossy(&trusted.stderr));
    }
    for machine in [&owner, &cloud, &owner] {
        machine.ok(&["--once"]);
    }
    assert_eq!(cloud.tasks(), owner.tasks());
    assert!(cloud.place("EMAIL_1").starts_with("Done/"));
    assert_eq!(owner.mails_sent(), 1);
}

/// Answers `server/discover` as a server of 2026-07-28 would; the client's first id is 0.
const DISCOVER: &str = r#"read -r line
echo '{"jsonrpc":"2.0","id":0,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"x","version":"1"}}}}'
"#;

/// A machine whose mail server is this script and whose other servers are the real ones, with an
/// approved mail and an approved WhatsApp message.
struct Faulty {
    _world: World,
    machine: Machine,
    mail_server: PathBuf,
    message: String,
}

impl Faulty {
    /// `$REAL` in the script is the real server, `$0.died` is free for its own use.
    fn new(script: &str) -> Self {
        let world = World::with("watchers: { mock_channels: [whatsapp] }\n");
        let machine = world.gold();
        let servers = world.path().join("servers");
        std::fs::create_dir(&servers).expect("a folder");
        for server in ["mcp-odoo", "mcp-social", "mcp-whatsapp", "mcp-payment"] {
            symlink(programs().join(server), servers.join(server)).expect("a link");
        }
        let mail_server = servers.join("mcp-email");
        let real = programs().join("mcp-email");
        std::fs::write(&mail_server, format!("#!/bin/sh\nREAL={}\n{script}", real.display()))
            .expect("a script");
        std::fs::set_permissions(&mail_server, std::fs::Permissions::from_mode(0o755)).expect("chmod");
        let mcp = format!("mcp: {{ directory: {servers:?}, timeout_seconds: 2 }}\nmodes:");
        machine.reconfigure("modes:", &mcp);
        machine.bring("EMAIL_1");
        machine.ok(&["--once"]);
        let waiting = machine.waiting();
        let message = waiting.iter().find(|task| task["tool"] == "send_whatsapp").expect("a message");
        let message = message["id"].as_str().expect("an id").to_owned();
        machine.approve("EMAIL_1");
        machine.approve(&message);
        Self { _world: world, machine, mail_server, message }
    }

    /// Runs the agent; the other server's order is carried out in any case.
    fn run(&self) -> String {
        let account = self.machine.ok(&["--once"]);
        assert!(self.machine.place(&self.message).starts_with("Done/"), "{account}");
        account
    }
}

#[test]
fn a_tool_server_that_dies_before_it_acted_leaves_the_question_to_the_owner() {
    for death in [
        "exit 3",
        "kill -9 $$",
        "echo Segmentation fault; read -r line",
        "printf '\\377\\000\\n'; read -r line",
    ] {
        // The first time it dies in the middle of the call; asked what came of it, it is well again.
        let script =
            format!("[ -e $0.died ] && exec $REAL \"$@\"\ntouch $0.died\n{DISCOVER}read -r line\n{death}\n");
        let faulty = Faulty::new(&script);
        let account = faulty.run();
        let machine = &faulty.machine;
        assert_eq!(machine.place("EMAIL_1"), "Errors/EMAIL_1.md", "{death}: {account}");
        let said = lines(&account, "EMAIL_1:");
        assert!(said.len() == 1 && said[0].contains("nobody knows"), "{said:?}");
        assert!(said[0].contains("local-agent resolve"), "{said:?}");
        assert!(
            machine.read("Errors/EMAIL_1.md").contains("local-agent resolve EMAIL_1 --sent, or --not-sent")
        );
        machine.ok(&["--once"]);
        assert_eq!(machine.mails_sent(), 0, "it is not sent again blindly");
        // The owner looks, and settles it.
        machine.ok(&["resolve", "EMAIL_1", "--not-sent"]);
        assert_eq!(machine.place("EMAIL_1"), "Pending_Approval/APPROVE_EMAIL_1.md");
        machine.approve("EMAIL_1");
        machine.ok(&["--once"]);
        assert_eq!(machine.mails_sent(), 1);
        assert!(machine.place("EMAIL_1").starts_with("Done/"));
        assert!(faulty.mail_server.exists());
    }
}

#[test]
fn a_tool_server_that_dies_after_it_acted_is_asked_what_came_of_it() {
    // The first answer passes, the second is cut off: the mail is sent and nobody hears of it.
    let faulty =
        Faulty::new("[ -e $0.died ] && exec $REAL \"$@\"\ntouch $0.died\n$REAL \"$@\" | head -n 1\n");
    let account = faulty.run();
    let machine = &faulty.machine;
    assert!(machine.place("EMAIL_1").starts_with("Done/"), "{account}");
    assert_eq!(machine.mails_sent(), 1);
    machine.ok(&["--once"]);
    assert_eq!(machine.mails_sent(), 1);
}

#[test]
fn a_tool_server_that_cannot_be_started_or_never_answers_is_tried_again_later() {
    for (script, part) in [
        ("exit 2\n".to_owned(), "ended with exit status: 2"),
        ("exit 0\n".to_owned(), "/servers/mcp-email "),
        ("echo hello; read -r line\n".to_owned(), "no MCP message"),
        (format!("{DISCOVER}cat > /dev/null\n"), "no answer within"),
    ] {
        let faulty = Faulty::new(&script);
        let account = faulty.run();
        let said = lines(&account, "EMAIL_1:");
        assert!(said.len() == 1 && said[0].contains(part), "{part}: {account}");
        assert!(said[0].contains("tried again"), "{account}");
        let place = faulty.machine.place("EMAIL_1");
        assert_eq!(place, "In_Progress/gold-001/EXECUTE_EMAIL_1.md", "it is kept");
        assert!(faulty.machine.read(&place).contains("BEGIN SSH SIGNATURE"), "with its order");
        assert_eq!(faulty.machine.mails_sent(), 0);
    }
    let faulty = Faulty::new("");
    std::fs::remove_file(&faulty.mail_server).expect("remove");
    let account = faulty.run();
    assert!(lines(&account, "EMAIL_1:")[0].contains("mcp.directory"), "what to do: {account}");
}
