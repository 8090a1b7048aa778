//! What styles say about whether a text is seen. Only what mails hide text with is understood;
//! what is not understood hides nothing.

use std::collections::BTreeMap;

use super::tag::Tag;

/// The most of a mail's style sheets that is read, in bytes, and so many rules of them.
const SHEET: usize = 256 << 10;
const RULES: usize = 2_000;

/// Three eighths of an inch: nobody sees what stands farther out than this, in pixels.
const FAR: f32 = -400.0;

/// How a text's colour stands out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ink {
    Seen,
    /// Nearly white: seen only on another ground.
    Pale,
    /// Transparent, or as the ground.
    None,
}

/// What one element's style says; what it does not say is as around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Style {
    /// Whatever is in it is not seen either.
    pub(super) gone: bool,
    /// Whether `visibility` hides it.
    pub(super) unseen: Option<bool>,
    /// Whether its letters are too small to see.
    pub(super) tiny: Option<bool>,
    pub(super) ink: Option<Ink>,
    /// Whether its ground is another than white.
    pub(super) ground: Option<bool>,
}

impl Style {
    /// Of declarations, as in `display: none; color: red`.
    fn of(css: &str) -> Self {
        let css = plain(css);
        let mut style = Self::default();
        let all: Vec<(&str, &str)> = css
            .split(';')
            .filter_map(|one| one.split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim().trim_end_matches("!important").trim()))
            .collect();
        let value = |name: &str| all.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let length = |name: &str| value(name).and_then(number);
        let clipped = ["overflow", "overflow-x", "overflow-y"]
            .iter()
            .any(|name| value(name).is_some_and(|value| value.contains("hidden") || value.contains("clip")));
        let flat = ["height", "max-height", "width", "max-width"]
            .iter()
            .any(|name| length(name).is_some_and(|(number, _)| number <= 1.0));
        let out = matches!(value("position"), Some("absolute" | "fixed"))
            && ["left", "top", "right", "bottom"]
                .iter()
                .any(|name| length(name).is_some_and(|(n, _)| n < FAR));
        let away = ["text-indent", "margin-left", "margin-top"]
            .iter()
            .any(|name| length(name).is_some_and(|(number, _)| number < FAR));
        let clip = value("clip").is_some_and(|clip| clip.replace([' ', ','], "").starts_with("rect(0"))
            || value("clip-path").is_some_and(|clip| {
                ["inset(50%", "inset(100%", "circle(0"].iter().any(|s| clip.starts_with(s))
            });
        style.gone = value("display") == Some("none")
            || length("opacity").is_some_and(|(number, unit)| number <= if unit == "%" { 5.0 } else { 0.05 })
            || (clipped && flat)
            || out
            || away
            || clip
            || value("transform").is_some_and(|transform| transform.contains("scale(0)"));
        style.unseen = value("visibility").map(|value| matches!(value, "hidden" | "collapse"));
        style.tiny = length("font-size").map(|(number, unit)| match unit {
            "px" | "pt" | "" => number <= 1.0,
            "%" => number <= 8.0,
            _ => number <= 0.08,
        });
        let ground = value("background-color").or(value("background"));
        style.ground = ground.and_then(is_dark);
        if value("background-image").is_some_and(|image| image != "none") {
            style.ground = Some(true);
        }
        style.ink = value("color").map(ink);
        if style.ink.is_some() && ground.is_some() && value("color") == ground {
            style.ink = Some(Ink::None);
        }
        style
    }

    /// With what `other` says besides, which counts more.
    fn and(self, other: Self) -> Self {
        Self {
            gone: self.gone || other.gone,
            unseen: other.unseen.or(self.unseen),
            tiny: other.tiny.or(self.tiny),
            ink: other.ink.or(self.ink),
            ground: other.ground.or(self.ground),
        }
    }
}

/// A mail's style sheets, by the class, id or element that each rule ends in.
#[derive(Default)]
pub(super) struct Sheet(BTreeMap<String, Style>);

