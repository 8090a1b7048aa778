use serde_yaml::{Mapping, Value};

use super::edited;

/// What `text` says, with the keys of `changes` changed in its sections.
fn changed(text: &str, changes: &str) -> Mapping {
    let read = |text: &str| match serde_yaml::from_str(text).expect("YAML") {
        Value::Mapping(map) => map,
        _ => Mapping::new(),
    };
    let mut all = read(text);
    for (name, wanted) in read(changes) {
        match (all.get_mut(&name), &wanted) {
            (Some(Value::Mapping(section)), Value::Mapping(new)) => section.extend(new.clone()),
            _ => drop(all.insert(name, wanted)),
        }
    }
    all
}

#[track_caller]
fn check(text: &str, changes: &str, expected: &str) {
    let new = edited(text, &changed(text, changes)).expect("an edit");
    assert_eq!(new, expected);
}

#[test]
fn comments_order_and_columns_stay() {
    check(
        "# mine\nmodes:               # how real\n  mock_data: true    # sample\n  dry_run: true      # nothing is sent\n\n# the end\n",
        "modes: { dry_run: false }",
        "# mine\nmodes:               # how real\n  mock_data: true    # sample\n  dry_run: false     # nothing is sent\n\n# the end\n",
    );
    check(
        "sync:\n  remote:                 # its address\n  branch: main\n",
        "sync: { remote: 'git@git.example.com:jane/vault.git' }",
        "sync:\n  remote: git@git.example.com:jane/vault.git # its address\n  branch: main\n",
    );
    check(
        "owner: { name: The Owner }   # me\n",
        "owner: { name: Jane Doe }",
        "owner: { name: Jane Doe }   # me\n",
    );
    check("owner: { name: 'A # B' } # me\n", "owner: { name: Jane }", "owner: { name: Jane } # me\n");
}

#[test]
fn what_is_not_there_is_added_where_it_belongs() {
    check(
        "vault:\n  path: /home/jane/vault   # here\n\n# next\nsync:\n    enabled: true\n",
        "vault: { quiet_seconds: 5 }\nsync: { branch: main }",
        "vault:\n  path: /home/jane/vault   # here\n  quiet_seconds: 5\n\n# next\nsync:\n    enabled: true\n    branch: main\n",
    );
    check("# nothing yet\n", "owner: { name: Jane }", "# nothing yet\nowner:\n  name: Jane\n");
    check("", "owner: { name: Jane }", "owner:\n  name: Jane\n");
    check("a: 1", "owner: { name: Jane }", "a: 1\nowner:\n  name: Jane\n");
    check(
        "odoo:   # none\nx: 1\n",
        "odoo: { url: https://books.example.com }",
        "odoo:   # none\n  url: https://books.example.com\nx: 1\n",
    );
    check(
        "health:\n  expect: {}   # agents\n",
        "health: { expect: { cloud-001: always } }",
        "health:\n  expect: { cloud-001: always } # agents\n",
    );
    check("health: {}\n", "health: { disk_free_megabytes: 5 }", "health:\n  disk_free_megabytes: 5\n");
    check("health: { a: 1 }\n", "health: { b: 2 }", "health: { a: 1, b: 2 }\n");
}

#[test]
fn accounts_are_changed_key_by_key_and_added_below_the_others() {
    check(
        "# mail\nmail: []\n# end\n",
        "mail: [{ name: work, address: a@b.example }]",
        "# mail\nmail:\n  - name: work\n    address: a@b.example\n# end\n",
    );
    let two = "mail:\n# the first\n- name: home\n  address: a@b.example   # old\n  imap:\n    host: imap.example.com # there\n- { name: work, address: c@d.example }\n";
    check(
        two,
        "mail: [{ name: home, address: new@b.example, imap: { host: imap.example.org } }, { name: work, address: e@f.example }, { name: more, address: g@h.example }]",
        "mail:\n# the first\n- name: home\n  address: new@b.example # old\n  imap:\n    host: imap.example.org # there\n- { name: work, address: e@f.example }\n- name: more\n  address: g@h.example\n",
    );
    check(
        "mail:\n  - name: home\n    address: a@b.example\n    smtp: { host: x }\nowner: { name: Jane }\n",
        "mail: [{ name: home, address: a@b.example }]",
        "mail:\n  - name: home\n    address: a@b.example\nowner: { name: Jane }\n",
    );
}

#[test]
fn what_cannot_be_edited_is_left_to_the_caller() {
    for text in ["a: &x 1\nb: *x\n", "--- !!map\na: 1\n", "[1, 2]\n", "a: 1\n---\nb: 2\n"] {
        assert_eq!(edited(text, &changed("", "a: 2")), None, "{text}");
    }
}

/// The sample has every key and every way to write one: each change to it is one line, and the rest stays.
#[test]
fn the_sample_keeps_every_other_line() {
    let sample = include_str!("../../../../config.yaml");
    for change in [
        "modes: { dry_run: false }",
        "sync: { remote: 'git@git.example.com:jane/vault.git' }",
        "vault: { path: /home/jane/vault }",
        "agent: { id: local-001 }",
        "owner: { name: Jane Doe }",
        "health: { expect: { cloud-001: always } }",
    ] {
        let new = edited(sample, &changed(sample, change)).expect("an edit");
        let (old, new): (Vec<&str>, Vec<&str>) = (sample.lines().collect(), new.lines().collect());
        assert_eq!(old.len(), new.len(), "{change}");
        let differing: Vec<_> = old.iter().zip(&new).filter(|(old, new)| old != new).collect();
        assert_eq!(differing.len(), 1, "{change}: {differing:?}");
        let comment = |line: &str| line.split_once(" # ").map(|(_, words)| words.trim().to_owned());
        assert_eq!(comment(differing[0].0), comment(differing[0].1), "{change}");
    }
}
