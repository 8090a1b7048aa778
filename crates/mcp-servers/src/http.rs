//! Speaking HTTP to other people's services, so that every failure says whether the request may
//! have had its effect.
//!
//! What fails before the connection stands had none. From then on only an answer tells; silence,
//! a broken answer and a server's own fault (5xx) leave it open. Nothing is repeated here, no
//! redirect is followed, no connection is used twice, and no message carries a secret.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use crate::outcome::Failure;
use crate::setup::Secrets;

/// How long reaching a server may take.
const CONNECT: Duration = Duration::from_secs(10);

/// The longest answer that is read.
const MAX_BODY: usize = 8 << 20;

/// How much of another's message is passed on, in characters.
const MAX_WORDS: usize = 300;

/// Where a service is and how it knows its caller.
pub(crate) struct Service {
    /// As in messages: `Odoo`.
    pub(crate) name: &'static str,
    /// Its section of config.yaml: `odoo`.
    pub(crate) section: &'static str,
    pub(crate) url: String,
    pub(crate) secret: config::Secret,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) timeout_seconds: u64,
    pub(crate) secrets: Secrets,
}

/// A service that can be spoken to. The client is made when it is first needed.
pub(crate) struct Http {
    service: Service,
    client: OnceCell<reqwest::Client>,
}

/// Why there is no usable answer.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// Whether the request may have had its effect.
    pub(crate) may: bool,
    /// Whether the other side heard of it; if not, the same request may be made later.
    pub(crate) reached: bool,
    pub(crate) message: String,
}

impl Trouble {
    /// Before anything was sent, through this machine's own doing.
    pub(crate) fn before(message: impl Into<String>) -> Self {
        Self { may: false, reached: true, message: message.into() }
    }

    /// There is no way to the other side.
    fn unreached(message: impl Into<String>) -> Self {
        Self { may: false, reached: false, message: message.into() }
    }

    /// After the request was sent.
    pub(crate) fn after(message: impl Into<String>) -> Self {
        Self { may: true, reached: true, message: message.into() }
    }

    /// What it means for a request that has no effect.
    pub(crate) fn reading(self) -> Failure {
        if self.reached { Failure::none(self.message) } else { Failure::unreached(self.message) }
    }

    /// What it means for a request that acts; `look` says where the owner can look.
    pub(crate) fn acting(self, look: &str) -> Failure {
        let Self { may, reached, message } = self;
        match (may, reached) {
            (true, _) => Failure::unknown(format!("{message}; it may have happened: {look}")),
            (false, true) => Failure::none(format!("{message}; nothing happened")),
            (false, false) => Failure::unreached(format!("{message}; nothing happened")),
        }
    }
}

/// A request under construction.
pub(crate) struct Request<'a> {
    http: &'a Http,
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    bearer: bool,
}

/// An answer, whatever its status.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    headers: HeaderMap,
    place: String,
    secret: SecretString,
}

impl Http {
    pub(crate) fn new(service: Service) -> Self {
        Self { service, client: OnceCell::new() }
    }

