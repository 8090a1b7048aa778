//! The screen on which the owner decides.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use task::{
    Action, AgentId, Body, Call, Digest, FrontMatter, Mode, OrderError, Server, StepState, Task, TaskKind,
    action_digest, counted,
};

use crate::payee::Standing;
use crate::provenance::{Own, Provenance};
use crate::render::Screen;
use crate::suspicion;
use crate::visible::visible;

/// What an approval now would say beside the action.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// This vault's id.
    pub vault: &'a str,
    /// Who would carry it out.
    pub executor: &'a AgentId,
    /// Live or rehearsal.
    pub mode: Mode,
    /// How long orders are good for.
    pub limits: &'a config::Approval,
    /// What the action's values are held against.
    pub own: &'a Own,
    /// How the owner stands to the payee, where the task pays one.
    pub payee: Option<&'a Standing>,
    /// Now.
    pub now: DateTime<Utc>,
}

impl Setting<'_> {
    /// When an order for `server` that is signed now expires.
    pub fn expires(&self, server: Server) -> DateTime<Utc> {
        let minutes = match server {
            Server::Payment => self.limits.payment_minutes,
            Server::Email | Server::Odoo | Server::Social | Server::Whatsapp => self.limits.other_minutes,
        };
        // A limit beyond what a calendar holds is none; ten years is far beyond any sensible one.
        let most = TimeDelta::days(3650);
        let lifetime = i64::try_from(minutes).ok().and_then(TimeDelta::try_minutes).unwrap_or(most).min(most);
        self.now.trunc_subsecs(0) + lifetime
    }
}

/// A person's edit of the Draft in the Markdown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BodyEdit {
    /// The words there.
    pub in_body: String,
    /// The words that would be signed.
    pub in_action: String,
}

/// What the owner is shown.
#[derive(Clone, PartialEq, Debug)]
pub struct Review {
    /// What exactly would be approved; `None` when nothing is proposed.
    pub digest: Option<Digest>,
    /// The whole of it, for a terminal or a pager; every character can be seen.
    pub screen: String,
    /// What the screen warns of, also by itself.
    pub warnings: Vec<String>,
    /// A few lines for the moment of confirming: always receiver, amount and payee.
    pub confirm: String,
    /// Set when the Markdown says other words than the action; then nothing can be approved yet.
    pub edited: Option<BodyEdit>,
}

/// Why a task cannot be shown for approval.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Its action has no digest.
    #[error("action of {id} has no digest")]
    Digest {
        /// Which task.
        id: String,
        /// Why.
        #[source]
        source: OrderError,
    },
}

/// A person's edit of the Draft, if the Markdown no longer says what the action says.
pub fn body_edit(task: &Task) -> Option<BodyEdit> {
    let in_action = task.front.action.as_ref()?.call.text()?;
    let in_body = Body::parse(&task.body).draft?;
    // A Markdown file keeps neither the kind of line ends nor how many there are at the end.
    let plain = |text: &str| text.replace("\r\n", "\n").trim_end_matches('\n').to_owned();
    (plain(&in_body) != plain(in_action)).then(|| BodyEdit { in_body, in_action: in_action.to_owned() })
}

