//! What was said so far. Secrets are not among it: they go straight into their file.

use std::path::{Path, PathBuf};

use config::{Imap, ImapAuth, MailAccount, SaveSent, Secret, Security, Smtp};
use daemon::{Failure, OrFailure as _};
use serde::{Deserialize, Serialize};
use task::AgentId;
use vault::durable;

/// How real it is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Means {
    /// Sample events, sample accounts; nothing leaves.
    Sample,
    /// Real mail is read and answered in drafts; nothing leaves.
    Rehearse,
    /// What the owner signs is carried out.
    Live,
}

impl Means {
    /// What a configuration's switches mean; nothing, where they are set in a way that `init` does not set them.
    pub fn of(dry_run: bool, mock_data: bool) -> Option<Self> {
        [Means::Sample, Means::Rehearse, Means::Live]
            .into_iter()
            .find(|means| means.switches() == (dry_run, mock_data))
    }

    /// `modes.dry_run`, `modes.mock_data`.
    pub fn switches(self) -> (bool, bool) {
        match self {
            Means::Sample => (true, true),
            Means::Rehearse => (true, false),
            Means::Live => (false, false),
        }
    }
}

impl std::str::FromStr for Means {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "sample" => Ok(Means::Sample),
            "rehearse" => Ok(Means::Rehearse),
            "live" => Ok(Means::Live),
            _ => Err(format!("{text:?} is none of sample, rehearse and live")),
        }
    }
}

/// A mail server's address as people write it: `host`, `host:port`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Server {
    /// Name.
    pub host: String,
    /// Port, if one was named.
    pub port: Option<u16>,
}

impl std::str::FromStr for Server {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let bad = || format!("{text:?} is no server; write imap.example.com or imap.example.com:993");
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse::<u16>().ok().filter(|p| *p > 0).ok_or_else(bad)?)),
            None => (text, None),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || host.starts_with('-') || !host.chars().all(plain) {
            return Err(bad());
        }
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }
}

/// Everything that was said, by question. What is absent was not asked yet.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Answers {
    /// How drafts are signed.
    pub owner: Option<String>,
    /// The vault's folder.
    pub vault: Option<PathBuf>,
    /// One machine alone, without a remote.
    pub alone: Option<bool>,
    /// The private repository.
    pub remote: Option<String>,
    /// Its branch.
    pub branch: Option<String>,
    /// This machine's name.
    pub id: Option<AgentId>,
    /// The cloud machine's name.
    pub cloud_id: Option<AgentId>,
    /// Whether there is a mail account at all.
    pub mail: Option<bool>,
    /// Its short name.
    pub mail_name: Option<String>,
    /// Its address.
    pub mail_address: Option<String>,
    /// Where it is read.
    pub imap: Option<Server>,
    /// How.
    pub imap_security: Option<Security>,
    /// Where it sends.
    pub smtp: Option<Server>,
    /// How.
    pub smtp_security: Option<Security>,
    /// The name to log in with, where it is not the address.
    pub mail_user: Option<String>,
    /// A certificate authority of one's own.
    pub mail_ca_file: Option<PathBuf>,
    /// How real it is to be.
    pub means: Option<Means>,
}

const FILE: &str = "init.json";