    pub(crate) fn get(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::GET, path.into(), None)
    }

    /// A request with a JSON body.
    pub(crate) fn post(&self, path: impl Into<String>, body: &impl Serialize) -> Request<'_> {
        // What cannot be written is found out by an empty body, before anything is sent.
        self.request(Method::POST, path.into(), Some(serde_json::to_vec(body).unwrap_or_default()))
    }

    fn request(&self, method: Method, path: String, body: Option<Vec<u8>>) -> Request<'_> {
        Request { http: self, method, path, query: Vec::new(), headers: Vec::new(), body, bearer: true }
    }

    /// The key, for services that want it elsewhere than in a header.
    pub(crate) fn key(&self) -> Result<SecretString, Trouble> {
        let Service { name, section, secret, secrets, .. } = &self.service;
        secrets(secret, &format!("{name} ({section}.secret)")).map_err(Trouble::before)
    }

    /// The base address: https, or http within this machine.
    fn base(&self) -> Result<Url, Trouble> {
        let Service { name, section, url, .. } = &self.service;
        let wrong = |why: &str| {
            let url: String = url.chars().take(100).collect();
            Trouble::before(format!(
                "{name}'s address {url:?} {why}; correct the url under {section}: in config.yaml"
            ))
        };
        let base = Url::parse(url).map_err(|error| wrong(&format!("is no address ({error})")))?;
        let host = base.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let within = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        match base.scheme() {
            "https" => {}
            "http" if within => {}
            _ => return Err(wrong("must begin with https://: the key goes there")),
        }
        if !base.username().is_empty() || base.password().is_some() || base.query().is_some() {
            return Err(wrong("must carry neither user nor password nor query"));
        }
        Ok(base)
    }

    async fn client(&self) -> Result<&reqwest::Client, Trouble> {
        self.client.get_or_try_init(|| self.build()).await
    }

    async fn build(&self) -> Result<reqwest::Client, Trouble> {
        let Service { name, ca_file, timeout_seconds, .. } = &self.service;
        let ca_file = ca_file.clone();
        // Loading the system's authorities reads many files.
        let tls = tokio::task::spawn_blocking(move || crate::tls::client_config(ca_file.as_deref()))
            .await
            .map_err(|error| Trouble::before(error.to_string()))?
            .map_err(|why| Trouble::before(format!("the connection to {name} cannot be protected: {why}")))?;
        reqwest::Client::builder()
            .tls_backend_preconfigured((*tls).clone())
            .no_proxy()
            .http1_only()
            // A redirect would carry the key to another place.
            .redirect(reqwest::redirect::Policy::none())
            // Whether a request may be repeated is decided elsewhere.
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT)
            .timeout(Duration::from_secs((*timeout_seconds).max(1)))
            .build()
            .map_err(|error| {
                Trouble::before(format!("the connection to {name} cannot be set up: {}", told(error)))
            })
    }
}

impl Request<'_> {
    pub(crate) fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Without the key in its header.
    pub(crate) fn anonymous(mut self) -> Self {
        self.bearer = false;
        self
    }

    pub(crate) async fn send(self) -> Result<Reply, Trouble> {
        let http = self.http;
        let (name, section) = (http.service.name, http.service.section);
        let secret = http.key()?;
        let mut url = http.base()?;
        let path = format!("{}{}", url.path().trim_end_matches('/'), self.path);
        url.set_path(&path);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let place = format!("{name} at {}", url.host_str().unwrap_or_default());
        let mut request = http.client().await?.request(self.method, url);
        if self.bearer {
            let value = format!("Bearer {}", secret.expose_secret());
            let mut value = HeaderValue::try_from(value).map_err(|_| {
                Trouble::before(format!(
                    "the secret of {name} ({section}.secret) has characters that no key has"
                ))
            })?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        for (header, value) in self.headers {
            let value = HeaderValue::try_from(value).map_err(|_| {
                Trouble::before(format!("{header} cannot be sent to {name} as it is configured"))
            })?;
            request = request.header(HeaderName::from_static(header), value);
        }
        if let Some(body) = self.body {
            if body.is_empty() {
                return Err(Trouble::before(format!("the request to {name} cannot be written")));
            }
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let failed = |error: reqwest::Error| {
            let before = error.is_connect() || error.is_builder();
            let slow = error.is_timeout();
            let why = without(&told(error), &secret);
            match (before, slow) {
                (true, _) => Trouble::unreached(format!(
                    "failed to reach {place}: {why}; check {section}: in config.yaml, and the network"
                )),
                (false, true) => {
                    let limit = http.service.timeout_seconds;
                    Trouble::after(format!(
                        "{place} was sent the request and did not answer within {limit} s"
                    ))
                }
                (false, false) => {
                    Trouble::after(format!("{place} was sent the request and then lost: {why}"))
                }
            }
        };
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(failed)? {
            if body.len() + part.len() > MAX_BODY {
                return Err(Trouble::after(format!("{place} answered with more than {MAX_BODY} bytes")));
            }
            body.extend_from_slice(&part);
        }
        Ok(Reply { status, body, headers, place, secret })
    }
}

impl Reply {
    /// An answer that nobody gave.
    #[cfg(test)]
    pub(crate) fn test(status: u16, body: &str) -> Self {
        let place = "Bank at x".into();
        let secret = SecretString::from("hunter2");
        Self { status, body: body.into(), headers: HeaderMap::new(), place, secret }
    }

    /// A header's value, where it is text.
    pub(crate) fn header(&self, name: &'static str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Reads the body of an answer that is in order.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Trouble> {
        if !self.is_ok() {
            return Err(self.refusal("", ""));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let place = &self.place;
            Trouble::after(format!("{place} answered with {} that is not understood: {error}", self.status))
        })
    }

    /// What an answer that is not in order says: `words` are the service's own, `remedy` what to
    /// do about it. A refusal (4xx) says that nothing happened; the rest does not.
    pub(crate) fn refusal(&self, words: &str, remedy: &str) -> Trouble {
        let Self { status, place, secret, .. } = self;
        let remedy = match (status, remedy) {
            (401 | 403, "") => "; check the key and what it may do",
            (429, "") => "; it limits the rate: try again later",
            (500.., "") => "; try again later",
            (300..=399, "") => "; it sends elsewhere: correct the url in config.yaml",
            (_, remedy) => &if remedy.is_empty() { String::new() } else { format!("; {remedy}") },
        };
        let words = without(words, secret);
        let words: String =
            words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_WORDS).collect();
        let words = if words.trim().is_empty() { String::new() } else { format!(": {}", words.trim()) };
        // 408, 409, 425 and 499 are about the request's way, not about its sense.
        let refused = (400..500).contains(status) && ![408, 409, 425, 499].contains(status);
        Trouble { may: !refused, reached: true, message: format!("{place} answered {status}{words}{remedy}") }
    }
}

