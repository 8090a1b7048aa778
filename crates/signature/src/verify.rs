//! From text and signature to a verified order.

use chrono::{DateTime, Utc};
use ssh_key::{Algorithm, LineEnding, PublicKey, SshSig};
use task::Order;

use crate::{Approvers, Refusal, Verified};

/// An Ed25519 SSHSIG is some 300 bytes, one of a hardware key some 400.
const MAX_SIGNATURE: usize = 4096;

/// The bit that a hardware key sets when it was touched (PROTOCOL.u2f).
const USER_PRESENT: u8 = 0x01;

/// Checks that an approver signed `order`, byte for byte and as an order, with a key that is valid
/// at `now`. Whether the order may be carried out here and now is [`Verified::permit`]'s question.
pub fn verify(
    order: &str,
    signature: &str,
    approvers: &Approvers,
    now: DateTime<Utc>,
) -> Result<Verified, Refusal> {
    let approver = signed_by(order, signature, Order::NAMESPACE, approvers, now)?;
    Ok(Verified::new(Order::parse(order)?, approver))
}

/// Who signed `text` for `namespace`, as the approvers list names the key. Whoever may sign orders
/// may introduce payees: the list's own limits are those of orders.
pub(crate) fn signed_by(
    text: &str,
    signature: &str,
    namespace: &str,
    approvers: &Approvers,
    now: DateTime<Utc>,
) -> Result<String, Refusal> {
    let signature = read(signature)?;
    if signature.namespace() != namespace {
        return Err(Refusal::Namespace(signature.namespace().chars().take(60).collect()));
    }
    let approver = approvers.admit(signature.public_key(), Order::NAMESPACE, now)?.to_owned();
    // Against the approver's key, never only against the one that came with the signature: the
    // two were just found equal.
    PublicKey::from(signature.public_key().clone())
        .verify(namespace, text.as_bytes(), &signature)
        .map_err(|_| Refusal::Changed)?;
    Ok(approver)
}

/// Whether a text is an SSHSIG that [`verify`] could read; nothing is said about who signed what.
pub fn is_armored(signature: &str) -> bool {
    read(signature).is_ok()
}

/// Reads the armored text in the one form that OpenSSH writes: another armour of the same
/// signature would be a second text for one approval.
fn read(text: &str) -> Result<SshSig, Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::Unsigned);
    }
    if text.len() > MAX_SIGNATURE {
        return Err(Refusal::Unreadable(format!("it has {} bytes", text.len())));
    }
    let unreadable = |error: ssh_key::Error| Refusal::Unreadable(error.to_string());
    let signature = SshSig::from_pem(text).map_err(unreadable)?;
    match signature.algorithm() {
        Algorithm::Ed25519 => {}
        Algorithm::SkEd25519 => {
            let flags = signature.signature_bytes().iter().rev().nth(4).copied().unwrap_or_default();
            if flags & USER_PRESENT == 0 {
                return Err(Refusal::NotTouched);
            }
        }
        other => return Err(Refusal::Algorithm(other.to_string())),
    }
    if signature.version() != SshSig::VERSION || !signature.reserved().is_empty() {
        return Err(Refusal::Unreadable("it is of a newer version".into()));
    }
    let written = signature.to_pem(LineEnding::LF).map_err(unreadable)?;
    if written.trim_end_matches('\n') != text.trim_end_matches('\n') {
        return Err(Refusal::Unreadable("it is not armored as OpenSSH does it".into()));
    }
    Ok(signature)
}
