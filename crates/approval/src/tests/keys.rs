//! Making keys and signing with them.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};

use secrecy::SecretString;
use signature::{Approvers, verify};
use task::Order;

use super::{PASSPHRASE, now, passphrase, prepare, signer};
use crate::{KeyFiles, NewKey, SignError, Signer, init};

fn order_text() -> String {
    let order = Order {
        action: super::mail("Dear Alice"),
        approval: "a1".into(),
        executor: "local-001".parse().expect("agent"),
        expires: now() + chrono::TimeDelta::hours(1),
        id: super::id("EMAIL_1"),
        issued: now(),
        mode: task::Mode::Live,
        vault: "v1".into(),
    };
    order.to_text().expect("text")
}

#[test]
fn what_init_makes_is_private_complete_and_signs() {
    let folder = tempfile::tempdir().expect("folder");
    let (files, made) = prepare(folder.path());
    assert_eq!(
        made.created,
        [&files.key, &files.public_key, &files.approvers, &files.vault_id].map(Clone::clone)
    );
    assert!(made.listed && made.fingerprint.starts_with("SHA256:") && made.vault_id.len() == 32);
    assert_eq!(std::fs::metadata(&files.key).expect("key").mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(files.key.parent().expect("keys")).expect("keys").mode() & 0o777, 0o700);
    assert!(Signer::needs_passphrase(&files.key).expect("key"));
    let signature = signer(&files).sign(&order_text()).expect("signature");
    let approvers = Approvers::load(&files.approvers).expect("approvers");
    assert_eq!(verify(&order_text(), &signature, &approvers, now()).expect("verified").approver(), "owner");
}

#[test]
fn init_again_overwrites_nothing_and_makes_what_is_missing() {
    let folder = tempfile::tempdir().expect("folder");
    let (files, made) = prepare(folder.path());
    let read = |path| std::fs::read(path).expect("file");
    let (key, approvers) = (read(&files.key), read(&files.approvers));
    let again = init(&files, "owner", || panic!("there is a key")).expect("again");
    assert!(again.created.is_empty() && again.vault_id == made.vault_id);
    std::fs::remove_file(&files.public_key).expect("remove");
    std::fs::remove_file(&files.approvers).expect("remove");
    let again = init(&files, "owner", || panic!("there is a key")).expect("again");
    assert_eq!(again.created, [files.public_key.clone(), files.approvers.clone()]);
    assert!(again.listed && again.fingerprint == made.fingerprint);
    assert_eq!((read(&files.key), read(&files.approvers)), (key, approvers));
}

#[test]
fn an_empty_passphrase_needs_to_be_asked_for() {
    let folder = tempfile::tempdir().expect("folder");
    let files = KeyFiles::in_data(folder.path());
    let error = init(&files, "owner", || Ok(NewKey::Passphrase(SecretString::from("")))).expect_err("empty");
    assert!(error.to_string().contains("passphrase is empty"), "{error}");
    assert!(!files.key.exists());
    init(&files, "owner", || Ok(NewKey::Unprotected)).expect("init");
    assert!(!Signer::needs_passphrase(&files.key).expect("key"));
    assert!(Signer::key_file(&files.key, None).sign("x").is_ok());
}

#[test]
fn a_key_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().expect("folder");
    let (files, _) = prepare(folder.path());
    let check = |signer: Signer, expected: &str| {
        let error = signer.sign("x").expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    };
    let wrong = Some(SecretString::from("wrong"));
    check(Signer::key_file(&files.key, wrong), "passphrase does not open the key");
    check(Signer::key_file(&files.key, None), "needs its passphrase");
    check(Signer::key_file(folder.path().join("none"), None), "local-agent init makes one");
    check(Signer::key_file(&files.approvers, None), "can be read by others");
    std::fs::set_permissions(&files.approvers, PermissionsExt::from_mode(0o600)).expect("chmod");
    check(Signer::key_file(&files.approvers, None), "cannot be used");
    check(Signer::agent(folder.path().join("none"), &files.public_key), "did not sign");
}

