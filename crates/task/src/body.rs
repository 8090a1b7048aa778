//! The Markdown below the front matter: what is proposed, how, and what it answers.
//!
//! Text from strangers and drafts stands in fenced code blocks, so that Obsidian loads no
//! pictures, follows no links and runs no embeds from it.

/// The parts of a task's body. Rendering and parsing are inverse for all texts, up to trailing
/// line ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Body {
    /// The words proposed; equal to `action.call.text()` unless a person edited them here.
    pub draft: Option<String>,
    /// The steps, one per line.
    pub plan: Vec<String>,
    /// What is being answered, quoted.
    pub original: Option<String>,
}

const DRAFT: &str = "## Draft";
const PLAN: &str = "## Plan";
const ORIGINAL: &str = "## Original";

impl Body {
    /// A body that only quotes an event.
    pub fn of_original(text: impl Into<String>) -> Self {
        Self { original: Some(text.into()), ..Self::default() }
    }

    /// The Markdown.
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        if let Some(draft) = &self.draft {
            out.push_str(&format!("{DRAFT}\n\n{}\n", fenced(draft)));
        }
        if !self.plan.is_empty() {
            out.push_str(PLAN);
            out.push_str("\n\n");
            for step in &self.plan {
                out.push_str(&format!("- {}\n", inert(step)));
            }
            out.push('\n');
        }
        if let Some(original) = &self.original {
            out.push_str(&format!("{ORIGINAL}\n\n> [!quote]- As received\n"));
            for line in fenced(original).lines() {
                out.push_str(if line.is_empty() { ">" } else { "> " });
                out.push_str(line);
                out.push('\n');
            }
        }
        out
    }

    /// Reads a body back. Headings are looked for outside of fences only, so no text can open
    /// a section; what people wrote elsewhere is not part of it.
    pub fn parse(markdown: &str) -> Self {
        let mut body = Self::default();
        let mut lines = markdown.lines().peekable();
        let mut section = "";
        while let Some(line) = lines.next() {
            let heading = line.trim_end();
            if [DRAFT, PLAN, ORIGINAL].contains(&heading) {
                section = heading;
                continue;
            }
            let unquoted = line.strip_prefix("> ").unwrap_or(line);
            if let Some(fence) = fence_of(unquoted) {
                let quoted = unquoted.len() != line.len();
                let mut text = Vec::new();
                for inner in lines.by_ref() {
                    let inner = if quoted {
                        inner.strip_prefix("> ").or_else(|| inner.strip_prefix('>')).unwrap_or(inner)
                    } else {
                        inner
                    };
                    if inner.trim_end() == fence {
                        break;
                    }
                    text.push(inner);
                }
                let slot = match section {
                    DRAFT => &mut body.draft,
                    ORIGINAL => &mut body.original,
                    _ => continue,
                };
                slot.get_or_insert_with(|| text.join("\n"));
            } else if section == PLAN {
                if let Some(step) = line.strip_prefix("- ") {
                    body.plan.push(step.to_owned());
                }
            }
        }
        body
    }
}

/// A code block whose fence is longer than any run of backticks in `text`.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

fn fence_of(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches('`');
    let ticks = line.len() - rest.len();
    (ticks >= 3 && matches!(rest.trim_end(), "" | "text")).then(|| &line[..ticks])
}

/// One line of text that Markdown and Obsidian show as it is: characters that start links,
/// embeds, tags, markup or HTML are escaped, line ends become spaces.
pub fn inert(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '!' | '|' | '~' | '$' | '#' | '^' | '%'
            | '=' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_cannot_open_a_section_or_leave_its_fence() {
        let body = Body {
            draft: Some("Hello\n```\n## Original\n````\n![x](http://evil)".into()),
            plan: vec!["read".into(), "answer".into()],
            original: Some("## Draft\n\n```text\nforged\n```\n> quoted".into()),
        };
        assert_eq!(Body::parse(&body.to_markdown()), body);
    }

    #[test]
    fn an_edit_in_obsidian_is_seen() {
        let body = Body { draft: Some("Dear Alice".into()), ..Body::default() };
        let edited = body.to_markdown().replace("Dear", "Hello");
        assert_eq!(Body::parse(&edited).draft.as_deref(), Some("Hello Alice"));
    }

    proptest! {
        #[test]
        fn any_draft_and_original_round_trip(draft in "[a`# \\n>-]{0,60}[a-z]", original in "[a`# \\n>-]{0,60}[a-z]") {
            let body = Body { draft: Some(draft), plan: vec![], original: Some(original) };
            prop_assert_eq!(Body::parse(&body.to_markdown()), body);
        }
    }
}
