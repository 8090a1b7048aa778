//! Which work a role takes up: one table, task kind by role.

use task::{Role, TaskKind};

/// How far a role takes a task of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// Leave it to the other agent.
    Skip,
    /// Claim it and draft; the owner decides.
    Draft,
    /// Claim it and see it through; a DANGEROUS tool still needs a signed order.
    Full,
}

/// Decides for a kind and a role. An unknown kind is drafted, never more.
pub fn route(kind: TaskKind, role: Role) -> Route {
    match (kind, role) {
        (TaskKind::Unknown, _) => Route::Draft,
        (TaskKind::Whatsapp | TaskKind::Payment, Role::Cloud) => Route::Skip,
        (TaskKind::Schedule | TaskKind::Audit | TaskKind::Error, Role::Cloud) => Route::Full,
        (
            TaskKind::Email
            | TaskKind::Linkedin
            | TaskKind::Facebook
            | TaskKind::Instagram
            | TaskKind::Twitter
            | TaskKind::Social
            | TaskKind::Salespost
            | TaskKind::Odoo,
            Role::Cloud,
        ) => Route::Draft,
        (_, Role::Local | Role::Gold) => Route::Full,
    }
}

/// Whether only the executor may take a kind: such a claim needs no remote, and nobody reclaims it.
pub fn one_claimant(kind: TaskKind) -> bool {
    matches!(kind, TaskKind::Whatsapp | TaskKind::Payment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_designs() {
        let check = |kinds: &[TaskKind], role, route| {
            for kind in kinds {
                assert_eq!(super::route(*kind, role), route, "{kind:?} {role}");
            }
        };
        use TaskKind::*;
        check(
            &[Email, Linkedin, Facebook, Instagram, Twitter, Social, Salespost, Odoo],
            Role::Cloud,
            Route::Draft,
        );
        check(&[Whatsapp, Payment], Role::Cloud, Route::Skip);
        check(&[Schedule, Audit, Error], Role::Cloud, Route::Full);
        for role in [Role::Local, Role::Gold] {
            check(&TaskKind::PREFIXED, role, Route::Full);
        }
        for role in [Role::Cloud, Role::Local, Role::Gold] {
            check(&[Unknown], role, Route::Draft);
        }
    }
}
