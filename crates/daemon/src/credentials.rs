//! Which credentials lie on this machine. What they mean is `policy`'s to say.

use std::fmt::Write as _;

use config::{Config, ImapAuth};
use policy::{Credential, Holds};

use crate::{DataDir, Env};

/// What a variable of this name holds; the names that the tool servers read, and those that
/// programs of the same kind are usually given.
fn held_by(name: &str) -> Option<Holds> {
    let secret = ["TOKEN", "KEY", "SECRET", "PASSWORD", "PASS"];
    let ends_secret = || secret.iter().any(|end| name.ends_with(end));
    let begins = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    if begins(&["SMTP_PASS", "SMTP_USER", "SMTP_TOKEN", "SENDGRID_API_KEY", "MAILGUN_API_KEY"])
        || name.ends_with("_SMTP_PASSWORD")
    {
        Some(Holds::Smtp)
    } else if begins(&["WHATSAPP_SESSION"]) || begins(&["WHATSAPP_"]) && ends_secret() {
        Some(Holds::Whatsapp)
    } else if begins(&["PAYMENT_", "WISE_", "MERCURY_", "STRIPE_", "BANK_"]) && ends_secret() {
        Some(Holds::Payment)
    } else if begins(&["X_ACCESS_TOKEN", "X_API_SECRET", "X_OAUTH"])
        || begins(&["TWITTER_", "LINKEDIN_", "FACEBOOK_", "INSTAGRAM_", "META_"]) && ends_secret()
    {
        Some(Holds::Posting)
    } else if begins(&["ODOO_"]) && ends_secret() {
        Some(Holds::Odoo)
    } else {
        None
    }
}

/// Every credential that configuration, environment, `.env` and data directory hold, by place.
/// The values themselves are not looked at.
pub fn credentials(config: &Config, env: &Env, data: &DataDir) -> Vec<Credential> {
    let mut found = Vec::new();
    let mut add = |place: String, holds| found.push(Credential { place, holds });
    for account in &config.mail {
        let place = |part: &str| format!("config.yaml, mail account {} ({part})", account.name);
        if account.smtp.is_some() {
            add(place("smtp"), Holds::Smtp);
        }
        if let Some(imap) = &account.imap {
            match imap.auth {
                ImapAuth::Password => add(place("imap"), Holds::ImapPassword),
                ImapAuth::Xoauth2 => add(place("imap"), Holds::Token(imap.granted_scopes.clone())),
            }
        }
    }
    if config.drafter.llm.api_key.is_some() {
        add("config.yaml, drafter.llm.api_key".into(), Holds::Model);
    }
    if config.odoo.is_some() {
        add("config.yaml, odoo".into(), Holds::Odoo);
    }
    if config.payment.is_some() {
        add("config.yaml, payment".into(), Holds::Payment);
    }
    if config.whatsapp.is_some() {
        add("config.yaml, whatsapp".into(), Holds::Whatsapp);
    }
    if let Some(social) = &config.social {
        let pages = [
            ("x", &social.x),
            ("linkedin", &social.linkedin),
            ("facebook", &social.facebook),
            ("instagram", &social.instagram),
        ];
        for (name, _) in pages.into_iter().filter(|(_, page)| page.is_some()) {
            add(format!("config.yaml, social.{name}"), Holds::Posting);
        }
    }
    // The file may be a broken link or unreadable: a name that is there is reason enough.
    if data.owner_key().symlink_metadata().is_ok() {
        add(data.owner_key().display().to_string(), Holds::OwnerKey);
    }
    for name in env.names() {
        if let (Some(holds), Some(place)) = (held_by(name), env.place(name)) {
            add(place, holds);
        }
    }
    found
}

/// Findings as one text, a line each.
pub(crate) fn listed(findings: &[policy::Finding]) -> String {
    findings.iter().fold(String::new(), |mut text, finding| {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {}: {}", finding.place, finding.message);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_backends_of_the_configuration_are_credentials_that_act() {
        let folder = tempfile::tempdir().expect("folder");
        let data = DataDir::open(folder.path()).expect("data directory");
        let found = credentials(&Config::sample(), &Env::default(), &data);
        for (place, holds) in [
            ("config.yaml, odoo", Holds::Odoo),
            ("config.yaml, payment", Holds::Payment),
            ("config.yaml, whatsapp", Holds::Whatsapp),
            ("config.yaml, social.x", Holds::Posting),
            ("config.yaml, social.linkedin", Holds::Posting),
            ("config.yaml, social.facebook", Holds::Posting),
            ("config.yaml, social.instagram", Holds::Posting),
        ] {
            assert!(found.contains(&Credential { place: place.into(), holds }), "{place}: {found:?}");
        }
        let refused = policy::cloud_refusals(task::Role::Cloud, &found);
        assert_eq!(refused.len(), 7, "all but Odoo's key and the mail password: {refused:?}");
    }

    #[test]
    fn variables_are_known_by_name() {
        let check = |name: &str, holds: Option<Holds>| assert_eq!(held_by(name), holds, "{name}");
        for name in ["SMTP_PASSWORD", "SMTP_USER", "WORK_SMTP_PASSWORD"] {
            check(name, Some(Holds::Smtp));
        }
        for name in ["WHATSAPP_TOKEN", "WHATSAPP_ACCESS_TOKEN", "WHATSAPP_SESSION_PATH"] {
            check(name, Some(Holds::Whatsapp));
        }
        for name in ["PAYMENT_API_KEY", "WISE_API_TOKEN", "MERCURY_API_KEY", "STRIPE_SECRET_KEY"] {
            check(name, Some(Holds::Payment));
        }
        for name in [
            "X_ACCESS_TOKEN",
            "X_ACCESS_TOKEN_SECRET",
            "TWITTER_API_KEY",
            "TWITTER_ACCESS_TOKEN",
            "FACEBOOK_PAGE_TOKEN",
            "META_ACCESS_TOKEN",
            "INSTAGRAM_TOKEN",
            "LINKEDIN_ACCESS_TOKEN",
        ] {
            check(name, Some(Holds::Posting));
        }
        for name in ["ODOO_API_KEY", "ODOO_PASSWORD"] {
            check(name, Some(Holds::Odoo));
        }
        for name in [
            "WHATSAPP_MOCK",
            "PAYMENT_MOCK",
            "ODOO_MOCK",
            "ODOO_URL",
            "PATH",
            "X_DISPLAY",
            "FACEBOOK_PAGE_ID",
        ] {
            check(name, None);
        }
    }
}
