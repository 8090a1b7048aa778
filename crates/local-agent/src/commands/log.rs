//! `log verify`

use daemon::{Failure, OrFailure as _, Setup};

use super::{open_vault, print};

pub(crate) fn verify(setup: &Setup) -> Result<(), Failure> {
    let checks = open_vault(setup)?.verify_logs().or_failed("cannot read the audit logs")?;
    let mut bad = 0;
    let mut text = String::new();
    for check in &checks {
        match &check.result {
            Ok(last) => text.push_str(&format!("ok   {} to record {last}\n", check.path.display())),
            Err(error) => {
                bad += 1;
                text.push_str(&format!("BAD  {}: {error}\n", check.path.display()));
            }
        }
    }
    if checks.is_empty() {
        text.push_str("there are no records yet\n");
    }
    print(&text)?;
    if bad == 0 {
        Ok(())
    } else {
        Err(Failure::failed(format!("{bad} of {} logs were changed or torn", checks.len())))
    }
}
