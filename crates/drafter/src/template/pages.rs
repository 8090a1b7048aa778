//! The texts that drafts are made of: built in, or the owner's own under the same name.

use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

use crate::message::Language;
use crate::{BuildError, DraftError};

/// The built-in texts by name.
const BUILT_IN: &[(&str, &str)] = &[
    ("email.en.md.j2", include_str!("../../templates/email.en.md.j2")),
    ("email.de.md.j2", include_str!("../../templates/email.de.md.j2")),
    ("social.en.md.j2", include_str!("../../templates/social.en.md.j2")),
    ("social.de.md.j2", include_str!("../../templates/social.de.md.j2")),
    ("whatsapp.en.md.j2", include_str!("../../templates/whatsapp.en.md.j2")),
    ("whatsapp.de.md.j2", include_str!("../../templates/whatsapp.de.md.j2")),
    ("invoice.en.md.j2", include_str!("../../templates/invoice.en.md.j2")),
    ("invoice.de.md.j2", include_str!("../../templates/invoice.de.md.j2")),
    ("sales.en.md.j2", include_str!("../../templates/sales.en.md.j2")),
    ("sales.de.md.j2", include_str!("../../templates/sales.de.md.j2")),
    ("post.md.j2", include_str!("../../templates/post.md.j2")),
];

/// What the texts of each kind get, by the beginning of their names; `docs/templates.md` says what it is.
const VALUES: &[(&str, &[&str])] = &[
    ("email", &["attachments", "intent", "name", "owner", "reference", "signature", "subject", "wish"]),
    ("social", &["event", "intent", "limit", "name", "owner", "wish"]),
    ("whatsapp", &["intent", "name", "owner", "reference", "wish"]),
    ("invoice", &["currency", "due", "name", "number", "owner", "reference", "signature", "total"]),
    ("sales", &["audience", "benefit", "link", "owner", "platform", "price", "product", "until"]),
    ("post", &["owner", "platform", "text"]),
];

/// Which text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Page {
    Email(Language),
    Social(Language),
    Whatsapp(Language),
    Invoice(Language),
    Sales(Language),
    Post,
}

impl Page {
    fn name(self) -> &'static str {
        let (kind, language) = match self {
            Page::Email(language) => ("email", language.code()),
            Page::Social(language) => ("social", language.code()),
            Page::Whatsapp(language) => ("whatsapp", language.code()),
            Page::Invoice(language) => ("invoice", language.code()),
            Page::Sales(language) => ("sales", language.code()),
            Page::Post => ("post", "md"),
        };
        let of = |name: &&str| name.starts_with(kind) && name[kind.len() + 1..].starts_with(language);
        BUILT_IN.iter().map(|(name, _)| *name).find(of).unwrap_or("post.md.j2")
    }
}

/// All texts, parsed.
#[derive(Debug)]
pub(crate) struct Pages {
    environment: Environment<'static>,
}

impl Pages {
    /// The built-in texts, with those in the folder `own` in their place.
    pub(crate) fn load(own: Option<&Path>) -> Result<Self, BuildError> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // Defaults with two switches turned: building them cannot fail.
        if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
            environment.set_syntax(syntax);
        }
        for (name, built_in) in BUILT_IN {
            let path = own.map(|folder| folder.join(name)).unwrap_or_else(|| name.into());
            let text = match own.map(|_| std::fs::read_to_string(&path)) {
                Some(Ok(text)) => text,
                Some(Err(source)) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(BuildError::Read { path, source });
                }
                Some(Err(_)) | None => (*built_in).to_owned(),
            };
            let invalid = |source| BuildError::Template { path: path.clone(), source: Box::new(source) };
            environment.add_template_owned(*name, text).map_err(invalid)?;
            let asked = environment.get_template(name).map_err(invalid)?.undeclared_variables(false);
            let known = values(name);
            let given =
                |value: &&str| known.contains(value) || environment.globals().any(|(name, _)| name == *value);
            let mut unknown: Vec<&str> =
                asked.iter().map(String::as_str).filter(|value| !given(value)).collect();
            unknown.sort_unstable();
            if !unknown.is_empty() {
                return Err(BuildError::Value { path, unknown: unknown.join(", "), known: known.join(", ") });
            }
        }
        if let Some(folder) = own {
            stray(folder)?;
        }
        Ok(Self { environment })
    }

    /// A text with its values, without white space around it.
    pub(crate) fn render(&self, page: Page, values: Value) -> Result<String, DraftError> {
        let name = page.name();
        self.environment
            .get_template(name)
            .and_then(|template| template.render(values))
            .map(|text| text.trim().to_owned())
            .map_err(|source| DraftError::Template { name, source: Box::new(source) })
    }
}

fn values(name: &str) -> &'static [&'static str] {
    VALUES.iter().find(|(kind, _)| name.starts_with(kind)).map_or(&[], |(_, values)| values)
}

/// A template whose name is mistyped would never be used, and nobody would know why.
fn stray(folder: &Path) -> Result<(), BuildError> {
    let read = |source| BuildError::Read { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".j2") && BUILT_IN.iter().all(|(known, _)| *known != name) {
            let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            return Err(BuildError::Name { names: names.join(", "), path });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_has_its_text() {
        let check = |page: Page, name: &str| assert_eq!(page.name(), name);
        check(Page::Email(Language::German), "email.de.md.j2");
        check(Page::Social(Language::English), "social.en.md.j2");
        check(Page::Whatsapp(Language::German), "whatsapp.de.md.j2");
        check(Page::Sales(Language::English), "sales.en.md.j2");
        check(Page::Post, "post.md.j2");
    }

    #[test]
    fn the_owners_text_stands_in_and_a_broken_one_is_named() {
        let dir = tempfile::tempdir().expect("tempdir");
        std::fs::write(dir.path().join("post.md.j2"), "{{ text }} – {{ owner }}").expect("write");
        let values = minijinja::context! { text => "<b>", owner => "Olga", platform => "x" };
        let pages = Pages::load(Some(dir.path())).expect("pages");
        assert_eq!(pages.render(Page::Post, values.clone()).expect("text"), "<b> – Olga");
        std::fs::write(dir.path().join("post.md.j2"), "{{ text ").expect("write");
        let error = Pages::load(Some(dir.path())).expect_err("broken").to_string();
        assert!(error.contains("post.md.j2"), "{error}");
        std::fs::write(dir.path().join("post.md.j2"), "{{ txet }}").expect("write");
        let error = Pages::load(Some(dir.path())).expect_err("a value that does not exist").to_string();
        assert!(
            error.contains("asks for txet, which it does not get; it gets owner, platform, text"),
            "{error}"
        );
        std::fs::write(dir.path().join("post.md.j2"), "{{ text }}").expect("write");
        std::fs::write(dir.path().join("e-mail.en.md.j2"), "Hello").expect("write");
        let error = Pages::load(Some(dir.path())).expect_err("a name that is not used").to_string();
        assert!(
            error.contains("e-mail.en.md.j2 is no template that is ever used; the names are email.en"),
            "{error}"
        );
    }
}
