//! The model behind its provider's protocol: one question, one answer, what it cost, and what
//! kind of fault it was.

use std::sync::Arc;
use std::time::Duration;

use config::{Llm, Provider};
use genai::adapter::AdapterKind;
use genai::chat::{ChatOptions, ChatRequest, ChatResponseFormat, StopReason};
use genai::resolver::{AuthData, Endpoint, ProviderConfig};
use genai::{Client, ModelIden};
use secrecy::{ExposeSecret, SecretString};

use super::budget::Tokens;
use crate::BuildError;
use crate::text::line;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// The longest wait that a provider may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A model that can be asked.
pub(super) struct Model {
    client: Client,
    iden: ModelIden,
    options: ChatOptions,
}

/// What a model said.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) text: String,
    /// As the provider counts; none where it does not say.
    pub(super) used: Option<Tokens>,
    /// Whether it ran into the limit of its length.
    pub(super) cut: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// A fragment.
    pub(super) reason: String,
    /// Whether asking again may help.
    pub(super) passing: bool,
    /// Whether the call certainly cost nothing.
    pub(super) free: bool,
    /// How long the provider wants to be left alone.
    pub(super) wait: Option<Duration>,
}

impl Model {
    pub(super) fn new(llm: &Llm, key: Option<&SecretString>) -> Result<Self, BuildError> {
        let bad = |reason: &str| BuildError::Model(reason.to_owned());
        let kind = match llm.provider {
            Provider::Anthropic => AdapterKind::Anthropic,
            Provider::Openai => AdapterKind::OpenAI,
            Provider::Ollama => AdapterKind::Ollama,
        };
        if key.is_none() && llm.endpoint.is_none() && llm.provider != Provider::Ollama {
            return Err(bad(
                "drafter.llm.api_key is missing, and drafter.llm.endpoint names no server of your own",
            ));
        }
        let plain = match llm.endpoint.as_deref() {
            Some(endpoint) if endpoint.starts_with("http://") => true,
            Some(endpoint) if endpoint.starts_with("https://") => false,
            Some(_) => return Err(bad("drafter.llm.endpoint must begin with http:// or https://")),
            None => llm.provider == Provider::Ollama,
        };
        // Without a key of its own the library would look for one in the environment.
        let key = key.map_or("none", ExposeSecret::expose_secret);
        let mut provider = ProviderConfig::default().with_auth(AuthData::from_single(key));
        if let Some(endpoint) = &llm.endpoint {
            provider =
                provider.with_endpoint(Endpoint::from_owned(format!("{}/", endpoint.trim_end_matches('/'))));
        }
        let client = Client::builder()
            .with_reqwest(http(llm, plain)?)
            .append_provider_config(kind, provider)
            .with_adapter_kind(kind)
            .build()
            .map_err(|error| BuildError::Model(short(&error.to_string())))?;
        let mut options = ChatOptions::default().with_max_tokens(llm.max_output_tokens);
        if llm.provider != Provider::Anthropic {
            options = options.with_response_format(ChatResponseFormat::JsonMode);
        }
        if llm.provider == Provider::Ollama && key != "none" {
            options = options.with_extra_headers(vec![("authorization".to_owned(), format!("Bearer {key}"))]);
        }
        Ok(Self { client, iden: ModelIden::new(kind, llm.model.as_str()), options })
    }

    pub(super) async fn ask(&self, chat: ChatRequest) -> Result<Reply, Fault> {
        let response = self
            .client
            .exec_chat(self.iden.clone(), chat, Some(&self.options))
            .await
            .map_err(|error| Fault::of(&error))?;
        let count = |tokens: Option<i32>| tokens.and_then(|tokens| u64::try_from(tokens).ok());
        let used = count(response.usage.prompt_tokens)
            .zip(count(response.usage.completion_tokens))
            .map(|(input, output)| Tokens { input, output });
        let cut = response.stop_reason.as_ref().is_some_and(StopReason::is_max_tokens);
        Ok(Reply { text: response.texts().join(""), used, cut })
    }
}

/// No redirect is followed: it would carry the key to another host.
fn http(llm: &Llm, plain: bool) -> Result<reqwest::Client, BuildError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    if !plain {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BuildError::Model(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(llm.timeout_seconds.max(1)))
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(Duration::from_secs(30))
        .build()
        .map_err(|error| BuildError::Model(error.to_string()))
}

impl Fault {
    /// Bodies of answers are left out, except for a line of one that says what was wrong with
    /// the request; they may repeat what was asked, and with some providers parts of the key.
    fn of(error: &genai::Error) -> Self {
        let fault = |reason: String, passing, free| Self { reason, passing, free, wait: None };
        if let Some(status) = error.status() {
            let code = status.as_u16();
            let reason = match code {
                401 | 403 => format!("the provider refused the key (HTTP {code})"),
                404 => "the provider knows no such model or address (HTTP 404)".to_owned(),
                429 | 529 => format!("the provider is overloaded or limits the rate (HTTP {code})"),
                300..=399 => {
                    format!("the provider redirects elsewhere (HTTP {code}); correct drafter.llm.endpoint")
                }
                _ => format!("the provider answered HTTP {code}"),
            };
            let passing = matches!(code, 408 | 425 | 429 | 500 | 502 | 503 | 504 | 529);
            let wait = error
                .headers()
                .and_then(|headers| headers.get("retry-after"))
                .and_then(|value| value.to_str().ok()?.trim().parse().ok())
                .map(Duration::from_secs);
            // A provider that wants longer is as good as away.
            let passing = passing && wait.is_none_or(|wait| wait <= LONGEST_WAIT);
            // Refused at the door; other faults of the server may come after the work.
            let free = code < 500 || matches!(code, 503 | 529);
            return Self { wait, ..fault(reason, passing, free) };
        }
        let genai::Error::WebModelCall { webc_error, .. } = error else {
            return fault(
                format!("the answer has an unknown shape: {}", short(&error.to_string())),
                false,
                false,
            );
        };
        match webc_error {
            genai::webc::Error::Reqwest(error) if error.is_connect() => {
                fault(format!("the provider cannot be reached: {}", cause(error)), true, true)
            }
            genai::webc::Error::Reqwest(error) if error.is_timeout() => {
                fault("the provider did not answer in time".into(), true, false)
            }
            genai::webc::Error::Reqwest(error) => {
                fault(format!("the connection to the provider broke: {}", cause(error)), true, false)
            }
            genai::webc::Error::ResponseFailedNotJson { content_type, .. } => fault(
                format!("the provider answered with {:?} in place of JSON", short(content_type)),
                false,
                false,
            ),
            genai::webc::Error::ResponseFailedInvalidJson { .. } => {
                fault("the provider's answer is no valid JSON".into(), false, false)
            }
            _ => fault("the provider's answer has an unknown shape".into(), false, false),
        }
    }
}

/// The innermost cause, which says more than the layers around it.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    short(&inner.to_string())
}

fn short(text: &str) -> String {
    line(text.split("Request Payload").next().unwrap_or_default(), 200)
}
