//! What tells this machine from others.

use task::Digest;

/// Where Linux keeps the machine's name; the second is D-Bus's, on systems without systemd.
const PLACES: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// A name of this machine that stays the same over restarts; none where the system has none. It is
/// derived from the machine id, which must not be shown as it is (machine-id(5)).
pub fn machine_name() -> Option<String> {
    PLACES.iter().find_map(|place| derive(&std::fs::read_to_string(place).ok()?))
}

fn derive(id: &str) -> Option<String> {
    let id = id.trim();
    let known = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    known.then(|| Digest::of(format!("ai-employee:{id}")).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_id_itself_is_not_in_its_name() {
        let id = "0123456789abcdef0123456789abcdef";
        let name = derive(&format!("{id}\n")).expect("a name");
        assert!(name.starts_with("sha256:") && !name.contains(id), "{name}");
        assert_eq!(derive("uninitialized"), None);
    }
}
