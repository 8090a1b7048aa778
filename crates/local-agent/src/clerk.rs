//! The duties that the owner's machine does by itself.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use config::Duty;
use reports::Standing;
use task::Clock;
use vault::Vault;
use worker::{Clerk, ClerkError, Performed};

/// Does them.
pub(crate) struct OwnersClerk {
    vault: Vault,
    clock: Arc<dyn Clock>,
}

impl OwnersClerk {
    pub(crate) fn new(vault: Vault, clock: Arc<dyn Clock>) -> Self {
        Self { vault, clock }
    }
}

#[async_trait]
impl Clerk for OwnersClerk {
    fn does(&self, duty: Duty) -> bool {
        duty == Duty::Scan
    }

    async fn perform(&self, _duty: Duty, _due: DateTime<Utc>) -> Result<Performed, ClerkError> {
        let (vault, now) = (self.vault.clone(), self.clock.now());
        let standing = tokio::task::spawn_blocking(move || Standing::look(&vault, now)).await??;
        Ok(Performed { summary: standing.summary(), notes: standing.markdown() })
    }
}