impl Answers {
    /// What an earlier, unfinished set-up was told; `None` when there is none.
    pub fn pending(data: &Path) -> Result<Option<Self>, Failure> {
        let path = data.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .or_failed(format!("cannot read {}, the answers of an unfinished set-up", path.display()))
                .map_err(|failure| failure.hint(format!("remove {} to begin anew", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::failed(format!("cannot read {}", path.display())).because(error)),
        }
    }

    /// Keeps them until [`Answers::settled`].
    pub fn keep(&self, data: &Path) -> Result<(), Failure> {
        let path = data.join(FILE);
        let bytes = serde_json::to_vec_pretty(self).or_failed("cannot keep the answers")?;
        durable::replace(&path, &bytes).or_failed(format!("cannot keep the answers in {}", path.display()))
    }

    /// The set-up is complete: its files say it all.
    pub fn settled(data: &Path) -> Result<(), Failure> {
        let path = data.join(FILE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::failed(format!("cannot remove {}", path.display())).because(error))
            }
            _ => Ok(()),
        }
    }

    /// `newer` beats what was said before.
    #[must_use]
    pub fn with(self, newer: Self) -> Self {
        Self {
            owner: newer.owner.or(self.owner),
            vault: newer.vault.or(self.vault),
            alone: newer.alone.or(self.alone),
            remote: newer.remote.or(self.remote),
            branch: newer.branch.or(self.branch),
            id: newer.id.or(self.id),
            cloud_id: newer.cloud_id.or(self.cloud_id),
            mail: newer.mail.or(self.mail),
            mail_name: newer.mail_name.or(self.mail_name),
            mail_address: newer.mail_address.or(self.mail_address),
            imap: newer.imap.or(self.imap),
            imap_security: newer.imap_security.or(self.imap_security),
            smtp: newer.smtp.or(self.smtp),
            smtp_security: newer.smtp_security.or(self.smtp_security),
            mail_user: newer.mail_user.or(self.mail_user),
            mail_ca_file: newer.mail_ca_file.or(self.mail_ca_file),
            means: newer.means.or(self.means),
        }
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The mail account that was described; `before` is the one of that name that is configured,
    /// whose secrets stay where they are. `None` while something is missing, or without one.
    pub fn account(&self, before: Option<&MailAccount>) -> Option<MailAccount> {
        let name = self.mail_name.clone().or_else(|| before.map(|b| b.name.clone()))?;
        let address = self.mail_address.clone().or_else(|| before.map(|b| b.address.clone()))?;
        let old_imap = before.and_then(|account| account.imap.as_ref());
        let old_smtp = before.and_then(|account| account.smtp.as_ref());
        let user = |old: Option<&String>| {
            self.mail_user.clone().or_else(|| old.cloned()).unwrap_or_else(|| address.clone())
        };
        let ca_file = |old: Option<&PathBuf>| self.mail_ca_file.clone().or_else(|| old.cloned());
        let imap = match (&self.imap, old_imap) {
            (Some(server), _) => {
                let security = self.imap_security.unwrap_or(match server.port {
                    Some(143) => Security::Starttls,
                    _ => Security::Tls,
                });
                let usual = if security == Security::Tls { 993 } else { 143 };
                Imap {
                    host: server.host.clone(),
                    port: server.port.unwrap_or(usual),
                    security,
                    user: user(old_imap.map(|imap| &imap.user)),
                    auth: old_imap.map_or(ImapAuth::Password, |imap| imap.auth),
                    secret: old_imap.map_or_else(|| secret(&name, "IMAP"), |imap| imap.secret.clone()),
                    folder: old_imap.map_or_else(|| "INBOX".into(), |imap| imap.folder.clone()),
                    ca_file: ca_file(old_imap.and_then(|imap| imap.ca_file.as_ref())),
                    authserv_id: old_imap.and_then(|imap| imap.authserv_id.clone()),
                    granted_scopes: old_imap.map(|imap| imap.granted_scopes.clone()).unwrap_or_default(),
                    token_info: old_imap.and_then(|imap| imap.token_info.clone()),
                }
            }
            (None, Some(old)) => old.clone(),
            (None, None) => return None,
        };
        let smtp = match (&self.smtp, old_smtp) {
            (Some(server), _) => {
                let security = self.smtp_security.unwrap_or(match server.port {
                    Some(25 | 587) => Security::Starttls,
                    _ => Security::Tls,
                });
                let usual = if security == Security::Tls { 465 } else { 587 };
                Some(Smtp {
                    host: server.host.clone(),
                    port: server.port.unwrap_or(usual),
                    security,
                    user: user(old_smtp.map(|smtp| &smtp.user)),
                    auth: old_smtp.map_or(ImapAuth::Password, |smtp| smtp.auth),
                    secret: old_smtp.map_or_else(|| secret(&name, "SMTP"), |smtp| smtp.secret.clone()),
                    ca_file: ca_file(old_smtp.and_then(|smtp| smtp.ca_file.as_ref())),
                })
            }
            (None, old) => old.cloned(),
        };
        Some(MailAccount {
            name,
            address,
            imap: Some(imap),
            smtp,
            save_sent: before.map_or(SaveSent::Auto, |b| b.save_sent),
            append_drafts: before.is_some_and(|b| b.append_drafts),
        })
    }
}

