//! Shapes: how tokens and keys of well-known services look. From the services' documentation.

use crate::Shape;

/// A token that begins with a literal and goes on in one alphabet.
pub(crate) struct Token {
    pub(crate) shape: Shape,
    pub(crate) start: &'static str,
    alphabet: Alphabet,
    /// How many characters follow the literal, at least and at most.
    len: (usize, usize),
}

#[derive(Clone, Copy)]
enum Alphabet {
    /// Capitals and digits.
    Upper,
    Alphanumeric,
    /// With `_` and `-`.
    Url,
    /// With `.` besides.
    Dotted,
    /// With `/` besides.
    Path,
    Hex,
}

const MANY: usize = 4096;

const fn token(start: &'static str, alphabet: Alphabet, len: (usize, usize), shape: Shape) -> Token {
    Token { shape, start, alphabet, len }
}

pub(crate) const TOKENS: &[Token] = &[
    token("AKIA", Alphabet::Upper, (16, 16), Shape::Aws),
    token("ASIA", Alphabet::Upper, (16, 16), Shape::Aws),
    token("ghp_", Alphabet::Alphanumeric, (36, 255), Shape::GitHub),
    token("gho_", Alphabet::Alphanumeric, (36, 255), Shape::GitHub),
    token("ghu_", Alphabet::Alphanumeric, (36, 255), Shape::GitHub),
    token("ghs_", Alphabet::Alphanumeric, (36, 255), Shape::GitHub),
    token("ghr_", Alphabet::Alphanumeric, (36, 255), Shape::GitHub),
    token("github_pat_", Alphabet::Url, (40, 255), Shape::GitHub),
    token("glpat-", Alphabet::Dotted, (20, 300), Shape::GitLab),
    token("gldt-", Alphabet::Dotted, (20, 300), Shape::GitLab),
    token("glrt-", Alphabet::Dotted, (20, 300), Shape::GitLab),
    token("glptt-", Alphabet::Dotted, (20, 300), Shape::GitLab),
    token("gloas-", Alphabet::Dotted, (20, 300), Shape::GitLab),
    token("glcbt-", Alphabet::Dotted, (20, 300), Shape::GitLab),
    token("xoxb-", Alphabet::Url, (20, 400), Shape::Slack),
    token("xoxp-", Alphabet::Url, (20, 400), Shape::Slack),
    token("xoxa-", Alphabet::Url, (20, 400), Shape::Slack),
    token("xoxr-", Alphabet::Url, (20, 400), Shape::Slack),
    token("xoxs-", Alphabet::Url, (20, 400), Shape::Slack),
    token("xoxe.", Alphabet::Dotted, (20, 400), Shape::Slack),
    token("xapp-", Alphabet::Url, (20, 400), Shape::Slack),
    token("hooks.slack.com/services/", Alphabet::Path, (30, 100), Shape::Slack),
    token("sk_live_", Alphabet::Alphanumeric, (16, 255), Shape::Stripe),
    token("sk_test_", Alphabet::Alphanumeric, (16, 255), Shape::Stripe),
    token("rk_live_", Alphabet::Alphanumeric, (16, 255), Shape::Stripe),
    token("rk_test_", Alphabet::Alphanumeric, (16, 255), Shape::Stripe),
    token("whsec_", Alphabet::Alphanumeric, (24, 255), Shape::Stripe),
    token("sk-proj-", Alphabet::Url, (40, 400), Shape::OpenAi),
    token("sk-svcacct-", Alphabet::Url, (40, 400), Shape::OpenAi),
    token("sk-admin-", Alphabet::Url, (40, 400), Shape::OpenAi),
    token("sk-ant-", Alphabet::Url, (24, 400), Shape::Anthropic),
    token("AIza", Alphabet::Url, (35, 35), Shape::Google),
    token("GOCSPX-", Alphabet::Url, (24, 64), Shape::Google),
    token("ya29.", Alphabet::Dotted, (30, MANY), Shape::Google),
    token("1//0", Alphabet::Url, (40, 512), Shape::Google),
    token("SG.", Alphabet::Dotted, (60, 80), Shape::Service("SendGrid")),
    token("xkeysib-", Alphabet::Url, (60, 120), Shape::Service("Brevo")),
    token("npm_", Alphabet::Alphanumeric, (36, 36), Shape::Service("npm")),
    token("pypi-AgEIcHlwaS5vcmc", Alphabet::Url, (40, 512), Shape::Service("PyPI")),
    token("dop_v1_", Alphabet::Hex, (64, 64), Shape::Service("DigitalOcean")),
    token("hf_", Alphabet::Alphanumeric, (34, 40), Shape::Service("Hugging Face")),
    token("AGE-SECRET-KEY-1", Alphabet::Upper, (50, 70), Shape::PrivateKey),
];

/// What an OpenAI key of the older kind has in its middle.
pub(crate) const OPENAI_MIDDLE: &str = "T3BlbkFJ";

/// What precedes a private key that is no PEM.
pub(crate) const KEY_HEADS: &[&[u8]] = &[b"openssh-key-v1\0", b"PuTTY-User-Key-File-"];

/// What ends the first line of a PEM file with a private key.
pub(crate) const PEM: &[&[u8]] = &[b"PRIVATE KEY-----", b"PRIVATE KEY BLOCK-----"];

