//! The promises of verification, tried with keys made here and with OpenSSH itself.

use std::path::Path;
use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::json;
use ssh_key::private::{Ed25519Keypair, PrivateKey};
use ssh_key::{HashAlg, LineEnding, SshSig};
use task::{Mode, Order, Server};

use crate::{Approvers, Expect, Refusal, Verified, verify};

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

fn approvers() -> Approvers {
    let line = key(1).public_key().to_openssh().expect("key");
    Approvers::parse(&format!("owner namespaces=\"ai-employee-order\" {line}\n")).expect("approvers")
}

fn now() -> DateTime<Utc> {
    "2026-02-23T03:20:00Z".parse().expect("time")
}

fn order_text() -> String {
    let order = json!({
        "action": {
            "server": "email", "tool": "send_email", "account": "owner@example.com",
            "arguments": {"to": ["alice@example.com"], "subject": "Re: Q1", "body": "Dear Alice"},
        },
        "approval": "a1", "executor": "local-001", "expires": "2026-02-24T03:15:00Z", "id": "EMAIL_1",
        "issued": "2026-02-23T03:15:00Z", "mode": "live", "vault": "v1",
    });
    serde_json::from_value::<Order>(order).expect("order").to_text().expect("text")
}

fn sign(key: &PrivateKey, namespace: &str, text: &str) -> String {
    let signature = key.sign(namespace, HashAlg::Sha512, text.as_bytes()).expect("signature");
    signature.to_pem(LineEnding::LF).expect("armour")
}

fn signed() -> (String, String) {
    let text = order_text();
    let signature = sign(&key(1), Order::NAMESPACE, &text);
    (text, signature)
}

fn verified() -> Verified {
    let (text, signature) = signed();
    verify(&text, &signature, &approvers(), now()).expect("verified")
}

#[test]
fn invariant_4_only_an_approvers_signature_over_an_order_verifies() {
    let (text, signature) = signed();
    assert_eq!(verified().order().to_text().expect("text"), text);
    assert_eq!(verified().approver(), "owner");
    let check = |text: &str, signature: &str, expected: &str| {
        let refusal = verify(text, signature, &approvers(), now()).expect_err(expected).to_string();
        assert!(refusal.contains(expected), "{refusal}");
    };
    check(&text, "", "not signed");
    check(&text, "\n", "not signed");
    check(&text, "yes, please", "cannot be read");
    check(&text, &"x".repeat(5000), "5000 bytes");
    check(&text, &sign(&key(2), Order::NAMESPACE, &text), "not among the approvers");
    check(&text, &sign(&key(1), "file", &text), "made for \"file\"");
    check(&text, &sign(&key(1), Order::NAMESPACE, "{}"), "changed");
    check(&text.replace("alice", "mallory"), &signature, "changed");
    check(&format!("{text}\n"), &signature, "changed");
    check("{}", &sign(&key(1), Order::NAMESPACE, "{}"), "does not decode");
    let spaced = text.replacen(':', ": ", 1);
    check(&spaced, &sign(&key(1), Order::NAMESPACE, &spaced), "not canonical");
    check(&text, &signature.replace('\n', "\r\n"), "cannot be read");
    check(&text, &format!("Subject: hello\n{signature}"), "cannot be read");
    check(&text, &format!("{signature}{signature}"), "cannot be read");
}

#[test]
fn invariant_4_an_order_is_worth_nothing_in_another_place_mode_or_time() {
    let here = "local-001".parse().expect("agent");
    let there = "local-002".parse().expect("agent");
    let fits = Expect { vault: "v1", executor: &here, mode: Mode::Live, now: now() };
    assert!(verified().permit(&fits).is_ok());
    let check = |expect: Expect<'_>, expected: &str| {
        let refusal = verified().permit(&expect).expect_err(expected).to_string();
        assert!(refusal.contains(expected), "{refusal}");
    };
    let issued: DateTime<Utc> = "2026-02-23T03:15:00Z".parse().expect("time");
    let expires: DateTime<Utc> = "2026-02-24T03:15:00Z".parse().expect("time");
    check(Expect { vault: "v2", ..fits }, "another vault");
    check(Expect { executor: &there, ..fits }, "names local-001 as its executor, not local-002");
    check(Expect { mode: Mode::Dry, ..fits }, "for a live run; this is a dry one");
    check(Expect { now: expires, ..fits }, "expired");
    check(Expect { now: issued - TimeDelta::minutes(2), ..fits }, "not valid before");
    assert!(verified().permit(&Expect { now: expires - TimeDelta::seconds(1), ..fits }).is_ok());
    assert!(verified().permit(&Expect { now: issued - TimeDelta::seconds(30), ..fits }).is_ok());
}

#[test]
fn invariant_4_a_permit_covers_the_signed_call_alone() {
    let here = "local-001".parse().expect("agent");
    let expect = Expect { vault: "v1", executor: &here, mode: Mode::Live, now: now() };
    let permit = verified().permit(&expect).expect("permit");
    let arguments = json!({"body": "Dear Alice", "subject": "Re: Q1", "to": ["alice@example.com"]});
    let account = "owner@example.com";
    assert_eq!(permit.matches_call(Server::Email, "send_email", account, &arguments), Ok(()));
    let check = |server, tool: &str, account: &str, arguments, what| {
        assert_eq!(permit.matches_call(server, tool, account, &arguments), Err(Refusal::OtherCall(what)));
    };
    check(Server::Social, "send_email", account, arguments.clone(), "server");
    check(Server::Email, "draft_email", account, arguments.clone(), "tool");
    check(Server::Email, "send_email", "other@example.com", arguments.clone(), "account");
    for (key, value) in [
        ("body", json!("Dear Alice ")),
        ("to", json!(["alice@example.com", "eve@example.com"])),
        ("bcc", json!(["eve@example.com"])),
        ("cc", json!([])),
        ("subject", json!(null)),
    ] {
        let mut changed = arguments.clone();
        changed[key] = value;
        check(Server::Email, "send_email", account, changed, "arguments");
    }
}

