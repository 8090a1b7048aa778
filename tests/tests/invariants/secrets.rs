//! 7, secrets never enter the vault.

use std::path::Path;
use std::process::Command;

use tests::{Machine, PASSPHRASE, World, files};

/// Everything that a repository holds: every object's bytes, commit messages among them, and the
/// names of its refs.
fn history(repository: &Path) -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(repository).args(arguments).output().expect("git");
        assert!(output.status.success(), "git {arguments:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    git(&["cat-file", "--batch-all-objects", "--batch", "--unordered"]) + &git(&["for-each-ref"])
}

/// What may be nowhere: the passphrase, the passwords, and every line of the private key.
fn secrets(owner: &Machine) -> Vec<String> {
    let key = std::fs::read_to_string(owner.data().join("keys/owner")).expect("the key");
    let mut secrets: Vec<String> = key.lines().filter(|line| line.len() > 20).map(str::to_owned).collect();
    secrets.extend([PASSPHRASE, "hunter2-imap", "hunter3-smtp", "hunter4-model"].map(str::to_owned));
    secrets
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).expect("read")).into_owned()
}

#[test]
fn invariant_07_secrets_never_enter_the_vault() {
    let world = World::new();
    let (mut cloud, mut owner) = (world.cloud(), world.owner());
    // Real accounts whose server is not there: what is said of them must not say their passwords.
    let imap = "imap: { host: 127.0.0.1, port: 1, security: tls, user: u, secret: { env: IMAP } }";
    let smtp = "smtp: { host: 127.0.0.1, port: 1, security: tls, user: u, secret: { env: SMTP } }";
    for (machine, account) in [(&cloud, imap.to_owned()), (&owner, format!("{imap}, {smtp}"))] {
        let mut config = std::fs::read_to_string(machine.config()).expect("config");
        config.push_str(&format!("mail: [{{ name: work, address: owner@example.com, {account} }}]\n"));
        config.push_str("drafter: { llm: { api_key: { env: MODEL } } }\n");
        std::fs::write(machine.config(), config).expect("config");
    }
    for machine in [&mut cloud, &mut owner] {
        machine.environment.insert("IMAP".into(), "hunter2-imap".into());
        machine.environment.insert("MODEL".into(), "hunter4-model".into());
    }
    owner.environment.insert("SMTP".into(), "hunter3-smtp".into());

    let mut said = cloud.ok(&["--once"]);
    said += &cloud.ok(&["--once", "--mock=false"]);
    said += &owner.ok(&["--once"]);
    let waiting = owner.waiting();
    let drafts: Vec<&str> = waiting
        .iter()
        .filter(|task| task["tool"] == "send_email")
        .map(|task| task["id"].as_str().expect("an id"))
        .collect();
    owner.approve(drafts[0]);
    owner.ok(&["reject", drafts[1], "--reason", "no"]);
    let wrong = owner.data().join("wrong");
    std::fs::write(&wrong, "hunter5-wrong").expect("write");
    let digest = owner.digest(drafts[2]);
    let wrong = wrong.display().to_string();
    said += &owner.fails(1, &["approve", drafts[2], "--digest", &digest, "--passphrase-file", &wrong]);
    said += &owner.ok(&["--once"]);
    owner.approve(drafts[2]);
    // Live, at a server that is not there.
    said += &owner.ok(&["--once", "--mock=false", "-vv"]);
    said += &owner.ok(&["status"]);
    cloud.ok(&["--once"]);
    assert!(said.contains("127.0.0.1"), "the accounts were tried: {said}");

    let mut secrets = secrets(&owner);
    secrets.push("hunter5-wrong".into());
    let published = history(&world.remote());
    assert!(published.contains(drafts[0]), "the history is read at all");
    let mut places = vec![("what the programs said".to_owned(), said), ("the remote".to_owned(), published)];
    for machine in [&cloud, &owner] {
        places.push((format!("the git of {}", machine.vault().display()), history(&machine.vault())));
        let files = files(&machine.vault());
        places.extend(files.into_iter().map(|path| (path.display().to_string(), text(&path))));
    }
    for (place, text) in &places {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{place} has {secret:?}");
        }
    }
    for path in files(&owner.data()) {
        for secret in ["hunter2-imap", "hunter3-smtp", "hunter4-model", PASSPHRASE] {
            assert!(!text(&path).contains(secret), "nor is it copied to {}", path.display());
        }
    }
}

