//! One automaton over bytes, and what its hits are worth.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::finding::{Encoding, Finding, Kind, Shape};
use crate::known::{Fingerprint, Known, Unguarded, fingerprints};
use crate::view::View;
use crate::{assignment, shape};

/// How many findings one content yields; one is enough to keep it back.
const MOST: usize = 20;

/// How many encodings are taken off one after another.
const DEPTH: usize = 2;

/// Why there is no scanner.
#[derive(Debug, thiserror::Error)]
#[error("build the search for secrets: {0}")]
pub struct BuildError(#[from] aho_corasick::BuildError);

/// What a hit of the automaton may be the beginning of.
enum Lead {
    Known(usize),
    Token(&'static shape::Token),
    OpenAi,
    Pem,
    KeyHead,
    Jwt,
    Address,
    Bearer,
    Word(&'static str),
}

/// Looks for secrets.
pub struct Scanner {
    automaton: AhoCorasick,
    leads: Vec<Lead>,
    prints: Vec<Fingerprint>,
    names: Vec<String>,
    unguarded: Vec<Unguarded>,
}

/// Shows no part of any value.
impl std::fmt::Debug for Scanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanner")
            .field("names", &self.names)
            .field("unguarded", &self.unguarded)
            .finish_non_exhaustive()
    }
}

impl Scanner {
    /// Looks for these values and for the well-known shapes. A value that occurs twice goes by
    /// its first name.
    pub fn new(known: impl IntoIterator<Item = Known>) -> Result<Self, BuildError> {
        let (mut leads, mut patterns): (Vec<Lead>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
        let (mut prints, mut names, mut unguarded) = (Vec::new(), Vec::new(), Vec::new());
        for Known { name, value } in known {
            match fingerprints(&value, names.len()) {
                Ok(found) => {
                    for (print, window) in found {
                        leads.push(Lead::Known(prints.len()));
                        patterns.push(window.to_vec());
                        prints.push(print);
                    }
                    names.push(name);
                }
                Err(why) => unguarded.push(Unguarded { name, why }),
            }
        }
        let mut add = |pattern: &[u8], lead: Lead| {
            patterns.push(pattern.to_vec());
            leads.push(lead);
        };
        for token in shape::TOKENS {
            add(token.start.as_bytes(), Lead::Token(token));
        }
        shape::PEM.iter().for_each(|pattern| add(pattern, Lead::Pem));
        shape::KEY_HEADS.iter().for_each(|pattern| add(pattern, Lead::KeyHead));
        add(shape::OPENAI_MIDDLE.as_bytes(), Lead::OpenAi);
        add(b"eyJ", Lead::Jwt);
        add(b"://", Lead::Address);
        add(b"bearer ", Lead::Bearer);
        for word in assignment::WORDS {
            add(word.as_bytes(), Lead::Word(word));
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .ascii_case_insensitive(true)
            .build(&patterns)?;
        Ok(Self { automaton, leads, prints, names, unguarded })
    }

    /// Known values that are not looked for, because they would be found everywhere.
    pub fn unguarded(&self) -> &[Unguarded] {
        &self.unguarded
    }

    /// What secrets are in these bytes, in order; at most 20, one of a kind per line.
    pub fn scan(&self, bytes: &[u8]) -> Vec<Finding> {
        let mut found = Found { original: bytes, findings: Vec::new() };
        let original = View::original(bytes);
        self.look(&original, None, DEPTH, &mut found);
        if let Some(view) = original.unwrapped() {
            self.search(&view, Encoding::Wrapped, true, &mut found);
        }
        found.findings.sort_by_key(|(at, _)| *at);
        found.findings.into_iter().map(|(_, finding)| finding).collect()
    }

    /// The first of [`Scanner::scan`].
    pub fn first(&self, bytes: &[u8]) -> Option<Finding> {
        self.scan(bytes).into_iter().next()
    }

    fn look(&self, view: &View<'_>, encoding: Option<Encoding>, depth: usize, found: &mut Found<'_>) {
        self.search(view, encoding.unwrap_or(Encoding::Plain), false, found);
        if depth > 0 && !found.is_full() {
            view.decoded(&mut |decoded, inner| {
                self.look(decoded, Some(encoding.unwrap_or(inner)), depth - 1, found);
            });
        }
    }

    fn search(&self, view: &View<'_>, encoding: Encoding, known_only: bool, found: &mut Found<'_>) {
        let bytes = &*view.bytes;
        let torn = matches!(encoding, Encoding::Base64 | Encoding::Hex);
        for hit in self.automaton.find_overlapping_iter(bytes) {
            if found.is_full() {
                return;
            }
            let at = hit.start();
            let lead = &self.leads[hit.pattern().as_usize()];
            if known_only && !matches!(lead, Lead::Known(_)) {
                continue;
            }
            let shaped = |stands: bool, shape: Shape| stands.then_some((at, Kind::Shape(shape), encoding));
            let from =
                |start: Option<usize>, shape: Shape| start.map(|at| (at, Kind::Shape(shape), encoding));
            let secret = match lead {
                Lead::Known(index) => {
                    let print = &self.prints[*index];
                    let encoding = match (print.reversed, encoding) {
                        (true, Encoding::Plain) => Encoding::Reversed,
                        _ => encoding,
                    };
                    let name = || self.names[print.known].clone();
                    print.confirm(bytes, at).map(|start| (start, Kind::Known(name()), encoding))
                }
                Lead::Token(token) => shaped(token.stands(bytes, at, torn), token.shape),
                Lead::OpenAi => from(shape::openai(bytes, at), Shape::OpenAi),
                Lead::Pem => from(shape::pem(bytes, at), Shape::PrivateKey),
                Lead::KeyHead => shaped(true, Shape::PrivateKey),
                Lead::Jwt => shaped(bytes[at..].starts_with(b"eyJ") && shape::jwt(bytes, at), Shape::Jwt),
                Lead::Address => shaped(shape::address_password(bytes, at), Shape::AddressPassword),
                Lead::Bearer => shaped(shape::bearer(bytes, at), Shape::Bearer),
                Lead::Word(word) => {
                    let linked = shape::in_link(found.original, view.offset(at));
                    from(assignment::assigned(bytes, at, word, linked), Shape::Assignment)
                }
            };
            if let Some((start, kind, encoding)) = secret {
                found.add(view.offset(start), kind, encoding);
            }
        }
    }
}

/// Findings so far, by offset.
struct Found<'a> {
    original: &'a [u8],
    findings: Vec<(usize, Finding)>,
}

impl Found<'_> {
    fn is_full(&self) -> bool {
        self.findings.len() >= MOST
    }

    fn add(&mut self, offset: usize, kind: Kind, encoding: Encoding) {
        let before = self.original.get(..offset).unwrap_or(self.original);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        // Bytes that begin a character.
        let column = before[start..].iter().filter(|byte| **byte & 0xc0 != 0x80).count() + 1;
        let again = |(_, known): &(usize, Finding)| known.kind == kind && known.line == line;
        if !self.findings.iter().any(again) {
            self.findings.push((offset, Finding { kind, encoding, line, column }));
        }
    }
}

#[cfg(test)]
mod tests;
