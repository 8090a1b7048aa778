//! What the tokens on this machine may do, as their provider says: what config.yaml says of them is
//! the owner's belief, and a token that may send has no business here.
//!
//! Mail tokens are the only ones that this machine may hold at all: keys of pages, chats and banks are
//! refused wherever they are found, whatever they may do.

use std::sync::Arc;
use std::time::Duration;

use config::{Imap, ImapAuth, MailAccount};
use daemon::{Failure, OrFailure as _, Setup};
use policy::{Credential, Finding, Holds};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// Where Google says what a token may do.
const GOOGLE: &str = "https://oauth2.googleapis.com/tokeninfo";

/// How long a provider may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer that is read, in bytes.
const MOST: usize = 64 << 10;

/// What is read of a provider's answer.
#[derive(Deserialize)]
struct TokenInfo {
    /// Scopes, with spaces in between.
    scope: String,
}

/// Asks for every mail token. One that acts is a refusal; what could not be found out is added to the
/// standing warnings.
pub(crate) async fn ask(setup: &mut Setup) -> Result<(), Failure> {
    if setup.modes.mock_data {
        return Ok(());
    }
    let (mut known, mut warnings) = (Vec::new(), Vec::new());
    for account in &setup.config.mail {
        let Some((imap, url)) = account.imap.as_ref().and_then(|imap| Some((imap, place(imap)?))) else {
            continue;
        };
        let place = format!("config.yaml, mail account {} (imap), as {url} says", account.name);
        match scopes(setup, account, imap, &url).await {
            Ok(scopes) => known.push(Credential { place, holds: Holds::Token(scopes) }),
            Err(reason) => warnings.push(Finding {
                place,
                message: format!("what this token may do could not be asked for: {reason}"),
                flag: "token-scopes-unknown",
            }),
        }
    }
    let refusals = policy::cloud_refusals(setup.role, &known);
    if !refusals.is_empty() {
        let lines: Vec<_> =
            refusals.iter().map(|found| format!("\n  {}: {}", found.place, found.message)).collect();
        return Err(Failure::usage(format!(
            "a cloud agent must not hold credentials that act; found:{}",
            lines.concat()
        )));
    }
    setup.warnings.extend(warnings);
    Ok(())
}

/// Whom to ask about an account's token; none for a password, and for a provider that cannot be asked.
fn place(imap: &Imap) -> Option<String> {
    let google = ["gmail.com", "googlemail.com"].iter().any(|end| imap.host.ends_with(end));
    let given = imap.token_info.clone().or_else(|| google.then(|| GOOGLE.to_owned()));
    given.filter(|_| imap.auth == ImapAuth::Xoauth2)
}

async fn scopes(setup: &Setup, account: &MailAccount, imap: &Imap, url: &str) -> Result<Vec<String>, String> {
    let secret = setup.env.secret(&imap.secret, &format!("mail account {}", account.name));
    let token = secret.map_err(|error| error.to_string())?;
    let url = reqwest::Url::parse(url).map_err(|_| "token_info is no address".to_owned())?;
    let within = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() != "https" && !within {
        return Err("token_info must begin with https://: the token goes there".into());
    }
    let client = client(imap).map_err(|failure| failure.to_string())?;
    let told = |error: reqwest::Error| error.without_url().to_string();
    let request = client
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        // In the body: addresses are logged on the way.
        .body(format!("access_token={}", encoded(&token)));
    let mut response = request.send().await.map_err(told)?;
    if !response.status().is_success() {
        return Err(format!("it answered {}; the token may have expired", response.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(told)? {
        if body.len() + part.len() > MOST {
            return Err("its answer is too long".into());
        }
        body.extend_from_slice(&part);
    }
    let info: TokenInfo =
        serde_json::from_slice(&body).map_err(|_| "its answer names no scopes".to_owned())?;
    Ok(info.scope.split_whitespace().map(str::to_owned).collect())
}

fn encoded(token: &SecretString) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let bytes = token.expose_secret().bytes();
    bytes.map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// No redirect is followed: it would carry the token to another host.
fn client(imap: &Imap) -> Result<reqwest::Client, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .or_failed(format!("cannot protect the connection for {}", imap.host))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .or_failed("cannot set up the connection to the token's provider")
}