/// Where the password of an account is: each account has its own, for reading and for sending.
fn secret(account: &str, part: &str) -> Secret {
    let name = account.to_ascii_uppercase().replace('-', "_");
    Secret { env: Some(format!("{name}_{part}_PASSWORD")), file: None }
}

/// The servers of an address's provider, as most name them; tried before they are believed.
pub fn guess_servers(address: &str) -> Option<(String, String)> {
    let domain = address.rsplit_once('@')?.1.to_ascii_lowercase();
    let known = match domain.as_str() {
        "gmail.com" | "googlemail.com" => ("imap.gmail.com", "smtp.gmail.com"),
        "outlook.com" | "hotmail.com" | "live.com" => ("outlook.office365.com", "smtp.office365.com:587"),
        "icloud.com" | "me.com" | "mac.com" => ("imap.mail.me.com", "smtp.mail.me.com:587"),
        "fastmail.com" => ("imap.fastmail.com", "smtp.fastmail.com"),
        domain => return Some((format!("imap.{domain}"), format!("smtp.{domain}"))),
    };
    Some((known.0.to_owned(), known.1.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_as_people_write_it() {
        let check = |text: &str, expected: Option<(&str, Option<u16>)>| {
            let read = text.parse::<Server>().ok();
            assert_eq!(read.as_ref().map(|s| (s.host.as_str(), s.port)), expected, "{text:?}");
        };
        check("imap.example.com", Some(("imap.example.com", None)));
        check(" IMAP.example.com:1993 ", Some(("imap.example.com", Some(1993))));
        for bad in
            ["", ":993", "imap.example.com:", "imap.example.com:0", "a b", "-x", "h:99999", "https://x"]
        {
            check(bad, None);
        }
    }

    #[test]
    fn an_unfinished_set_up_is_found_again_and_a_finished_one_is_not() {
        let data = tempfile::tempdir().expect("folder");
        assert_eq!(Answers::pending(data.path()).expect("none"), None);
        let said = Answers { owner: Some("Jane".into()), means: Some(Means::Live), ..Answers::default() };
        said.keep(data.path()).expect("kept");
        assert_eq!(Answers::pending(data.path()).expect("found"), Some(said.clone()));
        let newer = Answers { owner: Some("Joan".into()), ..Answers::default() };
        let both = said.with(newer);
        assert_eq!((both.owner.as_deref(), both.means), (Some("Joan"), Some(Means::Live)));
        Answers::settled(data.path()).expect("settled");
        Answers::settled(data.path()).expect("twice");
        assert_eq!(Answers::pending(data.path()).expect("none"), None);
    }

    #[test]
    fn ports_say_how_the_connection_is_protected_and_each_part_has_its_own_password() {
        let said = Answers {
            mail_name: Some("front-desk".into()),
            mail_address: Some("jane@example.com".into()),
            imap: Some("imap.example.com:143".parse().expect("server")),
            smtp: Some("smtp.example.com".parse().expect("server")),
            ..Answers::default()
        };
        let account = said.account(None).expect("an account");
        let (imap, smtp) = (account.imap.expect("imap"), account.smtp.expect("smtp"));
        assert_eq!((imap.port, imap.security), (143, Security::Starttls));
        assert_eq!((smtp.port, smtp.security), (465, Security::Tls));
        assert_eq!(imap.secret.env.as_deref(), Some("FRONT_DESK_IMAP_PASSWORD"));
        assert_eq!(smtp.secret.env.as_deref(), Some("FRONT_DESK_SMTP_PASSWORD"));
        assert_eq!(imap.user, "jane@example.com");
    }

    #[test]
    fn an_account_that_is_configured_keeps_the_place_of_its_password() {
        let mut before = config::Config::sample().mail.remove(0);
        let older = Secret { env: Some("MAIL_PASSWORD".into()), file: None };
        before.imap.as_mut().expect("imap").secret = older.clone();
        let said = Answers { imap: Some("imap.example.org".parse().expect("server")), ..Answers::default() };
        let account = said.account(Some(&before)).expect("an account");
        let imap = account.imap.expect("imap");
        assert_eq!((imap.host.as_str(), &imap.secret), ("imap.example.org", &older));
        assert_eq!(account.smtp, before.smtp);
    }
}
