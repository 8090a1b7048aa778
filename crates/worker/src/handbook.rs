//! The owner's handbook, as a machine lives by it: what was accepted there, accepting, and trying it out.

mod trial;

use std::fmt::Write as _;

use daemon::{Failure, HandbookCommand, OrFailure as _, Setup};
use policy::HouseRules;
use task::{AuditEvent, Clock as _, Digest, SystemClock};
use vault::{Handbook, Standing, Vault};

use crate::open_vault;

/// The handbook of a setup.
pub fn handbook(setup: &Setup, vault: &Vault) -> Handbook {
    Handbook::new(vault.clone(), setup.data.handbook())
}

/// What the owner should know of the handbook, if there is anything.
pub fn about_handbook(handbook: &Handbook) -> Option<String> {
    let accepted = match handbook.accepted() {
        Ok(accepted) => accepted,
        Err(error) => return Some(format!("{error}; accept the handbook again: handbook accept")),
    };
    if let Err(error) = HouseRules::read(&accepted) {
        return Some(format!("{error}; nothing is sent until a handbook is accepted: handbook accept"));
    }
    match handbook.standing() {
        Ok(Standing::Accepted | Standing::Absent) => None,
        Ok(Standing::Changed) => Some(
            "the handbook in the vault is not the one that was accepted on this machine, which counts on; \
             see handbook diff, then handbook accept"
                .into(),
        ),
        Ok(Standing::Unreadable(reason)) => Some(format!("{reason}; the accepted one counts on")),
        Err(error) => Some(error.to_string()),
    }
}

/// `handbook status | diff | accept`. `print` shows a text; `ask` shows a question and gives the answer,
/// `None` at the end of the input.
pub fn handbook_command(
    setup: &Setup,
    command: &HandbookCommand,
    print: &mut dyn FnMut(&str) -> Result<(), Failure>,
    ask: &mut dyn FnMut(&str) -> Result<Option<String>, Failure>,
) -> Result<(), Failure> {
    let vault = open_vault(setup)?;
    let handbook = handbook(setup, &vault);
    match command {
        HandbookCommand::Status => print(&status(setup, &handbook)?),
        HandbookCommand::Diff => print(&changes(setup, &handbook)?),
        HandbookCommand::Test { file, handbook: other } => {
            let text = match other {
                Some(path) => std::fs::read_to_string(path)
                    .or_failed(format!("cannot read the handbook {}", path.display()))?,
                None => page(&handbook)?.0,
            };
            checked(setup, &text).map_err(|failure| failure.hint("mend the front matter of the handbook"))?;
            print(&trial::run(setup, &text, file)?)
        }
        HandbookCommand::Accept { digest } => {
            let seen = match digest {
                Some(digest) => *digest,
                None => {
                    print(&changes(setup, &handbook)?)?;
                    let seen = page(&handbook)?.1;
                    let question = format!("Accept this handbook on this machine ({seen})? Type yes: ");
                    if ask(&question)?.as_deref() != Some("yes") {
                        return print("not accepted; nothing was changed\n");
                    }
                    seen
                }
            };
            accept(setup, &vault, &handbook, &seen)?;
            print(&format!(
                "accepted {seen} on this machine; the other machine has its own handbook accept\n"
            ))
        }
    }
}

/// Rules that cannot be read are not accepted: they would take those away that hold.
fn accept(setup: &Setup, vault: &Vault, handbook: &Handbook, seen: &Digest) -> Result<(), Failure> {
    let cannot = "cannot accept the handbook";
    let (text, _) = page(handbook)?;
    checked(setup, &text)?;
    let text = handbook.accept(seen).or_failed(cannot)?;
    // The page that was kept is the one with this digest, whatever was read first.
    HouseRules::read(&text).or_failed(cannot)?;
    let mut event = AuditEvent::new("accept_handbook", None).with("digest", seen.to_string());
    event.actor = "owner".into();
    vault
        .log(&setup.agent, event, SystemClock.now())
        .or_failed("the handbook was accepted but not logged")?;
    Ok(())
}

/// Rules that can be read and contradict neither each other nor the configuration.
fn checked(setup: &Setup, handbook: &str) -> Result<HouseRules, Failure> {
    let rules = HouseRules::read(handbook).or_failed("cannot accept the handbook")?;
    let own: Vec<&str> = setup.config.mail.iter().map(|mail| mail.address.as_str()).collect();
    match &rules.house(&setup.config.limits).against(&own)[..] {
        [] => Ok(rules),
        against => Err(Failure::failed(format!(
            "cannot accept the handbook: it contradicts config.yaml: {}",
            against.join("; ")
        ))),
    }
}

fn page(handbook: &Handbook) -> Result<(String, Digest), Failure> {
    let text = handbook.page().or_failed("cannot read the handbook")?.ok_or_else(|| {
        Failure::failed(format!("there is no {} in the vault", Handbook::PAGE))
            .hint("the accepted one counts on; local-agent init writes the sample")
    })?;
    let digest = Digest::of(&text);
    Ok((text, digest))
}