impl Token {
    /// Whether a token stands at `at`, where the literal was found. `torn`: what stands before it
    /// may be another word's end, since an encoding was taken off.
    pub(crate) fn stands(&self, bytes: &[u8], at: usize, torn: bool) -> bool {
        let before = &bytes[..at];
        if !torn && before.last().is_some_and(u8::is_ascii_alphanumeric) {
            return false;
        }
        // The id of a key, without the key, in a link that is signed for whoever has it.
        if self.shape == Shape::Aws && before.ends_with(b"X-Amz-Credential=") {
            return false;
        }
        if !bytes[at..].starts_with(self.start.as_bytes()) {
            return false;
        }
        let rest = bytes.get(at + self.start.len()..).unwrap_or_default();
        let value = self.alphabet.prefix(rest);
        // A longer one is another thing; `_` and `-` may be anything's.
        let (least, most) = self.len;
        (least..=most).contains(&value.len()) && is_varied(value, least.min(10))
    }
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Alphabet::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Alphabet::Alphanumeric => byte.is_ascii_alphanumeric(),
            Alphabet::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Alphabet::Dotted => Alphabet::Url.has(byte) || byte == b'.',
            Alphabet::Path => Alphabet::Url.has(byte) || byte == b'/',
            Alphabet::Hex => byte.is_ascii_hexdigit(),
        }
    }

    fn prefix(self, bytes: &[u8]) -> &[u8] {
        let end = bytes.iter().take(MANY).position(|byte| !self.has(*byte));
        &bytes[..end.unwrap_or(bytes.len().min(MANY))]
    }
}

/// Placeholders such as `xxxx` and `YOUR_TOKEN_HERE` have no digit or few different characters.
pub(crate) fn is_varied(value: &[u8], distinct: usize) -> bool {
    value.iter().any(u8::is_ascii_digit)
        && value.iter().any(u8::is_ascii_alphabetic)
        && count_distinct(value) >= distinct.min(8)
}

pub(crate) fn count_distinct(value: &[u8]) -> usize {
    let mut seen = [false; 256];
    for byte in value {
        seen[usize::from(*byte)] = true;
    }
    seen.iter().filter(|seen| **seen).count()
}

/// An older OpenAI key around its middle.
pub(crate) fn openai(bytes: &[u8], middle: usize) -> Option<usize> {
    let start = middle.checked_sub(20 + 3)?;
    let end = middle + OPENAI_MIDDLE.len();
    let rest = Alphabet::Alphanumeric.prefix(bytes.get(end..)?);
    let head = bytes.get(start..middle)?.strip_prefix(b"sk-")?;
    (Alphabet::Alphanumeric.prefix(head).len() == 20 && rest.len() >= 20).then_some(start)
}

/// The first line of a PEM file that goes on with a key; `at` is where that line's end was found.
pub(crate) fn pem(bytes: &[u8], at: usize) -> Option<usize> {
    let head = bytes.get(at.saturating_sub(40)..at)?;
    let start = at.saturating_sub(40) + head.windows(11).rposition(|part| part == b"-----BEGIN ")?;
    let rest = bytes.get(at..).unwrap_or_default();
    let rest = &rest[..rest.len().min(600)];
    // A text about such files has no key in it.
    let mut run = 0;
    let full = rest.iter().skip(16).any(|byte| {
        run = if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=') { run + 1 } else { 0 };
        run >= 32
    });
    full.then_some(start)
}

/// A web token with a signature: `header.payload.signature`, the first two JSON. One in a link is
/// the link's: who may read the mail may follow it.
pub(crate) fn jwt(bytes: &[u8], at: usize) -> bool {
    if at.checked_sub(1).is_some_and(|before| Alphabet::Url.has(bytes[before])) || in_link(bytes, at) {
        return false;
    }
    let whole = Alphabet::Dotted.prefix(&bytes[at..]);
    let mut parts = whole.split(|byte| *byte == b'.');
    let (Some(header), Some(payload), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    header.len() >= 16 && payload.starts_with(b"eyJ") && payload.len() >= 8 && signature.len() >= 20
}

/// Whether the word at `at` is part of an address with a scheme.
pub(crate) fn in_link(bytes: &[u8], at: usize) -> bool {
    let start = at.saturating_sub(2048);
    let head = &bytes[start..at];
    let word = head
        .iter()
        .rposition(|byte| byte.is_ascii_whitespace() || matches!(byte, b'<' | b'>' | b'"' | b'\''));
    let word = &head[word.map_or(0, |end| end + 1)..];
    word.windows(3).any(|part| part == b"://")
}

/// `user:password@` behind `://` at `at`.
pub(crate) fn address_password(bytes: &[u8], at: usize) -> bool {
    let rest = &bytes[at + 3..];
    let ends = |byte: &u8| {
        byte.is_ascii_whitespace() || matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>')
    };
    let end = rest.iter().take(512).position(ends).unwrap_or(rest.len().min(512));
    let Some(host) = rest[..end].iter().rposition(|byte| *byte == b'@') else { return false };
    let Some(colon) = rest[..host].iter().position(|byte| *byte == b':') else { return false };
    let password = &rest[colon + 1..host];
    password.len() >= 8 && is_varied(password, 6)
}

/// `Bearer` at `at`, and a token behind it.
pub(crate) fn bearer(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at + 7..).unwrap_or_default();
    let value = Alphabet::Path.prefix(rest);
    let value = if value.is_empty() { value } else { Alphabet::Dotted.prefix(rest) };
    value.len() >= 20 && is_varied(value, 8) && crate::assignment::classes(value) >= 2
}