/// `None` where OpenSSH is not installed.
fn run(program: &str, arguments: &[&str], input: &str) -> Option<bool> {
    let spawned = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match spawned {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        other => other.expect(program),
    };
    child.stdin.take().expect("stdin").write_all(input.as_bytes()).expect("input");
    Some(child.wait().expect(program).success())
}

#[test]
fn ssh_keygen_verifies_what_is_signed_here() {
    let folder = tempfile::tempdir().expect("folder");
    let (files, _) = prepare(folder.path());
    let signature = signer(&files).sign(&order_text()).expect("signature");
    let path = folder.path().join("order.sig");
    std::fs::write(&path, signature).expect("signature");
    let text = |path: &std::path::Path| path.to_str().expect("path").to_owned();
    let (approvers, path) = (text(&files.approvers), text(&path));
    let arguments = ["-Y", "verify", "-f", &approvers, "-I", "owner", "-n", Order::NAMESPACE, "-s", &path];
    assert!(matches!(run("ssh-keygen", &arguments, &order_text()), None | Some(true)));
    assert!(matches!(run("ssh-keygen", &arguments, "something else"), None | Some(false)));
    // OpenSSH opens the key file with the same passphrase.
    let key = text(&files.key);
    assert!(matches!(run("ssh-keygen", &["-y", "-P", PASSPHRASE, "-f", &key], ""), None | Some(true)));
}

/// Ends with the test, also with one that fails.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        self.0.kill().expect("kill");
        self.0.wait().expect("wait");
    }
}

#[test]
fn an_ssh_agent_signs_with_a_key_it_holds() {
    let folder = tempfile::tempdir().expect("folder");
    let owner = folder.path().join("elsewhere");
    let elsewhere = KeyFiles::in_data(&owner);
    init(&elsewhere, "owner", || Ok(NewKey::Unprotected)).expect("the key that the agent gets");
    let socket = folder.path().join("agent.sock");
    let agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn();
    let Ok(agent) = agent else { return };
    let mut agent = Agent(agent);
    while !socket.exists() && agent.0.try_wait().expect("agent").is_none() {
        std::thread::yield_now();
    }
    let added = Command::new("ssh-add")
        .args(["-q".as_ref(), elsewhere.key.as_os_str()])
        .env("SSH_AUTH_SOCK", &socket)
        .stderr(Stdio::null())
        .status()
        .expect("ssh-add");
    assert!(added.success());

    let files = KeyFiles::in_data(&folder.path().join("data"));
    let public = std::fs::read_to_string(&elsewhere.public_key).expect("public key");
    let made = init(&files, "owner", || Ok(NewKey::Elsewhere(public))).expect("init");
    assert!(made.listed && !files.key.exists());
    let signature = Signer::agent(&socket, &files.public_key).sign(&order_text()).expect("signature");
    let approvers = Approvers::load(&files.approvers).expect("approvers");
    assert!(verify(&order_text(), &signature, &approvers, now()).is_ok());

    let (stranger, _) = prepare(&folder.path().join("stranger"));
    let error = Signer::agent(&socket, &stranger.public_key).sign("x").expect_err("not its key");
    assert!(error.to_string().contains("has not the key"), "{error}");
}

#[test]
fn an_agent_that_answers_garbage_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let (files, _) = prepare(folder.path());
    for (at, answer) in
        [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x02\x0e\x00", b"\0\0\0\0", b"\0\0\0\x09\x0e\0\0\0\x04junk"]
            .into_iter()
            .enumerate()
    {
        let socket = folder.path().join(format!("agent{at}"));
        let listener = UnixListener::bind(&socket).expect("listen");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("accept");
            stream.read_exact(&mut [0; 64]).expect("request");
            stream.write_all(answer).expect("answer");
        });
        let error = Signer::agent(&socket, &files.public_key).sign("x").expect_err("garbage");
        assert!(matches!(error, SignError::Agent { .. }), "{error}");
        server.join().expect("server");
    }
}

