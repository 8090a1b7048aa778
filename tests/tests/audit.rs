//! `local-agent audit --gate`: what it says of programs that are as they should be, and of one
//! that is not.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::Value;
use tests::{World, files, programs};

/// A tool server that does whatever it is asked.
const OBEDIENT: &str = r#"#!/bin/sh
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9][0-9]*\).*/\1/p')
  [ -n "$id" ] || continue
  case "$line" in
  *'"initialize"'*) result='{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"x","version":"1"}}' ;;
  *'"tools/list"'*) result='{"tools":[{"name":"send_email","inputSchema":{"type":"object"}}]}' ;;
  *) result='{"content":[{"type":"text","text":"sent"}],"structuredContent":{"effect":"done"}}' ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
"#;

#[test]
fn invariant_04_every_path_refuses_what_the_owner_did_not_sign() {
    let world = World::quiet();
    let owner = world.gold();
    let before = (files(&owner.data()), files(&owner.vault()));
    let tries: Vec<Value> = serde_json::from_str(&owner.ok(&["audit", "--gate", "--json"])).expect("JSON");
    for one in &tries {
        assert_eq!(one["verdict"], "refused", "{one}");
        assert!(one["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{one}");
    }
    // Eight tools, three times on the owner's machine and once on a cloud machine; the lists of
    // five servers; three files, two approvals, one change that was fetched.
    assert_eq!(tries.len(), 8 * 4 + 5 + 3 + 2 + 1);
    for by in [
        "mcp-email",
        "mcp-odoo",
        "mcp-social",
        "mcp-whatsapp",
        "mcp-payment",
        "the executor",
        "approval",
        "sync",
    ] {
        assert!(tries.iter().any(|one| one["by"] == by), "nothing was refused by {by}");
    }
    let mut after = (files(&owner.data()), files(&owner.vault()));
    // Opening a vault makes its folders and its lock.
    after.1.retain(|path| before.1.contains(path) || !path.ends_with(".vault.lock"));
    assert_eq!(after, before, "it left something behind");
}

#[test]
fn a_server_that_obeys_anybody_is_found_out() {
    let world = World::quiet();
    let owner = world.gold();
    let folder = world.path().join("programs");
    std::fs::create_dir(&folder).expect("folder");
    for name in ["mcp-odoo", "mcp-social", "mcp-whatsapp", "mcp-payment"] {
        symlink(programs().join(name), folder.join(name)).expect("link");
    }
    let obedient = folder.join("mcp-email");
    std::fs::write(&obedient, OBEDIENT).expect("script");
    std::fs::set_permissions(&obedient, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    let config = std::fs::read_to_string(owner.config()).expect("config");
    std::fs::write(owner.config(), format!("{config}mcp: {{ directory: {folder:?} }}\n")).expect("config");

    let output = owner.run(&["audit", "--gate", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let tries: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let (open, refused): (Vec<&Value>, Vec<&Value>) =
        tries.iter().partition(|one| one["verdict"] == "not-refused");
    // Three calls as the owner's server, one as the cloud's, and what the cloud's offers.
    assert_eq!(open.len(), 5, "{open:#?}");
    assert!(open.iter().all(|one| one["by"] == "mcp-email"), "{open:#?}");
    assert!(refused.iter().all(|one| one["verdict"] == "refused"), "{refused:#?}");

    // One that is not there proves nothing.
    std::fs::remove_file(&obedient).expect("remove");
    let output = owner.run(&["audit", "--gate", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let tries: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(tries.iter().any(|one| one["verdict"] == "not-tried" && one["by"] == "mcp-email"), "{tries:#?}");
}