/// Renders a task for the owner's decision.
pub fn review(task: &Task, setting: &Setting<'_>) -> Result<Review, ReviewError> {
    let front = &task.front;
    let digest = match &front.action {
        None => None,
        Some(action) => Some(
            action_digest(setting.vault, &front.id, action)
                .map_err(|source| ReviewError::Digest { id: front.id.to_string(), source })?,
        ),
    };
    let edited = body_edit(task);
    let paid = match (front.action.as_ref().map(|action| &action.call), setting.payee) {
        (Some(Call::InitiatePayment(payment)), Some(Standing::Paid(_))) => Some(payment.iban.as_str()),
        _ => None,
    };
    let origins = front.action.as_ref().map(|action| Provenance::of(task, action, setting.own, paid));
    let mut warnings = suspicion::of_sender(front);
    if let Some(action) = &front.action {
        warnings.extend(suspicion::of_action(action));
        warnings.extend(origins.iter().flat_map(Provenance::warnings).cloned());
        if let (Call::InitiatePayment(payment), Some(standing)) = (&action.call, setting.payee) {
            warnings.extend(standing.warnings(payment));
        }
    }
    if edited.is_some() {
        warnings.push(
            "the Draft in the Markdown was edited; take the edit over or drop it before approving".into(),
        );
    }

    let body = Body::parse(&task.body);
    let loose =
        body.draft.as_ref().filter(|_| front.action.as_ref().is_some_and(|a| a.call.text().is_none()));
    if loose.is_some() {
        warnings.push(
            "the Markdown has a Draft, but this action has no words; it is not part of the order".into(),
        );
    }

    let mut screen = Screen::default();
    screen.heading(&format!("{} ({})", front.id, visible(&front.kind)));
    for warning in &warnings {
        screen.own("WARNING", warning);
    }
    match &front.action {
        Some(action) => {
            proposal(&mut screen, action);
            sources(&mut screen, origins.as_ref());
        }
        None => {
            screen.heading("Nothing is proposed");
            screen.field("question", front.question.as_deref().unwrap_or("(none)"));
        }
    }
    if let Some(edit) = &edited {
        screen.heading("Words in the Markdown, which differ");
        screen.block(&edit.in_body);
    }
    if let Some(words) = loose {
        screen.heading("Draft in the Markdown, not part of the order");
        screen.block(words);
    }
    event(&mut screen, front);
    if !body.plan.is_empty() || task.is_long() {
        screen.heading("Plan");
        let mut lines = body.plan.clone();
        // Of a long task, what the front matter says: the Markdown is its shadow.
        lines.extend(front.steps.iter().map(|step| {
            let mark = if step.state == StepState::Done { "x" } else { " " };
            let said = step.said.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
            format!("[{mark}] {}{said}", step.what)
        }));
        screen.block(&lines.join("\n"));
    }
    if let Some(original) = &body.original {
        screen.heading("Original message");
        screen.block(original);
    }
    if let Some(notes) = &body.notes {
        screen.heading("Notes");
        screen.block(notes);
    }
    provenance(&mut screen, front);
    let mut confirm = String::new();
    if let (Some(action), Some(digest)) = (&front.action, digest) {
        let expires = setting.expires(action.call.server());
        screen.heading("If approved now");
        screen.field("order", &format!("{} run by {}, good until {expires}", setting.mode, setting.executor));
        screen.field("vault", setting.vault);
        screen.field("digest", &digest.to_string());
        confirm = confirmation(action, setting, expires, &warnings, digest);
    }
    Ok(Review { digest, screen: screen.finish(), warnings, confirm, edited })
}

fn proposal(screen: &mut Screen, action: &Action) {
    let (server, tool) = (action.call.server(), action.call.tool());
    screen.heading(&format!("Proposed: {}", headline(action)));
    screen.field("tool", &format!("{tool} of the {server} server ({})", policy::class(server, tool)));
    screen.field("account", &action.account);
    match action.call.arguments() {
        Ok(arguments) => screen.value("", &arguments),
        // Argument types hold strings, integers and lists of them; should one not become JSON, it
        // has no digest either and cannot be approved.
        Err(error) => screen.field("arguments", &format!("cannot be shown: {error}")),
    }
}

/// Where each value of the action comes from.
fn sources(screen: &mut Screen, origins: Option<&Provenance>) {
    let lines: Vec<_> = origins.iter().flat_map(|origins| origins.lines()).collect();
    if lines.is_empty() {
        return;
    }
    screen.heading("Where its values come from");
    for (label, text) in &lines {
        screen.own(label, text);
    }
}

fn event(screen: &mut Screen, front: &FrontMatter) {
    let came =
        [&front.from, &front.reply_to, &front.subject, &front.source].iter().any(|field| field.is_some());
    if !came && front.attachments.is_empty() {
        return;
    }
    screen.heading("What it answers");
    let fields = [
        ("source", &front.source),
        ("from", &front.from),
        ("reply-to", &front.reply_to),
        ("subject", &front.subject),
        ("message id", &front.message_id),
    ];
    for (label, value) in fields {
        if let Some(value) = value {
            screen.field(label, value);
        }
    }
    for to in &front.to {
        screen.field("to", to);
    }
    if let Some(received) = front.received {
        screen.field("received", &received.to_string());
    }
    if let Some(checks) = &front.authentication {
        let say =
            |name: &str, result: &Option<String>| format!("{name}={}", result.as_deref().unwrap_or("none"));
        let results = [say("spf", &checks.spf), say("dkim", &checks.dkim), say("dmarc", &checks.dmarc)];
        screen.field("checks", &results.join(" "));
    } else if front.from.is_some() && TaskKind::of(&front.id) == TaskKind::Email {
        screen.field("checks", "the receiving server recorded no SPF, DKIM or DMARC result");
    }
    for note in &front.attachments {
        let text = format!("{} ({}, {} bytes, {})", note.name, note.media_type, note.size, note.sha256);
        screen.field("attachment", &text);
    }
}