/// An error with its causes and without its address.
fn told(error: reqwest::Error) -> String {
    use std::error::Error as _;
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}

/// A text in which the secret does not stand.
fn without(text: &str, secret: &SecretString) -> String {
    match secret.expose_secret() {
        "" => text.to_owned(),
        secret => text.replace(secret, "[secret]"),
    }
}

/// A piece of a path, from whomever; `None` for what would lead elsewhere.
pub(crate) fn segment(text: &str) -> Option<String> {
    if text.is_empty() || text.len() > 200 || text.bytes().all(|b| b == b'.') {
        return None;
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    Some(
        text.bytes()
            .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(url: &str) -> Http {
        Http::new(Service {
            name: "Bank",
            section: "payment",
            url: url.into(),
            secret: config::Secret::default(),
            ca_file: None,
            timeout_seconds: 1,
            secrets: std::sync::Arc::new(|_, _| Ok(SecretString::from("hunter2"))),
        })
    }

    #[test]
    fn a_key_goes_over_tls_or_stays_on_this_machine() {
        for good in
            ["https://bank.example/api", "http://127.0.0.1:1/", "http://localhost:1", "http://[::1]:1/x"]
        {
            assert!(http(good).base().is_ok(), "{good}");
        }
        for bad in [
            "http://bank.example",
            "ftp://bank.example",
            "bank",
            "https://u:p@bank.example",
            "http://127.0.0.1.example/",
        ] {
            let trouble = http(bad).base().expect_err(bad);
            assert!(!trouble.may && trouble.message.contains("config.yaml"), "{}", trouble.message);
        }
    }

    #[test]
    fn what_another_says_is_bounded_and_without_the_secret() {
        let reply = Reply::test(400, "");
        let trouble = reply.refusal(&format!("no such token hunter2\u{1b}[2J{}", "x".repeat(1000)), "look");
        assert!(!trouble.may && !trouble.message.contains("hunter2") && !trouble.message.contains('\u{1b}'));
        assert!(trouble.message.len() < 400 && trouble.message.ends_with("; look"), "{}", trouble.message);
    }

    #[test]
    fn only_a_refusal_says_that_nothing_happened() {
        for (status, may) in [(400, false), (401, false), (404, false), (422, false), (429, false)]
            .into_iter()
            .chain([(301, true), (408, true), (409, true), (500, true), (502, true), (503, true)])
        {
            let reply = Reply::test(status, "");
            assert_eq!(reply.refusal("", "").may, may, "{status}");
        }
    }

    #[test]
    fn no_piece_of_a_path_leads_elsewhere() {
        assert_eq!(segment("urn:li:share:1").as_deref(), Some("urn%3Ali%3Ashare%3A1"));
        assert_eq!(segment("a/../b?c#d").as_deref(), Some("a%2F..%2Fb%3Fc%23d"));
        for bad in ["", ".", "..", "..."] {
            assert_eq!(segment(bad), None, "{bad}");
        }
    }
}
