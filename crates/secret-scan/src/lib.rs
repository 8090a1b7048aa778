//! Finds secrets in bytes that are about to leave the machine.
//!
//! - [`Scanner`]: made once from the values that must never leave ([`Known`]); it also knows the
//!   shapes that tokens and private keys of well-known services have, and assignments such as
//!   `password: …` with a value that nobody types for fun.
//! - [`Finding`]: what was found, in which encoding and where, never the value itself.
//! - [`Unguarded`]: a known value that cannot be looked for, because it would be found everywhere.
//!
//! Content is looked at as it is and through the encodings that text commonly goes through, two
//! on top of each other: base64 (both alphabets, at any alignment, wrapped into lines), hex, URL
//! encoding, quoted-printable and backslash escapes, UTF-16; known values backwards too. It is a
//! net for accidents and for the usual ways of exfiltration, not against a cipher.
//!
//! Of a known value the scanner keeps four bytes, its length and a digest. Pure: no files, no
//! environment, no clock.

mod assignment;
mod finding;
mod known;
mod scanner;
mod shape;
mod view;

pub use finding::{Encoding, Finding, Kind, Shape};
pub use known::{Known, Unguarded, Weakness};
pub use scanner::{BuildError, Scanner};
