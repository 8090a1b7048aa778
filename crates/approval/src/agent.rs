//! The one request of the ssh-agent protocol that is needed here: sign
//! (draft-ietf-sshm-ssh-agent, sections 3 and 3.6).

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use ssh_key::{PublicKey, Signature};

const FAILURE: u8 = 5;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// A person may have to find the hardware key and touch it, or confirm in a window.
const PATIENCE: Duration = Duration::from_secs(120);

/// A signature's answer is some 100 bytes.
const MAX_ANSWER: u32 = 64 * 1024;

/// Why the agent gave no signature.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    #[error("failed to talk to it: {0}")]
    Io(#[from] std::io::Error),
    #[error("it has not the key, or its owner declined; ssh-add -l lists what it has")]
    Declined,
    #[error("its answer does not follow the protocol")]
    Garbled,
    #[error("its answer is no signature: {0}")]
    Signature(#[from] ssh_key::Error),
    #[error("the request is longer than the protocol allows")]
    Long,
}

/// Has the agent sign `data` with the private half of `key`.
pub(crate) fn sign(socket: &Path, key: &PublicKey, data: &[u8]) -> Result<Signature, AgentError> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = vec![SIGN_REQUEST];
    put(&mut request, &key.to_bytes()?)?;
    put(&mut request, data)?;
    request.extend(0_u32.to_be_bytes());
    let mut framed = Vec::new();
    put(&mut framed, &request)?;
    stream.write_all(&framed)?;

    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > MAX_ANSWER {
        return Err(AgentError::Garbled);
    }
    let mut answer = Vec::new();
    stream.take(length.into()).read_to_end(&mut answer)?;
    match answer.split_first() {
        Some((&SIGN_RESPONSE, rest)) => Ok(Signature::try_from(string(rest)?)?),
        Some((&FAILURE, _)) => Err(AgentError::Declined),
        _ => Err(AgentError::Garbled),
    }
}

/// Appends a string as the protocol writes it: its length in four bytes, then the bytes.
fn put(buffer: &mut Vec<u8>, bytes: &[u8]) -> Result<(), AgentError> {
    let length = u32::try_from(bytes.len()).map_err(|_| AgentError::Long)?;
    buffer.extend(length.to_be_bytes());
    buffer.extend(bytes);
    Ok(())
}

/// The only string in `bytes`.
fn string(bytes: &[u8]) -> Result<&[u8], AgentError> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(AgentError::Garbled)?;
    if usize::try_from(u32::from_be_bytes(*length)) == Ok(rest.len()) {
        Ok(rest)
    } else {
        Err(AgentError::Garbled)
    }
}