proptest! {
    #[test]
    fn invariant_4_any_changed_byte_is_refused(in_order: bool, at: prop::sample::Index, to: u8) {
        let (text, signature) = signed();
        let mut bytes = if in_order { text.clone() } else { signature.clone() }.into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        // What is not UTF-8 never becomes a text of a task.
        if let Ok(changed) = String::from_utf8(bytes) {
            let (order, signature) = if in_order { (&changed, &signature) } else { (&text, &changed) };
            prop_assert!(verify(order, signature, &approvers(), now()).is_err(), "{changed}");
        }
    }
}

#[test]
fn invariant_4_every_byte_of_order_and_signature_counts() {
    let (text, signature) = signed();
    for (in_order, original) in [(true, &text), (false, &signature)] {
        for at in 0..original.len() {
            for flip in if in_order { &[1][..] } else { &[1, 2, 0x20][..] } {
                let mut bytes = original.clone().into_bytes();
                bytes[at] ^= flip;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                let (order, signature) = if in_order { (&changed, &signature) } else { (&text, &changed) };
                let result = verify(order, signature, &approvers(), now());
                assert!(result.is_err(), "byte {at} of {original:?} became {changed:?}");
            }
        }
    }
}

/// Runs `ssh-keygen` in `folder`; `None` where it is not installed.
fn ssh_keygen(folder: &Path, arguments: &[&str]) -> Option<bool> {
    match Command::new("ssh-keygen").args(arguments).current_dir(folder).output() {
        Ok(output) => Some(output.status.success()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("ssh-keygen: {error}"),
    }
}

#[test]
fn what_ssh_keygen_signs_verifies() {
    let folder = tempfile::tempdir().expect("folder");
    let file = |name: &str| folder.path().join(name);
    if ssh_keygen(folder.path(), &["-q", "-t", "ed25519", "-N", "", "-C", "owner", "-f", "key"]).is_none() {
        return;
    }
    let text = order_text();
    std::fs::write(file("order"), &text).expect("order");
    let public = std::fs::read_to_string(file("key.pub")).expect("public key");
    std::fs::write(file("approvers"), format!("owner namespaces=\"ai-employee-order\" {public}"))
        .expect("approvers");
    for hash in ["hashalg=sha256", "hashalg=sha512"] {
        std::fs::remove_file(file("order.sig")).ok();
        let arguments = ["-Y", "sign", "-O", hash, "-n", Order::NAMESPACE, "-f", "key", "order"];
        assert_eq!(ssh_keygen(folder.path(), &arguments), Some(true), "{hash}");
        let signature = std::fs::read_to_string(file("order.sig")).expect("signature");
        let approvers = Approvers::load(&file("approvers")).expect("approvers");
        let verified = verify(&text, &signature, &approvers, now()).expect(hash);
        assert_eq!(verified.approver(), "owner");
    }
}

/// A signature as a hardware key makes it (PROTOCOL.u2f): over the application, flags and counter
/// as well.
fn hardware(flags: u8) -> (Approvers, String) {
    use ed25519_dalek::Signer as _;
    use sha2::{Digest as _, Sha256};
    use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};
    let secret = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let public = Ed25519PublicKey(secret.verifying_key().to_bytes());
    let key = KeyData::SkEd25519(SkEd25519::from(public));
    let line = ssh_key::PublicKey::from(key.clone()).to_openssh().expect("key");
    let application = match &key {
        KeyData::SkEd25519(key) => key.application().to_owned(),
        _ => unreachable!("it was made above"),
    };
    let data = SshSig::signed_data(Order::NAMESPACE, HashAlg::Sha512, order_text().as_bytes()).expect("data");
    let mut message = Sha256::digest(application).to_vec();
    message.push(flags);
    message.extend(5_u32.to_be_bytes());
    message.extend(Sha256::digest(&data));
    let mut raw = secret.sign(&message).to_bytes().to_vec();
    raw.push(flags);
    raw.extend(5_u32.to_be_bytes());
    let signature = ssh_key::Signature::new(ssh_key::Algorithm::SkEd25519, raw).expect("signature");
    let signature = SshSig::new(key, Order::NAMESPACE, HashAlg::Sha512, signature).expect("sshsig");
    let approvers = Approvers::parse(&format!("owner {line}")).expect("approvers");
    (approvers, signature.to_pem(LineEnding::LF).expect("armour"))
}

#[test]
fn a_hardware_key_signs_when_it_is_touched() {
    let (approvers, signature) = hardware(1);
    assert_eq!(verify(&order_text(), &signature, &approvers, now()).expect("touched").approver(), "owner");
    let changed = order_text().replace("alice", "mallory");
    assert_eq!(verify(&changed, &signature, &approvers, now()).err(), Some(Refusal::Changed));
    let (approvers, signature) = hardware(0);
    assert_eq!(verify(&order_text(), &signature, &approvers, now()).err(), Some(Refusal::NotTouched));
}