impl Sheet {
    /// Adds the rules of a `<style>` element that hold for every screen.
    pub(super) fn add(&mut self, css: &str) {
        let mut cut = css.len().min(SHEET);
        while !css.is_char_boundary(cut) {
            cut -= 1;
        }
        let css = plain(&css[..cut].replace("<!--", " ").replace("-->", " "));
        let mut rest = css.as_str();
        while let Some(open) = rest.find('{') {
            let selectors = rest[..open].rsplit(['}', ';']).next().unwrap_or_default().trim();
            let block = &rest[open + 1..];
            if selectors.starts_with('@') {
                rest = if holds_everywhere(selectors) { block } else { &block[end_of_block(block)..] };
                continue;
            }
            let end = block.find('}').unwrap_or(block.len());
            let style = Style::of(&block[..end]);
            if style != Style::default() {
                for selector in selectors.split(',').filter_map(subject) {
                    if self.0.len() < RULES || self.0.contains_key(&selector) {
                        let known = self.0.entry(selector).or_default();
                        *known = known.and(style);
                    }
                }
            }
            rest = block.get(end + 1..).unwrap_or_default();
        }
    }

    /// What all of it says about one element.
    pub(super) fn style(&self, tag: &Tag) -> Style {
        let mut style = Style::default();
        let mut add = |key: &str| {
            if let Some(known) = self.0.get(key) {
                style = style.and(*known);
            }
        };
        if !self.0.is_empty() {
            add(&tag.name);
            let classes = tag.attribute("class").unwrap_or_default().to_ascii_lowercase();
            classes.split_ascii_whitespace().take(20).for_each(|class| add(&format!(".{class}")));
            if let Some(id) = tag.attribute("id") {
                add(&format!("#{}", id.trim().to_ascii_lowercase()));
            }
        }
        if tag.attribute("hidden").is_some() {
            style.gone = true;
        }
        let dot = |name: &str| tag.attribute(name).and_then(number).is_some_and(|(number, _)| number <= 1.0);
        if tag.name == "img" && (dot("width") || dot("height")) {
            style.gone = true;
        }
        if let Some(ground) = tag.attribute("bgcolor").or(tag.attribute("background")) {
            style.ground = is_dark(&ground.trim().to_ascii_lowercase()).or(style.ground);
        }
        if let Some(color) = tag.attribute("color").filter(|_| tag.name == "font") {
            style.ink = Some(ink(&color.trim().to_ascii_lowercase()));
        }
        tag.attribute("style").map_or(style, |css| style.and(Style::of(css)))
    }
}

/// Whether the rules of such a block may hold on the screen of whoever reads mails.
fn holds_everywhere(at: &str) -> bool {
    let rules =
        ["@media", "@supports", "@layer", "@container", "@scope"].iter().any(|name| at.starts_with(name));
    rules && !["max-", "print", "prefers", "orientation", "speech"].iter().any(|word| at.contains(word))
}

