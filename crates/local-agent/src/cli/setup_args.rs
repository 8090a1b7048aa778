//! What `init` and `restore` can be told.

use std::path::{Path, PathBuf};

use clap::Args;
use onboarding::{Answers, Means, Server};
use task::{AgentId, Role};

use super::Passphrase;

/// `init`
#[derive(Args, Debug)]
pub(crate) struct Init {
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    /// Make a key without a passphrase: whoever can read the file can sign.
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) no_passphrase: bool,
    /// Use this key: an OpenSSH private key that you saved, or the .pub of one in an ssh-agent.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["passphrase_file", "no_passphrase"])]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) said: Said,
}

/// The answers to all questions, as flags.
#[derive(Args, Debug, Default)]
pub(crate) struct Said {
    /// Your name, as drafts are signed.
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<String>,
    /// The private Git repository that both machines share.
    #[arg(long, value_name = "URL", conflicts_with = "alone", value_parser = onboarding::trial::remote)]
    pub(crate) remote: Option<String>,
    /// One machine alone, without a remote and a cloud machine.
    #[arg(long)]
    pub(crate) alone: bool,
    /// The repository's branch [default: main]
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
    /// This machine's name [default: local-001]
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<AgentId>,
    /// The cloud machine's name [default: cloud-001]
    #[arg(long, value_name = "ID")]
    pub(crate) cloud_id: Option<AgentId>,
    /// The mail account's address.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "no_mail", value_parser = address)]
    pub(crate) mail_address: Option<String>,
    /// No mail account for now.
    #[arg(long)]
    pub(crate) no_mail: bool,
    /// The account's short name [default: work]
    #[arg(long, value_name = "NAME", value_parser = account_name)]
    pub(crate) mail_name: Option<String>,
    /// Where mail is read [default: by the address]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) imap: Option<Server>,
    /// tls or starttls [default: by the port]
    #[arg(long, value_name = "HOW", value_parser = security)]
    pub(crate) imap_security: Option<config::Security>,
    /// Where mail is sent [default: by the address]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) smtp: Option<Server>,
    /// tls or starttls [default: by the port]
    #[arg(long, value_name = "HOW", value_parser = security)]
    pub(crate) smtp_security: Option<config::Security>,
    /// The name to log in with [default: the address]
    #[arg(long, value_name = "NAME")]
    pub(crate) mail_user: Option<String>,
    /// A certificate authority of your own, PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) mail_ca_file: Option<PathBuf>,
    /// Read the mail account's password from this file; it is kept in .env beside the configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) mail_password_file: Option<PathBuf>,
    /// The password for sending, where it is another one.
    #[arg(long, value_name = "FILE")]
    pub(crate) smtp_password_file: Option<PathBuf>,
    /// How real: sample (sample events), rehearse (real mail, nothing is sent) or live.
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<Means>,
    /// Do not try remote and mail account out.
    #[arg(long)]
    pub(crate) no_trial: bool,
}

impl Said {
    /// As answers; paths are made absolute from `here`.
    pub(crate) fn answers(&self, vault: Option<&Path>, role: Option<Role>, here: &Path) -> Answers {
        let alone = self.alone || role == Some(Role::Gold);
        Answers {
            owner: self.owner.clone(),
            vault: vault.map(|path| here.join(path)),
            alone: (alone || self.remote.is_some()).then_some(alone),
            remote: self.remote.clone(),
            branch: self.branch.clone(),
            id: self.id.clone(),
            cloud_id: self.cloud_id.clone(),
            mail: (self.no_mail || self.mail_address.is_some()).then_some(!self.no_mail),
            mail_name: self.mail_name.clone(),
            mail_address: self.mail_address.clone(),
            imap: self.imap.clone(),
            imap_security: self.imap_security,
            smtp: self.smtp.clone(),
            smtp_security: self.smtp_security,
            mail_user: self.mail_user.clone(),
            mail_ca_file: self.mail_ca_file.as_ref().map(|path| here.join(path)),
            means: self.mode,
        }
    }
}

/// `restore`
#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// The join code that init printed; it holds the vault's id and address.
    #[arg(long, value_name = "CODE", conflicts_with = "join_file")]
    pub(crate) join: Option<String>,
    /// Read the join code from this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) join_file: Option<PathBuf>,
    /// The old machine is gone or off: do not listen for it.
    #[arg(long)]
    pub(crate) old_machine_is_off: bool,
    /// How long to listen at the remote whether the old machine still runs.
    #[arg(long, value_name = "SECONDS", default_value_t = 130)]
    pub(crate) listen_seconds: u64,
    #[command(flatten)]
    pub(crate) init: Init,
}

/// An address that a mail can come from.
pub(crate) fn address(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = text.split_once('@').is_some_and(|(user, domain)| {
        !user.is_empty() && !domain.is_empty() && !domain.contains('@') && !domain.starts_with('.')
    });
    if fits && !text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',')) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is no mail address, such as jane@example.com"))
    }
}

fn account_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || !text.chars().all(plain) {
        return Err(format!("{text:?}: an account's name may have a-z, 0-9 and '-' only"));
    }
    Ok(text.to_owned())
}

fn security(text: &str) -> Result<config::Security, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "tls" => Ok(config::Security::Tls),
        "starttls" => Ok(config::Security::Starttls),
        _ => Err(format!("{text:?} is neither tls nor starttls")),
    }
}