fn status(setup: &Setup, handbook: &Handbook) -> Result<String, Failure> {
    let accepted = handbook.accepted().or_failed("cannot read the handbook")?;
    let sample =
        if accepted == Handbook::TEMPLATE { ", the sample that comes with this program" } else { "" };
    let mut text = format!("accepted  {}{sample}\n", Digest::of(&accepted));
    let in_vault = match handbook.page() {
        Ok(Some(page)) if page == accepted => "the same".to_owned(),
        Ok(Some(page)) => format!("{}, not accepted: see handbook diff", Digest::of(&page)),
        Ok(None) => "none; the accepted one counts on".to_owned(),
        Err(error) => error.to_string(),
    };
    let _ = writeln!(text, "in vault  {in_vault}");
    text.push_str(&rules(setup, &accepted));
    Ok(text)
}

/// What a handbook's rules do to the limits of this machine.
fn rules(setup: &Setup, handbook: &str) -> String {
    let tightened = match HouseRules::read(handbook) {
        Ok(rules) => rules.tighten(&setup.config.limits),
        Err(error) => return format!("rules     UNREADABLE: {error}\n"),
    };
    let mut text = String::new();
    if tightened.lowered.is_empty() {
        text.push_str("rules     none that lowers a limit of config.yaml\n");
    }
    if let Ok(rules) = HouseRules::read(handbook) {
        let house = rules.house(&setup.config.limits);
        for (what, lines) in trial::rules(&house) {
            let _ = writeln!(text, "{what:<9} {lines}");
        }
        let own: Vec<&str> = setup.config.mail.iter().map(|mail| mail.address.as_str()).collect();
        for line in house.against(&own) {
            let _ = writeln!(text, "WRONG     {line}");
        }
    }
    for (label, lines) in [("lowered", &tightened.lowered), ("ignored", &tightened.ignored)] {
        for line in lines {
            let _ = writeln!(text, "{label}   {line}");
        }
    }
    text
}

/// The lines that differ, and what the new rules would do.
fn changes(setup: &Setup, handbook: &Handbook) -> Result<String, Failure> {
    let accepted = handbook.accepted().or_failed("cannot read the handbook")?;
    let (page, digest) = page(handbook)?;
    if page == accepted {
        return Ok(format!("The handbook in the vault is the accepted one, {digest}.\n"));
    }
    let mut text = format!("accepted  {}\nin vault  {digest}\n\n", Digest::of(&accepted));
    text.push_str(&difference(&accepted, &page));
    text.push('\n');
    text.push_str(&rules(setup, &page));
    Ok(text)
}

/// Beyond so many pairs of lines no common lines are looked for.
const MOST_PAIRS: usize = 4_000_000;

/// Line by line: `-` what goes, `+` what comes, two lines around each change.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);
    let mut lines: Vec<(char, &str)> = old[..head].iter().map(|line| (' ', *line)).collect();
    lines.extend(middle(a, b));
    lines.extend(old[old.len() - tail..].iter().map(|line| (' ', *line)));
    let changed: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].0 != ' ').collect();
    if changed.is_empty() {
        return "only line ends differ\n".into();
    }
    let near = |at: usize| {
        let next = changed.partition_point(|changed| *changed < at);
        let close = |other: Option<&usize>| other.is_some_and(|other| other.abs_diff(at) <= 2);
        close(changed.get(next)) || close(next.checked_sub(1).and_then(|before| changed.get(before)))
    };
    let mut text = String::new();
    let mut left_out = false;
    for (at, (mark, line)) in lines.iter().enumerate() {
        if near(at) {
            let _ = writeln!(text, "{mark} {line}");
        } else if !left_out {
            text.push_str("  …\n");
        }
        left_out = !near(at);
    }
    text
}

/// The longest common lines stay.
fn middle<'a>(a: &[&'a str], b: &[&'a str]) -> Vec<(char, &'a str)> {
    let mut lines = Vec::with_capacity(a.len() + b.len());
    if a.len().saturating_mul(b.len()) > MOST_PAIRS {
        lines.extend(a.iter().map(|line| ('-', *line)));
        lines.extend(b.iter().map(|line| ('+', *line)));
        return lines;
    }
    let width = b.len() + 1;
    let mut common = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i * width + j] = if a[i] == b[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            lines.push((' ', a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || i < a.len() && common[(i + 1) * width + j] >= common[i * width + j + 1] {
            lines.push(('-', a[i]));
            i += 1;
        } else {
            lines.push(('+', b[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_every_line_that_goes_or_comes() {
        let check = |old: &str, new: &str, expected: &str| {
            assert_eq!(difference(old, new), expected, "{old:?} {new:?}")
        };
        check("a\nb\nc\n", "a\nx\nc\n", "  a\n- b\n+ x\n  c\n");
        check("a\n", "a\nb\n", "  a\n+ b\n");
        check("", "a", "+ a\n");
        check("1\n2\n3\n4\n5\n6\nx\n", "1\n2\n3\n4\n5\n6\ny\n", "  …\n  5\n  6\n- x\n+ y\n");
        check("a\nb\nc\nd", "b\nc\nx\nd", "- a\n  b\n  c\n+ x\n  d\n");
        check("a\n", "a\r\n", "only line ends differ\n");
        let long: String = (0..3_000).map(|n| format!("{n}\n")).collect();
        let other: String = (0..3_000).map(|n| format!("{}\n", n + 5_000)).collect();
        assert_eq!(difference(&long, &other).lines().count(), 6_000);
    }
}