/// A model's server that hears the key and refuses it.
fn refusing_model() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for mut stream in listener.incoming().flatten() {
            let mut heard = [0; 65536];
            let count = stream.read(&mut heard).unwrap_or(0);
            let key = String::from_utf8_lossy(&heard[..count]).contains("hunter4-model");
            let status = if key { "401 Unauthorized" } else { "500 No key was heard" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
        }
    });
    port
}

#[test]
fn at_the_level_trace_no_program_says_a_secret() {
    let world = World::new();
    let (mut cloud, mut owner) = (world.cloud(), world.owner());
    let port = refusing_model();
    let account = "imap: { host: 127.0.0.1, port: 1, security: tls, user: u, secret: { env: IMAP } }";
    let mut said = Vec::new();
    for machine in [&mut cloud, &mut owner] {
        let mut config = std::fs::read_to_string(machine.config()).expect("config");
        config.push_str(&format!("mail: [{{ name: work, address: owner@example.com, {account} }}]\n"));
        config.push_str(&format!(
            "drafter: {{ kind: llm, llm: {{ provider: openai, model: m, endpoint: 'http://127.0.0.1:{port}/v1/', retries: 0, api_key: {{ file: key }} }} }}\n"
        ));
        std::fs::write(machine.config(), config).expect("config");
        let key = machine.config().with_file_name("key");
        std::fs::write(&key, "hunter4-model\n").expect("key");
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("chmod");
        machine.environment.insert("IMAP".into(), "hunter2-imap".into());
        machine.environment.insert("RUST_LOG".into(), "trace".into());
    }
    for (machine, arguments) in [
        (&cloud, &["--once"][..]),
        (&cloud, &["--once", "--mock=false"]),
        (&owner, &["--once"]),
        (&owner, &["--once", "-vv"]),
        (&owner, &["status"]),
        (&owner, &["doctor"]),
    ] {
        let output = machine.run(arguments);
        said.push(String::from_utf8_lossy(&output.stdout).into_owned());
        said.push(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let said = said.join("\n");
    assert!(said.contains("HTTP 401"), "the key was sent: {said}");
    for secret in ["hunter2-imap", "hunter4-model"] {
        let line = said.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is said");
    }
}

#[test]
fn a_secret_that_the_owner_types_stays_on_that_machine_and_the_owner_hears_of_it() {
    let world = World::new();
    let (cloud, mut owner) = (world.cloud(), world.owner());
    owner.environment.insert("ODOO_API_KEY".into(), "test-only-Key-7Qx".into());
    cloud.ok(&["--once"]);
    let mut said = owner.ok(&["--once"]);
    let waiting = owner.waiting();
    let id = waiting.iter().find(|task| task["tool"] == "send_email").expect("a mail")["id"].as_str();
    let id = id.expect("an id");
    // The reason is written into the task.
    said += &owner.ok(&["reject", id, "--reason", "the key is test-only-Key-7Qx"]);
    said += &owner.ok(&["--once"]);
    assert!(owner.tasks()[&format!("Rejected/{id}.md")].contains("test-only-Key-7Qx"), "it is here");
    assert!(said.contains("line ") && said.contains("ODOO_API_KEY"), "{said}");
    owner.ok(&["--once"]);
    cloud.ok(&["--once"]);
    let published = history(&world.remote());
    assert!(!published.contains("test-only-Key-7Qx"), "it was pushed");
    assert_eq!(cloud.place(id), format!("Pending_Approval/APPROVE_{id}.md"), "its old version stays there");
    let incidents: Vec<String> =
        cloud.tasks().into_keys().filter(|path| path.contains("ERROR_HEALTH_withheld-local-001-")).collect();
    assert_eq!(incidents.len(), 1, "{incidents:?}");
}
