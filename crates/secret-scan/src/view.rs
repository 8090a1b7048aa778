//! Content as it reads once an encoding is taken off.

use std::borrow::Cow;

use crate::Encoding;

/// Bytes, and where each of them came from.
pub(crate) struct View<'a> {
    pub(crate) bytes: Cow<'a, [u8]>,
    /// Offset of each byte in the original; none where they are the original.
    at: Option<Vec<u32>>,
}

/// Fewer base64 characters hold no secret that is looked for.
const BASE64_RUN: usize = 11;

/// Nor do fewer hexadecimal digits.
const HEX_RUN: usize = 16;

impl<'a> View<'a> {
    pub(crate) fn original(bytes: &'a [u8]) -> Self {
        Self { bytes: Cow::Borrowed(bytes), at: None }
    }

    /// Where a byte stands in the original.
    pub(crate) fn offset(&self, index: usize) -> usize {
        match &self.at {
            None => index,
            Some(at) => {
                at.get(index).or(at.last()).map_or(0, |at| usize::try_from(*at).unwrap_or(usize::MAX))
            }
        }
    }

    /// Calls `see` with every way in which this can be read once one encoding is taken off.
    pub(crate) fn decoded(&self, see: &mut dyn FnMut(&View<'_>, Encoding)) {
        let mut run = Run::default();
        let mut spare = Buffer::default();
        self.runs(&mut run, is_base64, base64_gap, BASE64_RUN, &mut |run| {
            for skip in 0..4 {
                spare.base64(run, skip);
                spare.lend(|view| see(view, Encoding::Base64));
            }
        });
        self.runs(&mut run, |byte| byte.is_ascii_hexdigit(), hex_gap, HEX_RUN, &mut |run| {
            for skip in 0..2 {
                spare.hex(run, skip);
                spare.lend(|view| see(view, Encoding::Hex));
            }
        });
        for (decode, encoding) in [
            (percent as fn(&[u8], usize) -> Option<(u8, usize)>, Encoding::Url),
            (escape, Encoding::Escaped),
            (narrow, Encoding::Utf16),
        ] {
            if let Some(view) = self.rewritten(decode) {
                see(&view, encoding);
            }
        }
    }

    /// The text as it was before it was broken into lines; none if it has one line.
    pub(crate) fn unwrapped(&self) -> Option<View<'static>> {
        self.bytes.contains(&b'\n').then_some(())?;
        self.rewritten(|bytes, index| gap_at_line_end(bytes, index).map(|next| (0, next))).map(|mut view| {
            // The zeros stand for the breaks.
            let at = view.at.take().unwrap_or_default();
            let kept = view.bytes.iter().zip(at).filter(|(byte, _)| **byte != 0);
            let (bytes, at): (Vec<u8>, Vec<u32>) = kept.map(|(byte, at)| (*byte, at)).unzip();
            View { bytes: bytes.into(), at: Some(at) }
        })
    }

    /// With what `decode` makes of some places: a byte, and where it goes on. None if it makes
    /// nothing of any.
    fn rewritten(&self, decode: impl Fn(&[u8], usize) -> Option<(u8, usize)>) -> Option<View<'static>> {
        let bytes = &self.bytes;
        let first = (0..bytes.len()).find(|index| decode(bytes, *index).is_some())?;
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = Vec::with_capacity(bytes.len());
        let mut index = 0;
        while index < bytes.len() {
            let (byte, next) = match index >= first {
                true => decode(bytes, index).unwrap_or((bytes[index], index + 1)),
                false => (bytes[index], index + 1),
            };
            out.push(byte);
            // A soft line break stands before the byte that it yields.
            at.push(self.narrow_offset(if bytes[next - 1] == byte { next - 1 } else { index }));
            index = next;
        }
        Some(View { bytes: out.into(), at: Some(at) })
    }

    fn narrow_offset(&self, index: usize) -> u32 {
        u32::try_from(self.offset(index)).unwrap_or(u32::MAX)
    }

    /// Every longest run of characters of one alphabet; `gap` says where it goes on behind a
    /// character that is none.
    fn runs(
        &self,
        run: &mut Run,
        belongs: fn(u8) -> bool,
        gap: fn(&[u8], usize) -> Option<usize>,
        shortest: usize,
        see: &mut dyn FnMut(&Run),
    ) {
        let bytes = &self.bytes;
        let mut index = 0;
        while index < bytes.len() {
            run.clear();
            loop {
                while let Some(byte) = bytes.get(index).filter(|byte| belongs(**byte)) {
                    run.chars.push(*byte);
                    run.at.push(self.narrow_offset(index));
                    index += 1;
                }
                match gap(bytes, index) {
                    Some(next) if !run.chars.is_empty() && bytes.get(next).is_some_and(|b| belongs(*b)) => {
                        index = next;
                    }
                    _ => break,
                }
            }
            if run.chars.len() >= shortest {
                see(run);
            }
            index += 1;
        }
    }
}

/// Characters of one alphabet, without what stood between them.
#[derive(Default)]
struct Run {
    chars: Vec<u8>,
    at: Vec<u32>,
}

impl Run {
    fn clear(&mut self) {
        self.chars.clear();
        self.at.clear();
    }
}

/// Room for decoded bytes, used again and again.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    at: Vec<u32>,
}

