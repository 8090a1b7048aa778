//! The vault's remote as the one who decides between machines.

use std::sync::Arc;

use async_trait::async_trait;
use executor::{Arbiter, Pledge, Silence, Standing};
use sync::{Holder, Reservation, Sync, SyncError};

/// Asks the remote.
pub(crate) struct Remote(pub(crate) Arc<Sync>);

fn standing(holder: Result<Holder, SyncError>) -> Result<Standing, Silence> {
    match holder {
        Ok(Holder::Us) => Ok(Standing::Ours),
        Ok(Holder::Another) => Ok(Standing::Taken),
        Ok(Holder::OtherSeat) => Ok(Standing::OtherSeat),
        Err(error) if error.is_unreachable() => Err(Silence::Unreachable(error.to_string())),
        Err(error) => Err(Silence::Refused(error.to_string())),
    }
}

#[async_trait]
impl Arbiter for Remote {
    async fn sit(&self, seat: &str) -> Result<Standing, Silence> {
        standing(self.0.sit(seat).await)
    }

    async fn reserve(&self, pledge: &Pledge) -> Result<Standing, Silence> {
        let Pledge { seat, approval, expires, nonce } = pledge.clone();
        standing(self.0.reserve(Reservation { seat, approval, expires, nonce }).await)
    }
}
