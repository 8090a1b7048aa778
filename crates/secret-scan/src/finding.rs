//! What was found and where. A finding never carries the secret.

use std::fmt;

/// What kind of secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A value that the scanner was made from, by the name it was given.
    Known(String),
    /// Something that looks like one.
    Shape(Shape),
}

/// Shapes of secrets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// PEM, OpenSSH, PGP, PuTTY or age.
    PrivateKey,
    /// The id of an AWS access key.
    Aws,
    /// A GitHub token.
    GitHub,
    /// A GitLab token.
    GitLab,
    /// A Slack token or incoming web hook.
    Slack,
    /// A Stripe key or web hook secret.
    Stripe,
    /// An OpenAI key.
    OpenAi,
    /// An Anthropic key.
    Anthropic,
    /// A Google API key, client secret, access or refresh token.
    Google,
    /// A token of another service with a shape of its own.
    Service(&'static str),
    /// A signed JSON web token.
    Jwt,
    /// A password within an address, as in `scheme://user:password@host`.
    AddressPassword,
    /// `Authorization: Bearer …`
    Bearer,
    /// `password: …`, `api_key = …`
    Assignment,
}

/// How it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// Base64, either alphabet.
    Base64,
    /// Hexadecimal.
    Hex,
    /// Percent signs.
    Url,
    /// Quoted-printable, or backslash escapes and character references.
    Escaped,
    /// Two bytes for a character.
    Utf16,
    /// Broken into lines.
    Wrapped,
    /// Backwards.
    Reversed,
}

/// A secret that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// How it was written; of two encodings on top of each other the outer one.
    pub encoding: Encoding,
    /// From 1.
    pub line: usize,
    /// Of its first character, from 1, in characters.
    pub column: usize,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Known(name) => write!(f, "the secret of {name}"),
            Kind::Shape(shape) => shape.fmt(f),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::PrivateKey => f.write_str("a private key"),
            Shape::Aws => f.write_str("an AWS access key"),
            Shape::GitHub => f.write_str("a GitHub token"),
            Shape::GitLab => f.write_str("a GitLab token"),
            Shape::Slack => f.write_str("a Slack token"),
            Shape::Stripe => f.write_str("a Stripe key"),
            Shape::OpenAi => f.write_str("an OpenAI key"),
            Shape::Anthropic => f.write_str("an Anthropic key"),
            Shape::Google => f.write_str("a Google key or token"),
            Shape::Service(name) => write!(f, "a token of {name}"),
            Shape::Jwt => f.write_str("a signed JSON web token"),
            Shape::AddressPassword => f.write_str("a password in an address"),
            Shape::Bearer => f.write_str("a bearer token"),
            Shape::Assignment => f.write_str("a password or key beside its name"),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Encoding::Plain => "plain",
            Encoding::Base64 => "base64",
            Encoding::Hex => "hex",
            Encoding::Url => "URL-encoded",
            Encoding::Escaped => "escaped",
            Encoding::Utf16 => "UTF-16",
            Encoding::Wrapped => "broken into lines",
            Encoding::Reversed => "backwards",
        })
    }
}

/// As in `line 3, column 7: the secret of mail account work (base64)`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { kind, encoding, line, column } = self;
        write!(f, "line {line}, column {column}: {kind} ({encoding})")
    }
}