impl Buffer {
    fn lend(&mut self, see: impl FnOnce(&View<'_>)) {
        let view = View {
            bytes: Cow::Owned(std::mem::take(&mut self.bytes)),
            at: Some(std::mem::take(&mut self.at)),
        };
        see(&view);
        self.bytes = view.bytes.into_owned();
        self.at = view.at.unwrap_or_default();
    }

    fn start(&mut self) {
        self.bytes.clear();
        self.at.clear();
    }

    /// Decodes from the character `skip` on.
    fn base64(&mut self, run: &Run, skip: usize) {
        self.start();
        let (chars, at) = (run.chars.get(skip..).unwrap_or_default(), run.at.get(skip..).unwrap_or_default());
        for (group, at) in chars.chunks(4).zip(at.chunks(4)) {
            let value =
                group.iter().fold(0_u32, |value, c| value << 6 | sextet(*c)) << (6 * (4 - group.len()));
            let [_, bytes @ ..] = value.to_be_bytes();
            for (index, byte) in bytes.into_iter().take(group.len().saturating_sub(1)).enumerate() {
                self.bytes.push(byte);
                self.at.push(at[index]);
            }
        }
    }

    fn hex(&mut self, run: &Run, skip: usize) {
        self.start();
        let (chars, at) = (run.chars.get(skip..).unwrap_or_default(), run.at.get(skip..).unwrap_or_default());
        for (pair, at) in chars.chunks_exact(2).zip(at.chunks_exact(2)) {
            if let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) {
                self.bytes.push(high << 4 | low);
                self.at.push(at[0]);
            }
        }
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

fn sextet(c: u8) -> u32 {
    u32::from(match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' | b'-' => 62,
        _ => 63,
    })
}

fn digit(c: u8) -> Option<u8> {
    char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn pair(bytes: &[u8], index: usize) -> Option<u8> {
    Some(digit(*bytes.get(index)?)? << 4 | digit(*bytes.get(index + 1)?)?)
}

/// Where text goes on after a line's end: quoting and indentation belong to the break, and so
/// does what continues a string in source text. Line ends may be written `\n`, as in JSON.
fn gap_at_line_end(bytes: &[u8], start: usize) -> Option<usize> {
    let skip = |mut index: usize, set: &[u8]| {
        while bytes.get(index).is_some_and(|byte| set.contains(byte)) {
            index += 1;
        }
        index
    };
    let rest = |index: usize| bytes.get(index..).unwrap_or_default();
    if !matches!(bytes.get(start)?, b' ' | b'\t' | b'"' | b'\'' | b',' | b'=' | b'\\' | b'\r' | b'\n') {
        return None;
    }
    let mut index = start;
    if !rest(index).starts_with(b"\\n") && !rest(index).starts_with(b"\\r") {
        index = skip(index, b" \t\"',=");
    }
    let mut broken = false;
    loop {
        let rest = rest(index);
        let len = match rest {
            [b'\\', b'n', ..] => 2,
            [b'\\', b'r', ..] => 2,
            [b'\\', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            [b'\r', ..] => 1,
            _ => break,
        };
        broken = true;
        index += len;
    }
    broken.then(|| skip(index, b" \t>|\"'#*"))
}

fn base64_gap(bytes: &[u8], index: usize) -> Option<usize> {
    gap_at_line_end(bytes, index)
}

/// Pairs of digits may be set apart.
fn hex_gap(bytes: &[u8], index: usize) -> Option<usize> {
    match bytes.get(index)? {
        b':' | b' ' | b'-' | b',' if bytes.get(index + 1).is_some_and(u8::is_ascii_hexdigit) => {
            Some(index + 1)
        }
        _ => gap_at_line_end(bytes, index),
    }
}

fn percent(bytes: &[u8], index: usize) -> Option<(u8, usize)> {
    match bytes.get(index)? {
        b'%' => Some((pair(bytes, index + 1)?, index + 3)),
        _ => None,
    }
}

/// Quoted-printable, backslashes as in JSON and in source text, and HTML's numbers.
fn escape(bytes: &[u8], index: usize) -> Option<(u8, usize)> {
    let next = *bytes.get(index + 1)?;
    match (*bytes.get(index)?, next) {
        (b'=', b'\r') if bytes.get(index + 2) == Some(&b'\n') => Some((*bytes.get(index + 3)?, index + 4)),
        (b'=', b'\n') => Some((*bytes.get(index + 2)?, index + 3)),
        (b'=', _) => Some((pair(bytes, index + 1)?, index + 3)),
        (b'\\', b'n' | b'r' | b't') => Some((b'\n', index + 2)),
        (b'\\', b'"' | b'/' | b'\\' | b'\'') => Some((next, index + 2)),
        (b'\\', b'x') => Some((pair(bytes, index + 2)?, index + 4)),
        (b'\\', b'u') if pair(bytes, index + 2)? == 0 => Some((pair(bytes, index + 4)?, index + 6)),
        (b'&', b'#') => reference(bytes, index + 2),
        _ => None,
    }
}

fn reference(bytes: &[u8], start: usize) -> Option<(u8, usize)> {
    let end = start + bytes.get(start..)?.iter().take(6).position(|byte| *byte == b';')?;
    let text = std::str::from_utf8(bytes.get(start..end)?).ok()?;
    let value = match text.strip_prefix(['x', 'X']) {
        Some(hex) => u8::from_str_radix(hex, 16),
        None => text.parse(),
    };
    Some((value.ok()?, end + 1))
}

/// ASCII in UTF-16 of either byte order.
fn narrow(bytes: &[u8], index: usize) -> Option<(u8, usize)> {
    match bytes.get(index..index + 2)? {
        [byte, 0] | [0, byte] if *byte != 0 => Some((*byte, index + 2)),
        _ => None,
    }
}
