//! The pattern lists of `ssh_config(5)`, as far as the approvers file uses them.

/// Whether `text` is named by a comma-separated list of patterns with `*`, `?` and a leading `!`
/// that excludes. An exclusion wins over any match.
pub(crate) fn list_matches(list: &str, text: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',').map(str::trim) {
        match pattern.strip_prefix('!') {
            Some(excluded) if matches(excluded.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
    found
}

/// Linear in both: on a mismatch only the last `*` is tried again.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p + 1, t));
            p += 1;
        } else if pattern.get(p).is_some_and(|&c| c == b'?' || c == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((after_star, from)) = retry {
            retry = Some((after_star, from + 1));
            p = after_star;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_ssh_config() {
        let check = |list: &str, text: &str, expected| {
            assert_eq!(list_matches(list, text), expected, "{list} {text}")
        };
        check("ai-employee-order", "ai-employee-order", true);
        check("file,ai-employee-order", "ai-employee-order", true);
        check("file", "ai-employee-order", false);
        check("*", "ai-employee-order", true);
        check("ai-*-order", "ai-employee-order", true);
        check("ai-*-orders", "ai-employee-order", false);
        check("ai-employee-orde?", "ai-employee-order", true);
        check("*,!ai-*", "ai-employee-order", false);
        check("!file", "ai-employee-order", false);
        check("", "ai-employee-order", false);
        check("a*b*c", "axxbxxbc", true);
    }
}
