//! Invariant 3, the cloud cannot act: what a token may do is its provider's word.

use effects::{Service, Tokens};
use tests::{Machine, World};

/// A value that only these tests use as a token.
const TOKEN: &str = "token-of-these-tests";

const READ: &str = "https://www.googleapis.com/auth/gmail.readonly";

fn cloud(world: &World, folder: &str, url: &str, believed: &str) -> Machine {
    let mail = format!(
        "modes: {{ dry_run: true, mock_data: false }}\n\
         mail: [{{ name: work, address: o@example.com, imap: {{ host: 127.0.0.1, port: 1, security: tls, user: u, \
         auth: xoauth2, granted_scopes: ['{believed}'], token_info: {url:?}, secret: {{ env: MAIL }} }} }}]\n"
    );
    let mut machine = world.machine(folder, "cloud-agent", "cloud-001", &mail);
    machine.environment.insert("MAIL".into(), TOKEN.into());
    machine
}

#[test]
fn invariant_03_a_token_that_may_send_is_refused_whatever_config_yaml_says_of_it() {
    let world = World::quiet();
    let provider = Service::start(Tokens::new(TOKEN, &format!("openid {READ}"))).expect("a provider");
    cloud(&world, "may-read", &provider.url(), READ).ok(&["--once"]);
    assert_eq!(provider.effects(), 1, "it was asked");

    provider.with(|tokens| tokens.scopes = format!("{READ} https://www.googleapis.com/auth/gmail.send"));
    let machine = cloud(&world, "may-send", &provider.url(), READ);
    let said = machine.fails(2, &["--once"]);
    assert!(said.contains("mail account work (imap)") && said.contains("gmail.send"), "{said}");
    assert!(!said.contains(TOKEN), "{said}");
    assert!(!machine.vault().exists(), "nothing was begun");
}

#[test]
fn a_provider_that_cannot_be_asked_leaves_a_warning() {
    let world = World::quiet();
    let provider = Service::start(Tokens::new("another-token", READ)).expect("a provider");
    let machine = cloud(&world, "unknown", &provider.url(), READ);
    let output = machine.run(&["--once"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("could not be asked for") && said.contains("answered 400"), "{said}");
    let machine = cloud(&world, "plain", "http://token.example.com", READ);
    let said = String::from_utf8_lossy(&machine.run(&["--once"]).stderr).into_owned();
    assert!(said.contains("must begin with https://"), "{said}");
}
