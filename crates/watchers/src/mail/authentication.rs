//! What the receiving server found of the sender (RFC 8601).
//!
//! Anyone can write an `Authentication-Results` field into a mail. Only the receiving server's
//! own counts, and its place tells which one that is.

use task::Authentication;

use super::headers::Headers;

/// Reads the receiving server's findings; `None` when it left none.
///
/// With a known `authserv_id`, the topmost field by that name counts. Without one, the topmost
/// field counts if it stands above every `Received` field, where no sender can write, or if a
/// `Received` field above it was written by a host of the domain that it names: such servers
/// remove what senders forge in their name (RFC 8601, section 5).
pub(super) fn of(
    headers: &Headers<'_>,
    authserv_id: Option<&str>,
    from: Option<&str>,
) -> Option<Authentication> {
    let mut fields = headers.all("authentication-results");
    let field = match authserv_id {
        Some(wanted) => {
            fields.map(|(_, v)| strip_comments(v)).find(|v| server(v).eq_ignore_ascii_case(wanted))?
        }
        None => {
            let (at, field) = fields.next()?;
            let field = strip_comments(field);
            let above: Vec<&str> =
                headers.all("received").filter(|(hop, _)| *hop < at).map(|(_, v)| v).collect();
            let own = above.is_empty() && headers.count("received") > 0
                || above.iter().any(|hop| same_domain(&written_by(hop), server(&field)));
            own.then_some(field)?
        }
    };
    let results: Vec<Finding> = field.split(';').skip(1).filter_map(finding).collect();
    let sender_domain = from.and_then(|a| a.rsplit_once('@')).map(|(_, domain)| domain).unwrap_or_default();
    let of_method = |method: &str| {
        let all = || results.iter().filter(|f| f.method == method);
        // Anyone may sign with a domain of their own: the sender's signature goes first, and
        // another's is named.
        all().find(|f| f.speaks_for(sender_domain)).or_else(|| all().next()).map(|f| f.say(sender_domain))
    };
    let found = Authentication { spf: of_method("spf"), dkim: of_method("dkim"), dmarc: of_method("dmarc") };
    (found != Authentication::default()).then_some(found)
}

/// One method's result.
struct Finding {
    method: String,
    result: String,
    /// The domain that it vouches for, when it says one.
    domain: Option<String>,
}

impl Finding {
    fn speaks_for(&self, sender: &str) -> bool {
        self.domain.as_deref().is_some_and(|domain| same_domain(domain, sender))
    }

    fn say(&self, sender: &str) -> String {
        match &self.domain {
            Some(domain) if self.result == "pass" && !same_domain(domain, sender) => {
                format!("{} for {domain}", self.result)
            }
            _ => self.result.clone(),
        }
    }
}

/// `dkim=pass header.d=example.com`, with anything after it.
fn finding(part: &str) -> Option<Finding> {
    let mut words = part.split_whitespace();
    let (method, result) = words.next()?.split_once('=')?;
    let method = method.split('/').next().unwrap_or_default().trim().to_ascii_lowercase();
    let word: String = result.to_ascii_lowercase();
    let plain = !word.is_empty() && word.len() <= 20 && word.bytes().all(|b| b.is_ascii_lowercase());
    let domain = words
        .filter_map(|word| word.split_once('='))
        .filter(|(name, _)| {
            ["header.d", "header.i", "smtp.mailfrom", "header.from"]
                .iter()
                .any(|n| name.eq_ignore_ascii_case(n))
        })
        .map(|(_, value)| value.trim_matches('"').rsplit('@').next().unwrap_or_default().to_ascii_lowercase())
        .find(|domain| {
            !domain.is_empty()
                && domain.len() <= 100
                && domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        });
    plain.then_some(Finding { method, result: word, domain })
}

/// The authserv-id of a field without comments.
fn server(field: &str) -> &str {
    field.split(';').next().unwrap_or_default().split_whitespace().next().unwrap_or_default()
}

/// The host that wrote a `Received` field.
fn written_by(received: &str) -> String {
    let plain = strip_comments(received);
    let mut words = plain.split_whitespace();
    words.find(|word| word.eq_ignore_ascii_case("by"));
    words.next().unwrap_or_default().trim_end_matches(';').to_owned()
}

/// Whether two host names are of one domain: equal, one below the other, or equal in their last
/// two labels (three under a two-letter ending such as `co.uk`).
fn same_domain(a: &str, b: &str) -> bool {
    let tail = |host: &str| {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let labels: Vec<&str> = host.split('.').collect();
        let second_level = labels.len() >= 3
            && labels.last().is_some_and(|l| l.len() == 2)
            && labels.get(labels.len() - 2).is_some_and(|l| l.len() <= 3);
        let keep = if second_level { 3 } else { 2 };
        labels[labels.len().saturating_sub(keep)..].join(".")
    };
    let (a, b) = (tail(a), tail(b));
    !a.is_empty() && a.contains('.') && a == b
}

/// Takes out comments in parentheses, which nest, and leaves a space.
fn strip_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut depth, mut escaped, mut quoted) = (0_usize, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => {
                escaped = false;
                if depth == 0 {
                    out.push(c);
                }
            }
            '\\' => escaped = true,
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth > 0 => {
                depth -= 1;
                out.push(' ');
            }
            // A quoted value may not start a second result.
            ';' if quoted => out.push('_'),
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}
