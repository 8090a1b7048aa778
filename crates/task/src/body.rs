//! The Markdown below the front matter: what is proposed, how, and what it answers.
//!
//! Text from strangers and drafts stands in fenced code blocks, so that Obsidian loads no
//! pictures, follows no links and runs no embeds from it.

/// The parts of a task's body. Rendering and parsing are inverse for all texts, up to leading and
/// trailing line ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Body {
    /// The words proposed; equal to `action.call.text()` unless a person edited them here.
    pub draft: Option<String>,
    /// The steps, one per line.
    pub plan: Vec<String>,
    /// The steps of a long task, with check-boxes, in the place of `plan`.
    pub ticks: Vec<Tick>,
    /// What is being answered, quoted.
    pub original: Option<String>,
    /// Whatever else a person wrote, wherever it stood; it is never dropped.
    pub notes: Option<String>,
}

/// A line with a check-box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tick {
    /// Whether it is ticked.
    pub done: bool,
    /// What it says.
    pub text: String,
}

const DRAFT: &str = "## Draft";
const PLAN: &str = "## Plan";
const ORIGINAL: &str = "## Original";
const NOTES: &str = "## Notes";
const CALLOUT: &str = "> [!quote]- As received";

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
        if !self.plan.is_empty() || !self.ticks.is_empty() {
            out.push_str(PLAN);
            out.push_str("\n\n");
            for step in &self.plan {
                out.push_str(&format!("- {}\n", inert(step)));
            }
            for Tick { done, text } in &self.ticks {
                out.push_str(&format!("- [{}] {}\n", if *done { 'x' } else { ' ' }, inert(text)));
            }
            out.push('\n');
        }
        if let Some(original) = &self.original {
            out.push_str(&format!("{ORIGINAL}\n\n{CALLOUT}\n"));
            for line in fenced(original).lines() {
                out.push_str(if line.is_empty() { ">" } else { "> " });
                out.push_str(line);
                out.push('\n');
            }
        }
        if let Some(notes) = &self.notes {
            let gap = if out.is_empty() { "" } else { "\n" };
            out.push_str(&format!("{gap}{NOTES}\n\n{notes}\n"));
        }
        out
    }

    /// Reads a body back. Headings are looked for outside of fences only, so no quoted text can
    /// open a section; a body without any section is all notes.
    pub fn parse(markdown: &str) -> Self {
        let mut body = Self::default();
        let mut notes: Vec<&str> = Vec::new();
        let mut lines = markdown.lines();
        let mut section = "";
        while let Some(line) = lines.next() {
            let heading = line.trim_end();
            if section != NOTES && [DRAFT, PLAN, ORIGINAL, NOTES].contains(&heading) {
                section = heading;
                continue;
            }
            let slot = match section {
                DRAFT if body.draft.is_none() => Some(&mut body.draft),
                ORIGINAL if body.original.is_none() => Some(&mut body.original),
                _ => None,
            };
            let unquoted = line.strip_prefix("> ").unwrap_or(line);
            match (slot, fence_of(unquoted), section) {
                (Some(slot), Some(fence), _) => {
                    let quoted = unquoted.len() != line.len();
                    *slot = Some(fence_content(&mut lines, fence, quoted));
                }
                (_, _, PLAN) if line.starts_with("- ") => match ticked(&line[2..]) {
                    Some(tick) => body.ticks.push(tick),
                    None => body.plan.push(unescape(&line[2..])),
                },
                (_, _, ORIGINAL) if heading == CALLOUT => {}
                (_, _, "" | NOTES) => notes.push(line),
                _ if heading.is_empty() => {}
                _ => notes.push(line),
            }
        }
        let notes = notes.join("\n");
        let notes = notes.trim_matches('\n');
        body.notes = (!notes.trim().is_empty()).then(|| notes.to_owned());
        body
    }
}

/// A check-box, as Obsidian writes it; the text of a step cannot begin with one ([`inert`]).
fn ticked(text: &str) -> Option<Tick> {
    let (mark, text) = text.strip_prefix('[')?.split_once("] ")?;
    let done = match mark {
        " " => false,
        "x" | "X" => true,
        _ => return None,
    };
    Some(Tick { done, text: unescape(text) })
}

fn fence_content(lines: &mut std::str::Lines<'_>, fence: &str, quoted: bool) -> String {
    let unquote = |line| match line {
        line if !quoted => line,
        line => str::strip_prefix(line, "> ").or_else(|| str::strip_prefix(line, ">")).unwrap_or(line),
    };
    lines.map(unquote).take_while(|line| line.trim_end() != fence).collect::<Vec<_>>().join("\n")
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

/// What [`inert`] was given, as far as it was kept.
fn unescape(text: &str) -> String {
    let mut chars = text.chars().peekable();
    let mut out = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(next) if c == '\\' && next.is_ascii_punctuation() => {}
            _ => out.push(c),
        }
        if c == '\\' {
            out.extend(chars.next_if(char::is_ascii_punctuation));
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
            plan: vec!["read *all* of [it]".into(), "answer \\ <b>".into(), "[x] no box".into()],
            ticks: vec![Tick { done: true, text: "- [ ] one\n- [x] two".replace('\n', " ") }],
            original: Some("## Draft\n\n```text\nforged\n```\n> quoted".into()),
            notes: Some("call her back\n\n## My heading\n```\ncode\n```\n- not a step".into()),
        };
        assert_eq!(Body::parse(&body.to_markdown()), body);
    }

    #[test]
    fn an_edit_in_obsidian_is_seen() {
        let body = Body { draft: Some("Dear Alice".into()), ..Body::default() };
        let edited = body.to_markdown().replace("Dear", "Hello");
        assert_eq!(Body::parse(&edited).draft.as_deref(), Some("Hello Alice"));
    }

    #[test]
    fn what_a_person_wrote_is_kept_wherever_it_stood() {
        let body = Body { draft: Some("Dear Alice".into()), plan: vec!["answer".into()], ..Body::default() };
        let text = format!("before\n{}\nbelow the plan\n", body.to_markdown());
        assert_eq!(Body::parse(&text), Body { notes: Some("before\nbelow the plan".into()), ..body });
        assert_eq!(Body::parse("just\n\ntext\n").notes.as_deref(), Some("just\n\ntext"));
    }

    proptest! {
        #[test]
        fn any_draft_and_original_round_trip(draft in "[a`# \\n>-]{0,60}[a-z]", original in "[a`# \\n>-]{0,60}[a-z]") {
            let body = Body { draft: Some(draft), original: Some(original), ..Body::default() };
            prop_assert_eq!(Body::parse(&body.to_markdown()), body);
        }
    }
}
