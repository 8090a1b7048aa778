//! Secrets that must not leave, each in one of the ways in which text commonly travels.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fastrand::Rng;

const ALPHANUMERIC: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Values that this machine holds itself, as `config.yaml` would name them. Nothing opens with them.
pub(super) struct Held {
    pub(super) name: &'static str,
    pub(super) value: String,
}

/// A fresh set: a password that a person chose, keys, a token, a key file.
pub(super) fn held(chance: &mut Rng) -> Vec<Held> {
    let value = |name, value| Held { name, value };
    let (a, b, c) = (letters(chance, 28), letters(chance, 40), letters(chance, 64));
    vec![
        value("mail account work (imap)", format!("Grüner-Tee+{}", chance.u32(1000..9999))),
        value("mail account work (smtp)", format!("{}/{}+{}", &a[..8], &a[8..18], &a[18..])),
        value("odoo", hex(b.as_bytes())[..40].to_owned()),
        value("payment", format!("{}:{}", &b[..8], &b[8..])),
        value("drafter", format!("{{\"type\": \"service_account\",\n  \"key\": \"{c}\"}}\n")),
    ]
}

/// How a secret is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Spelling {
    Plain,
    Base64,
    Hex,
    Url,
}

/// Where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Spot {
    Body,
    Name,
    Message,
}

/// One secret, somewhere, somehow.
pub(super) struct Plant {
    pub(super) spot: Spot,
    pub(super) spelling: Spelling,
    pub(super) what: &'static str,
    /// As it is written, without what is around it.
    pub(super) spelled: String,
    /// What could be the name of a file.
    pub(super) text: String,
}

impl std::fmt::Display for Plant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {:?}, in a {:?}", self.what, self.spelling, self.spot)
    }
}

const SPELLINGS: [Spelling; 4] = [Spelling::Plain, Spelling::Base64, Spelling::Hex, Spelling::Url];

/// The case of that number: of five, three stand in contents, one in a name, one in a message.
pub(super) fn plant(number: u64, held: &[Held], chance: &mut Rng) -> Plant {
    let spot = match number % 5 {
        3 => Spot::Name,
        4 => Spot::Message,
        _ => Spot::Body,
    };
    let spelling = SPELLINGS[usize::try_from(number / 5).unwrap_or_default() % SPELLINGS.len()];
    loop {
        let (what, secret) = secret(held, chance);
        let spelled = spell(&secret, spelling, spot);
        let text = around(&spelled, chance);
        // Not everything can be the name of a file.
        let fits =
            spot != Spot::Name || (spelled.len() <= 150 && !spelled.contains(['/', '\\', '\n', '\0', '\r']));
        if fits {
            return Plant { spot, spelling, what, spelled, text };
        }
    }
}

fn letters(chance: &mut Rng, len: usize) -> String {
    drawn(chance, ALPHANUMERIC, len)
}

fn drawn(chance: &mut Rng, alphabet: &str, len: usize) -> String {
    let alphabet = alphabet.as_bytes();
    let text: String =
        (0..len.saturating_sub(2)).map(|_| char::from(alphabet[chance.usize(..alphabet.len())])).collect();
    // Every real one of such a length has both.
    text + "A7"
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A value that the machine holds, or a token that only looks like one.
fn secret(held: &[Held], chance: &mut Rng) -> (&'static str, String) {
    if chance.bool() {
        let held = &held[chance.usize(..held.len())];
        return (held.name, held.value.clone());
    }
    // From pieces, so that this file holds no shape of a token.
    let mut token = |what, start: [&str; 2], len| (what, start.concat() + &letters(chance, len));
    let tokens = [
        token("a GitHub token", ["gh", "p_"], 36),
        token("a GitLab token", ["gl", "pat-"], 20),
        token("a Slack token", ["xo", "xb-1234567890-"], 24),
        token("a Stripe key", ["sk_", "live_"], 24),
        token("an OpenAI key", ["sk-", "proj-"], 60),
        token("an Anthropic key", ["sk-", "ant-api03-"], 90),
        token("a Google key", ["AI", "za"], 35),
        token("a Google refresh token", ["1/", "/0"], 60),
    ];
    let (aws, pem, url, assignment) = (
        ("an AWS key", ["AK", "IA"].concat() + &drawn(chance, UPPER, 16)),
        ("a private key", private_key(chance)),
        ("a password in an address", format!("postgres://app:{}@db.example.com/x", letters(chance, 16))),
        ("a password beside its name", format!("SMTP_PASSWORD={}", letters(chance, 24))),
    );
    let all: Vec<_> = tokens.into_iter().chain([aws, pem, url, assignment]).collect();
    all[chance.usize(..all.len())].clone()
}

fn private_key(chance: &mut Rng) -> String {
    let body: Vec<String> = (0..6).map(|_| letters(chance, 64)).collect();
    let label = ["", "RSA ", "OPENSSH "][chance.usize(..3)];
    format!("-----BEGIN {label}PRIVATE {}\n{}\n-----END {label}PRIVATE KEY-----", "KEY-----", body.join("\n"))
}

fn spell(secret: &str, spelling: Spelling, spot: Spot) -> String {
    match spelling {
        Spelling::Plain => secret.to_owned(),
        Spelling::Base64 if spot == Spot::Name => URL_SAFE_NO_PAD.encode(secret),
        Spelling::Base64 => STANDARD.encode(secret),
        Spelling::Hex => hex(secret.as_bytes()),
        // What a form sends, all of it, so that no character is left as it was.
        Spelling::Url => secret.bytes().map(|byte| format!("%{byte:02X}")).collect(),
    }
}

fn around(spelled: &str, chance: &mut Rng) -> String {
    let (before, after) =
        [("note ", ""), ("", " ok"), ("see ", " and delete it"), ("(", ")")][chance.usize(..4)];
    format!("{before}{spelled}{after}")
}
