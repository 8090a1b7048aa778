//! The join code: what the cloud machine has to know of the owner's, in one line.
//!
//! `AIE1.<base64url of JSON>.<8 hexadecimal digits>`; the digits are the beginning of the JSON's
//! SHA-256, so that a code that lost a character on its way is refused. There is no secret in it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::{ImapAuth, Security};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use task::AgentId;

/// The format that this program writes and reads.
const PREFIX: &str = "AIE1";

/// The longest code that is looked at, in bytes.
const LONGEST: usize = 16 * 1024;

/// What one machine tells the other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinCode {
    /// The vault's id, which orders name.
    pub vault_id: String,
    /// The private repository's address.
    pub remote: String,
    /// Its branch.
    pub branch: String,
    /// The approvers list: public keys only.
    pub approvers: String,
    /// The agent that carries orders out.
    pub executor: AgentId,
    /// The cloud agent's name.
    pub cloud: AgentId,
    /// How drafts are signed.
    pub owner: String,
    /// Rehearsal.
    pub dry_run: bool,
    /// Sample data.
    pub mock_data: bool,
    /// The mailboxes to watch.
    pub mail: Vec<JoinMail>,
}

/// How a mailbox is reached; its password is asked for on the other machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinMail {
    /// The account's short name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Server.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Protection.
    pub security: Security,
    /// Log-in.
    pub user: String,
    /// Password or token.
    pub auth: ImapAuth,
    /// The watched folder.
    pub folder: String,
    /// The receiving server's name in `Authentication-Results`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authserv_id: Option<String>,
}

/// Why a text is no join code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadJoinCode {
    /// Nothing like one.
    #[error(
        "this is no join code; it begins with {PREFIX}. and is one line that local-agent init or local-agent join-code prints"
    )]
    Shape,
    /// A character was lost or changed.
    #[error("the join code is damaged: its check digits do not fit; copy the whole line once more")]
    Damaged,
    /// Of a later version.
    #[error(
        "the join code {0}… comes from a newer version of this program; install the same version on both machines"
    )]
    Newer(String),
    /// It decodes, and makes no sense.
    #[error("the join code cannot be used: {0}")]
    Content(String),
}

impl JoinCode {
    /// The code.
    pub fn encode(&self) -> Result<String, BadJoinCode> {
        let json = serde_json::to_vec(self).map_err(|error| BadJoinCode::Content(error.to_string()))?;
        Ok(format!("{PREFIX}.{}.{}", URL_SAFE_NO_PAD.encode(&json), digits(&json)))
    }

    /// Reads a code; spaces and line ends that a terminal put into it do no harm.
    pub fn parse(text: &str) -> Result<Self, BadJoinCode> {
        if text.len() > LONGEST {
            return Err(BadJoinCode::Shape);
        }
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let mut parts = text.split('.');
        let (Some(prefix), Some(body), Some(check), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BadJoinCode::Shape);
        };
        match prefix.strip_prefix("AIE").map(str::parse::<u32>) {
            Some(Ok(1)) => {}
            Some(Ok(_)) => return Err(BadJoinCode::Newer(prefix.chars().take(12).collect())),
            _ => return Err(BadJoinCode::Shape),
        }
        let json = URL_SAFE_NO_PAD.decode(body).map_err(|_| BadJoinCode::Damaged)?;
        if digits(&json) != check {
            return Err(BadJoinCode::Damaged);
        }
        let code: Self =
            serde_json::from_slice(&json).map_err(|error| BadJoinCode::Content(error.to_string()))?;
        code.check()?;
        Ok(code)
    }

    fn check(&self) -> Result<(), BadJoinCode> {
        let line = |text: &str| !text.trim().is_empty() && !text.chars().any(char::is_control);
        for (what, text) in [("vault id", &self.vault_id), ("remote", &self.remote), ("branch", &self.branch)]
        {
            if !line(text) {
                return Err(BadJoinCode::Content(format!("its {what} is empty or no line")));
            }
        }
        Ok(())
    }
}

fn digits(json: &[u8]) -> String {
    Sha256::digest(json).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> JoinCode {
        JoinCode {
            vault_id: "0123456789abcdef".into(),
            remote: "git@git.example.com:jane/vault.git".into(),
            branch: "main".into(),
            approvers: "jane-doe namespaces=\"ai-employee-order\" ssh-ed25519 AAAA jane-doe\n".into(),
            executor: "local-001".parse().expect("agent"),
            cloud: "cloud-001".parse().expect("agent"),
            owner: "Jane Doe".into(),
            dry_run: false,
            mock_data: false,
            mail: vec![JoinMail {
                name: "work".into(),
                address: "jane@example.com".into(),
                host: "imap.example.com".into(),
                port: 993,
                security: Security::Tls,
                user: "jane@example.com".into(),
                auth: ImapAuth::Password,
                folder: "INBOX".into(),
                authserv_id: None,
            }],
        }
    }

    #[test]
    fn a_code_comes_back_as_it_was_also_when_a_terminal_broke_the_line() {
        let text = code().encode().expect("a code");
        assert_eq!(JoinCode::parse(&text), Ok(code()));
        let (head, tail) = text.split_at(40);
        assert_eq!(JoinCode::parse(&format!("  {head}\n   {tail}\n")), Ok(code()));
    }

    #[test]
    fn a_damaged_code_is_refused_whichever_character_was_changed() {
        let text = code().encode().expect("a code");
        for at in 0..text.len() {
            let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert!(JoinCode::parse(&changed).is_err(), "{at}: {changed}");
        }
        assert_eq!(JoinCode::parse(&text[..text.len() - 1]), Err(BadJoinCode::Damaged));
    }

    #[test]
    fn a_newer_code_and_a_text_that_is_none_are_told_apart() {
        let text = code().encode().expect("a code").replacen("AIE1", "AIE2", 1);
        assert_eq!(JoinCode::parse(&text), Err(BadJoinCode::Newer("AIE2".into())));
        for text in ["", "hello", "AIE1", "AIE1.x", "AIEx.a.b", "ssh-ed25519 AAAA"] {
            assert_eq!(JoinCode::parse(text), Err(BadJoinCode::Shape), "{text:?}");
        }
    }
}