/// Where a block ends that was opened before `text`, with blocks in it.
fn end_of_block(text: &str) -> usize {
    let mut depth = 1_usize;
    for (at, b) in text.bytes().enumerate() {
        match b {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// The class, id or element that a selector is about: `.a` of `td.x > .a:first-child`. None for
/// what holds at times only, as under the pointer.
fn subject(selector: &str) -> Option<String> {
    let last = selector.split_ascii_whitespace().next_back()?;
    let last = last.rsplit(['>', '+', '~']).next().unwrap_or_default();
    let end = last.find([':', '[']).unwrap_or(last.len());
    let (plain, pseudo) = last.split_at(end);
    let always = [":nth-", ":first-", ":last-", ":only-", ":not(", ":is(", ":where(", ":root"];
    if pseudo.starts_with(':') && !always.iter().any(|start| pseudo.starts_with(start)) {
        return None;
    }
    let key = &plain[plain.rfind(['.', '#']).unwrap_or(0)..];
    (!key.is_empty() && key.len() <= 80).then(|| key.to_owned())
}

/// Without comments and escapes, in lower case.
fn plain(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some(at) = rest.find("/*") {
        out.push_str(&rest[..at]);
        rest = rest[at + 2..].find("*/").map_or("", |end| &rest[at + 2 + end + 2..]);
    }
    out.push_str(rest);
    if out.contains('\\') {
        out = unescaped(&out);
    }
    out.to_ascii_lowercase()
}

/// `\64 isplay` is `display`.
fn unescaped(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let digits = rest.bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
        if digits == 0 {
            continue;
        }
        let code = u32::from_str_radix(&rest[..digits], 16).ok().and_then(char::from_u32);
        out.push(code.unwrap_or('\u{fffd}'));
        rest = rest[digits..].strip_prefix(|c: char| c.is_ascii_whitespace()).unwrap_or(&rest[digits..]);
    }
    out.push_str(rest);
    out
}

/// `-1.5em` as a number and its unit.
fn number(value: &str) -> Option<(f32, &str)> {
    let value = value.split_ascii_whitespace().next()?;
    let end =
        value.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(value.len());
    let number: f32 = value[..end].parse().ok()?;
    let unit = &value[end..];
    unit.bytes().all(|b| b.is_ascii_alphabetic() || b == b'%').then_some((number, unit))
}

fn ink(color: &str) -> Ink {
    let through = color == "transparent"
        || ((color.starts_with("rgba") || color.starts_with("hsla"))
            && [",0)", "/0)", ",0.0)", ",0%)", "/0%)", ",.0)"]
                .iter()
                .any(|end| color.replace(' ', "").ends_with(end)));
    match through {
        true => Ink::None,
        false if is_pale(color) == Some(true) => Ink::Pale,
        false => Ink::Seen,
    }
}

/// Whether a ground is another than white; none for what is no ground.
fn is_dark(ground: &str) -> Option<bool> {
    let first = ground.split_ascii_whitespace().next()?;
    if matches!(first, "none" | "transparent" | "inherit" | "initial" | "unset") {
        return None;
    }
    // `rgb(1, 2, 3)` has blanks in it.
    let color = if first.contains('(') { ground } else { first };
    Some(!is_pale(color).unwrap_or(false))
}

/// Whether a colour can hardly be told from white; none for what is no colour.
fn is_pale(color: &str) -> Option<bool> {
    let light = |channels: &[u32]| channels.iter().all(|channel| *channel >= 0xf0);
    if matches!(
        color,
        "white" | "snow" | "ivory" | "ghostwhite" | "floralwhite" | "whitesmoke" | "mintcream" | "azure"
    ) {
        return Some(true);
    }
    if let Some(hex) = color.strip_prefix('#') {
        let digits: Vec<u32> = hex.chars().map_while(|c| c.to_digit(16)).collect();
        return match digits.as_slice() {
            [r, g, b] | [r, g, b, _] => Some(light(&[r * 17, g * 17, b * 17])),
            [r, s, g, h, b, c, ..] => Some(light(&[r * 16 + s, g * 16 + h, b * 16 + c])),
            _ => None,
        };
    }
    let inner = color.strip_prefix("rgb")?.split_once('(')?.1;
    let parts = inner.split([',', ' ', '/', ')']).filter(|part| !part.is_empty()).take(3);
    let channels: Vec<u32> = parts
        .filter_map(|part| match part.strip_suffix('%') {
            Some(percent) => percent.parse::<u32>().ok().map(|percent| percent * 255 / 100),
            None => part.parse().ok(),
        })
        .collect();
    (channels.len() == 3).then(|| light(&channels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_told_from_what_does_not() {
        let gone = |css: &str, expected| assert_eq!(Style::of(css).gone, expected, "{css}");
        gone("display:none", true);
        gone("DISPLAY : None !important", true);
        gone("dis\\70lay:none", true);
        gone("display:/* x */none", true);
        gone("display:none/", false);
        gone("display:inline; x:none", false);
        gone("opacity:0.0", true);
        gone("opacity:1", false);
        gone("max-height:0px;overflow:hidden", true);
        gone("max-height:0", false);
        gone("position:absolute;left:-9999px", true);
        gone("position:relative;left:-2px", false);
        gone("text-indent:-9999em", true);
        assert_eq!(Style::of("font-size:1px").tiny, Some(true));
        assert_eq!(Style::of("font-size:16px").tiny, Some(false));
        assert_eq!(Style::of("color:#FFF").ink, Some(Ink::Pale));
        assert_eq!(Style::of("color:rgb(254, 254, 254)").ink, Some(Ink::Pale));
        assert_eq!(Style::of("color:rgba(0,0,0,0)").ink, Some(Ink::None));
        assert_eq!(Style::of("color:#333;background:#333").ink, Some(Ink::None));
        assert_eq!(Style::of("background:#222 url(x)").ground, Some(true));
        assert_eq!(Style::of("background-color:white").ground, Some(false));
    }
}
