//! Credentials that act have no business on the cloud machine.

use task::Role;

/// What a credential opens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Holds {
    /// An SMTP account: sends mail.
    Smtp,
    /// An IMAP password; with most providers it opens SMTP as well, and nobody can tell.
    ImapPassword,
    /// A bank's key.
    Payment,
    /// A WhatsApp key or session.
    Whatsapp,
    /// A social platform's key that posts.
    Posting,
    /// An Odoo key, with all rights of its user.
    Odoo,
    /// The owner's signing key.
    OwnerKey,
    /// An OAuth token with these granted scopes.
    Token(Vec<String>),
    /// A language model's key.
    Model,
}

/// A credential that was found, and where. It never carries the secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credential {
    /// Where: `environment variable SMTP_PASSWORD`, `config.yaml mail[0].smtp`, a file's name.
    pub place: String,
    /// What it opens.
    pub holds: Holds,
}

/// What is to be said about a credential on the cloud machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Where it is.
    pub place: String,
    /// What is wrong with it and what to do.
    pub message: String,
    /// The same in a word of `[a-z-]`, at most 20, for where there is no room for more.
    pub flag: &'static str,
}

/// Scopes that can send or post, by provider documentation: Gmail's full, modify, compose and
/// send scopes, X's write scopes, Meta's and LinkedIn's publishing permissions.
fn acts(scope: &str) -> bool {
    const ACTING: &[&str] = &[
        "https://mail.google.com/",
        "gmail.modify",
        "gmail.compose",
        "gmail.send",
        "gmail.insert",
        "mail.send",
        "smtp.send",
        "tweet.write",
        "dm.write",
        "pages_manage_posts",
        "pages_messaging",
        "instagram_content_publish",
        "instagram_manage_messages",
        "w_member_social",
        "w_organization_social",
        "whatsapp_business_messaging",
    ];
    let scope = scope.to_ascii_lowercase();
    ACTING.iter().any(|acting| {
        scope == *acting
            || scope.strip_suffix(acting).is_some_and(|head| head.ends_with('/') || head.ends_with('.'))
    })
}

/// What keeps a cloud agent from starting: every credential that is meant to act.
pub fn cloud_refusals(role: Role, credentials: &[Credential]) -> Vec<Finding> {
    if role != Role::Cloud {
        return Vec::new();
    }
    let refuse = |credential: &Credential, what: &str| Finding {
        place: credential.place.clone(),
        message: format!("{what}; remove it from this machine, it belongs on the owner's"),
        flag: "acting-credential",
    };
    credentials
        .iter()
        .filter_map(|credential| {
            let what = match &credential.holds {
                Holds::Smtp => "it sends mail".to_owned(),
                Holds::Payment => "it pays".to_owned(),
                Holds::Whatsapp => "it sends WhatsApp messages".to_owned(),
                Holds::Posting => "it posts".to_owned(),
                Holds::OwnerKey => "it signs orders".to_owned(),
                Holds::Token(scopes) => {
                    let acting: Vec<_> = scopes.iter().filter(|s| acts(s)).map(String::as_str).collect();
                    if acting.is_empty() {
                        return None;
                    }
                    format!("its granted scopes act ({})", acting.join(", "))
                }
                Holds::ImapPassword | Holds::Odoo | Holds::Model => return None,
            };
            Some(refuse(credential, &what))
        })
        .collect()
}

/// What a cloud agent starts with, but says as long as it is there: credentials whose reach
/// cannot be inspected.
pub fn cloud_warnings(role: Role, credentials: &[Credential]) -> Vec<Finding> {
    if role != Role::Cloud {
        return Vec::new();
    }
    credentials
        .iter()
        .filter_map(|credential| {
            let (flag, message) = match &credential.holds {
                Holds::ImapPassword => (
                    "mail-may-send",
                    "this mail password may open SMTP as well; prefer a read-only token or an app password limited to IMAP",
                ),
                Holds::Odoo => (
                    "odoo-full-rights",
                    "this Odoo key has all rights of its user; give it a user that may read and draft only",
                ),
                Holds::Token(scopes) if scopes.is_empty() => (
                    "token-scopes-unknown",
                    "the scopes granted to this token are unknown; prefer one with read-only scopes",
                ),
                _ => return None,
            };
            Some(Finding { place: credential.place.clone(), message: message.to_owned(), flag })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(holds: Holds) -> Credential {
        Credential { place: "here".into(), holds }
    }

    #[test]
    fn every_credential_that_acts_is_refused_on_the_cloud() {
        for holds in [Holds::Smtp, Holds::Payment, Holds::Whatsapp, Holds::Posting, Holds::OwnerKey] {
            let found = [credential(holds)];
            assert_eq!(cloud_refusals(Role::Cloud, &found).len(), 1);
            assert_eq!(cloud_refusals(Role::Local, &found), []);
        }
        for (scope, refused) in [
            ("https://www.googleapis.com/auth/gmail.readonly", false),
            ("https://www.googleapis.com/auth/gmail.send", true),
            ("https://mail.google.com/", true),
            ("https://graph.microsoft.com/Mail.Send", true),
            ("tweet.read", false),
            ("tweet.write", true),
        ] {
            let found = [credential(Holds::Token(vec![scope.into()]))];
            assert_eq!(!cloud_refusals(Role::Cloud, &found).is_empty(), refused, "{scope}");
        }
    }

    #[test]
    fn what_cannot_be_inspected_is_a_standing_warning() {
        for holds in [Holds::ImapPassword, Holds::Odoo, Holds::Token(vec![])] {
            let found = [credential(holds)];
            assert_eq!(cloud_refusals(Role::Cloud, &found), []);
            assert_eq!(cloud_warnings(Role::Cloud, &found).len(), 1);
            assert_eq!(cloud_warnings(Role::Local, &found), [], "the owner's machine is meant to have it");
        }
        // What was inspected and cannot act is not warned of.
        for holds in [Holds::Token(vec!["tweet.read".into()]), Holds::Model] {
            assert_eq!(cloud_warnings(Role::Cloud, &[credential(holds)]), []);
        }
    }
}