fn provenance(screen: &mut Screen, front: &FrontMatter) {
    screen.heading("Where it comes from");
    screen.field("created", &front.created.to_string());
    if let Some(agent) = &front.drafted_by {
        let at = front.drafted_at.map(|at| format!(" at {at}")).unwrap_or_default();
        screen.field("drafted by", &format!("{agent}{at}"));
    }
    if let Some(drafter) = &front.drafter {
        screen.field("drafter", drafter);
    }
    if let Some(reason) = &front.reason {
        screen.field("returned", reason);
    }
    if let Some(question) = front.question.as_ref().filter(|_| front.action.is_some()) {
        screen.field("question", question);
    }
}

fn confirmation(
    action: &Action,
    setting: &Setting<'_>,
    expires: DateTime<Utc>,
    warnings: &[String],
    digest: Digest,
) -> String {
    let mut out = format!("{} order: {}\n", setting.mode, headline(action));
    if !warnings.is_empty() {
        out.push_str(&format!("{}:\n", counted(warnings.len(), "warning")));
        for warning in warnings {
            out.push_str(&format!("  {warning}\n"));
        }
    }
    out.push_str(&format!("good until {expires}, digest {digest}\n"));
    out
}

/// The action in one line: what, from whom, to whom, how much.
fn headline(action: &Action) -> String {
    let account = visible(&action.account);
    let list = |items: &[String]| items.iter().map(|item| visible(item)).collect::<Vec<_>>().join(", ");
    match &action.call {
        Call::SendEmail(mail) | Call::DraftEmail(mail) => {
            let verb = if matches!(action.call, Call::SendEmail(_)) { "send" } else { "keep as a draft" };
            let mut text = format!("{verb} a mail from {account} to {}", list(&mail.to));
            for (label, copies) in [("cc", &mail.cc), ("bcc", &mail.bcc)] {
                if !copies.is_empty() {
                    text.push_str(&format!(", {label} {}", list(copies)));
                }
            }
            if !mail.attachments.is_empty() {
                text.push_str(&format!(", {}", counted(mail.attachments.len(), "attachment")));
            }
            format!("{text}: {}", visible(&mail.subject))
        }
        Call::CreateInvoiceDraft(invoice) => {
            // Fifteen digits times fifteen overflow no Decimal that `checked_mul` lets through.
            let total = invoice.lines.iter().try_fold(rust_decimal::Decimal::ZERO, |sum, line| {
                sum.checked_add(line.quantity.decimal().checked_mul(line.unit_price.decimal())?)
            });
            let total =
                total.map_or_else(|| "a sum beyond reckoning".into(), |sum| sum.normalize().to_string());
            format!(
                "create an invoice draft for {}: {total} {} before tax, {}, books {account}",
                visible(&invoice.partner),
                invoice.currency,
                counted(invoice.lines.len(), "line")
            )
        }
        Call::PostInvoice(posting) => format!(
            "post invoice {} of {}: {} {}, books {account}",
            posting.invoice_id,
            visible(&posting.partner),
            posting.total,
            posting.currency
        ),
        Call::DraftSocialPost(draft) => {
            format!(
                "keep a {:?} post as a draft for {account}: {}",
                draft.platform,
                counted(draft.text.chars().count(), "character")
            )
        }
        Call::PostFacebook(post)
        | Call::PostInstagram(post)
        | Call::PostTwitter(post)
        | Call::PostLinkedin(post) => {
            let place = match &action.call {
                Call::PostFacebook(_) => "Facebook",
                Call::PostInstagram(_) => "Instagram",
                Call::PostTwitter(_) => "X",
                _ => "LinkedIn",
            };
            let answer = post.reply_to.as_deref().map(|id| format!(" in answer to {}", visible(id)));
            format!(
                "post on {place} as {account}{}: {}, {}",
                answer.unwrap_or_default(),
                counted(post.text.chars().count(), "character"),
                counted(post.media.len(), "file")
            )
        }
        Call::SendWhatsapp(message) => format!(
            "send a WhatsApp message from {account} to {}: {}",
            visible(&message.to),
            counted(message.text.chars().count(), "character")
        ),
        Call::InitiatePayment(payment) => format!(
            "pay {} {} to {}, IBAN {}, from {account}, reference {}",
            payment.amount,
            payment.currency,
            visible(&payment.payee),
            grouped(&payment.iban),
            visible(&payment.reference)
        ),
    }
}

/// An IBAN in fours, as it stands on paper.
fn grouped(iban: &str) -> String {
    let characters: Vec<char> = iban.chars().collect();
    let groups: Vec<String> = characters.chunks(4).map(|group| group.iter().collect()).collect();
    visible(&groups.join(" "))
}