#[test]
fn an_agents_answer_is_read_up_to_its_greatest_length_and_no_further() {
    let folder = tempfile::tempdir().expect("folder");
    let (files, _) = prepare(folder.path());
    // Each says "declined" and is padded.
    for (length, expected) in
        [(64 * 1024, "has not the key"), (64 * 1024 + 1, "does not follow the protocol")]
    {
        let socket = folder.path().join(format!("agent{length}"));
        let listener = UnixListener::bind(&socket).expect("listen");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("accept");
            stream.read_exact(&mut [0; 64]).expect("request");
            let mut answer = u32::try_from(length).expect("length").to_be_bytes().to_vec();
            answer.resize(4 + length, 0);
            answer[4] = 5;
            // Whoever refuses it at its first bytes has hung up by now.
            let _ = stream.write_all(&answer);
        });
        let error =
            Signer::agent(&socket, &files.public_key).sign("x").expect_err("no signature").to_string();
        assert!(error.contains(expected), "{length}: {error}");
        server.join().expect("server");
    }
}

#[test]
fn a_saved_key_has_the_fingerprint_of_the_key_whichever_half_it_is() {
    let folder = tempfile::tempdir().expect("folder");
    let (files, made) = prepare(folder.path());
    for path in [&files.key, &files.public_key] {
        let text = SecretString::from(std::fs::read_to_string(path).expect("read"));
        assert_eq!(crate::fingerprint(path, &text).expect("fingerprint"), made.fingerprint);
    }
    let error =
        crate::fingerprint(&files.key, &SecretString::from("no key")).expect_err("no key").to_string();
    assert!(error.contains("cannot be used"), "{error}");
}

#[test]
fn a_vaults_id_is_one_word_of_at_most_a_hundred_characters() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("vault-id");
    for (text, expected) in [
        ("v1\n".to_owned(), Some("v1".to_owned())),
        ("x".repeat(100), Some("x".repeat(100))),
        ("x".repeat(101), None),
        ("x".repeat(500), None),
        ("two words".into(), None),
        ("\n".into(), None),
    ] {
        std::fs::write(&path, &text).expect("write");
        assert_eq!(crate::read_vault_id(&path).ok(), expected, "{text}");
    }
}

#[test]
fn two_inits_at_once_agree() {
    let folder = tempfile::tempdir().expect("folder");
    let files = KeyFiles::in_data(folder.path());
    let made: Vec<_> = std::thread::scope(|scope| {
        let both =
            [0, 1].map(|_| scope.spawn(|| init(&files, "owner", || Ok(NewKey::Unprotected)).expect("init")));
        both.map(|thread| thread.join().expect("thread")).into()
    });
    assert_eq!((&made[0].vault_id, &made[0].fingerprint), (&made[1].vault_id, &made[1].fingerprint));
    assert!(made.iter().all(|made| made.listed));
    let again = init(&files, "owner", passphrase).expect("again");
    assert_eq!(again.fingerprint, made[0].fingerprint);
}

#[test]
fn any_name_makes_a_list_that_can_be_used() {
    for (name, principal) in [("The Owner", "the-owner"), ("a,b *\"!\n", "a-b"), ("", "x"), ("Zoë", "zoe")] {
        let folder = tempfile::tempdir().expect("folder");
        let files = KeyFiles::in_data(folder.path());
        assert!(init(&files, name, || Ok(NewKey::Unprotected)).expect("init").listed);
        let signature = Signer::key_file(&files.key, None).sign(&order_text()).expect("signature");
        let approvers = Approvers::load(&files.approvers).expect("approvers");
        assert_eq!(verify(&order_text(), &signature, &approvers, now()).expect(name).approver(), principal);
    }
}
