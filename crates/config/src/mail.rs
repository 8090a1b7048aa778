//! Mail accounts, and where secrets are to be found.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where a secret is to be found; exactly one of the two.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Secret {
    /// The environment variable (or line of `.env`) that holds it.
    pub env: Option<String>,
    /// The file that holds it, mode 0600; trailing line ends are ignored.
    pub file: Option<PathBuf>,
}

/// How a connection is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// TLS from the first byte.
    Tls,
    /// Plain at first, TLS after STARTTLS; refused when the server does not offer it.
    Starttls,
}

/// How to log in, to IMAP and to SMTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImapAuth {
    /// User and password.
    #[default]
    Password,
    /// User and OAuth 2.0 access token.
    Xoauth2,
}

/// `mail[].imap:`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imap {
    /// Server's name.
    pub host: String,
    /// Server's port: 993 for `tls`, 143 for `starttls`.
    pub port: u16,
    /// Protection.
    pub security: Security,
    /// Login.
    pub user: String,
    /// Password or token.
    #[serde(default)]
    pub auth: ImapAuth,
    /// Where the password or token is.
    pub secret: Secret,
    /// Which folder is watched.
    #[serde(default = "inbox")]
    pub folder: String,
    /// A certificate authority beside the system's own, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The name that the receiving server gives itself in `Authentication-Results` (RFC 8601).
    /// Without it, only what stands where no sender can write is believed.
    #[serde(default)]
    pub authserv_id: Option<String>,
    /// The scopes granted to the token, as the provider shows them.
    #[serde(default)]
    pub granted_scopes: Vec<String>,
    /// The provider's address that says what a token may do (RFC 7662 calls it introspection);
    /// Google's own for Gmail. The cloud agent asks it when it starts.
    #[serde(default)]
    pub token_info: Option<String>,
}

fn inbox() -> String {
    "INBOX".into()
}

/// `mail[].smtp:`; on the owner's machine only.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// Server's name.
    pub host: String,
    /// Server's port: 465 for `tls`, 587 for `starttls`.
    pub port: u16,
    /// Protection.
    pub security: Security,
    /// Login.
    pub user: String,
    /// Password or token.
    #[serde(default)]
    pub auth: ImapAuth,
    /// Where the password or token is.
    pub secret: Secret,
    /// A certificate authority beside the system's own, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// Who files a sent mail in the Sent folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SaveSent {
    /// Look for it after sending; append it if the server did not.
    #[default]
    Auto,
    /// Always append.
    Append,
    /// The provider does.
    Server,
}

/// `mail[]:`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailAccount {
    /// The account's short name, unique.
    pub name: String,
    /// Its address.
    pub address: String,
    /// How to read.
    #[serde(default)]
    pub imap: Option<Imap>,
    /// How to send.
    #[serde(default)]
    pub smtp: Option<Smtp>,
    /// Who files sent mail.
    #[serde(default)]
    pub save_sent: SaveSent,
    /// Whether drafts are also put into the account's Drafts folder (owner's machine only).
    #[serde(default)]
    pub append_drafts: bool,
}
