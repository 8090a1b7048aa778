//! What a program works with, from literal files and variables.

use std::path::Path;

use daemon::{CommonArgs, Failure, Flags, Program, Setup, Surroundings, load_in};
use task::Role;

/// A working directory with its own home.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("tempdir"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
        std::fs::write(path, text).expect("write");
        self
    }

    fn load_as(
        &self,
        program: Program,
        variables: &[(&str, &str)],
        args: &CommonArgs,
        flags: &Flags,
    ) -> Result<Setup, Failure> {
        let home = self.path().join("home").display().to_string();
        let variables = [("HOME", home.as_str())]
            .iter()
            .chain(variables)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        load_in(&Surroundings { variables, directory: self.path().into() }, program, args, flags)
    }

    fn load(&self, variables: &[(&str, &str)], flags: &Flags) -> Result<Setup, Failure> {
        self.load_as(Program::LocalAgent, variables, &CommonArgs::default(), flags)
    }

    fn refused(&self, program: Program, variables: &[(&str, &str)], flags: &Flags, parts: &[&str]) {
        let failure = self.load_as(program, variables, &CommonArgs::default(), flags).expect_err("a refusal");
        assert_eq!(failure.status(), 2, "{failure}");
        for part in parts {
            assert!(failure.to_string().contains(part), "{failure}");
        }
    }
}

#[test]
fn without_any_file_everything_is_a_rehearsal() {
    let place = Place::new();
    let setup = place.load(&[], &Flags::default()).expect("setup");
    assert_eq!((setup.agent.as_str(), setup.role), ("local-001", Role::Local));
    assert!(setup.modes.dry_run && setup.modes.mock_data && setup.modes.payment_mock);
    assert_eq!(setup.vault_path, place.path().join("vault"));
    assert!(!setup.vault_path.exists(), "the vault is not daemon's to make");
    assert!(setup.data.root().starts_with(place.path().join("home")));
    assert_eq!(setup.config_file, None);
}

#[test]
fn flag_beats_environment_beats_dotenv_beats_config_beats_default() {
    let place = Place::new();
    let dry_run = |variables: &[(&str, &str)], flag| {
        let flags = Flags { dry_run: flag, ..Flags::default() };
        let setup = place.load(variables, &flags).expect("setup");
        assert_eq!(setup.config.modes, setup.modes);
        setup.modes.dry_run
    };
    assert!(dry_run(&[], None), "default");
    place.write("config.yaml", "modes:\n  dry_run: false\n");
    assert!(!dry_run(&[], None), "config.yaml");
    place.write(".env", "DRY_RUN=true\n");
    assert!(dry_run(&[], None), ".env");
    assert!(!dry_run(&[("DRY_RUN", "0")], None), "environment");
    assert!(dry_run(&[("DRY_RUN", "")], None), "an empty variable is not set");
    assert!(dry_run(&[("DRY_RUN", "0")], Some(true)), "flag");
}

#[test]
fn every_variable_reaches_its_setting() {
    let place = Place::new();
    place.write(".env", "GIT_SYNC_ENABLED=yes\nAGENT_ID=from-file\n");
    let variables = [
        ("MOCK_DATA", "false"),
        ("ODOO_MOCK", "false"),
        ("WHATSAPP_MOCK", "false"),
        ("PAYMENT_MOCK", "false"),
        ("AGENT_ID", "laptop-1"),
        ("GIT_SYNC_INTERVAL", "7"),
        ("HEARTBEAT_INTERVAL", "9"),
    ];
    let setup = place.load(&variables, &Flags::default()).expect("setup");
    let modes = setup.modes;
    assert!(!(modes.mock_data || modes.odoo_mock || modes.whatsapp_mock || modes.payment_mock));
    assert_eq!(setup.agent.as_str(), "laptop-1");
    let config = &setup.config;
    assert!(config.sync.enabled);
    assert_eq!((config.sync.interval_seconds, config.health.heartbeat_seconds), (7, 9));
    let flags = Flags { mock: Some(true), sync_interval_seconds: Some(3), ..Flags::default() };
    let setup = place.load(&variables, &flags).expect("setup");
    assert!(setup.modes.mock_data && setup.modes.odoo_mock && setup.modes.payment_mock);
    assert_eq!(setup.config.sync.interval_seconds, 3);
}

#[test]
fn the_configuration_is_looked_for_in_order() {
    let place = Place::new();
    let name = |id: &str| format!("agent:\n  id: {id}\n");
    let id = |variables: &[(&str, &str)], config: Option<&str>| {
        let args = CommonArgs { config: config.map(Into::into), ..CommonArgs::default() };
        let setup = place.load_as(Program::LocalAgent, variables, &args, &Flags::default()).expect("setup");
        setup.agent.to_string()
    };
    place.write("home/.config/ai-employee/config.yaml", &name("platform"));
    if cfg!(target_os = "linux") {
        assert_eq!(id(&[], None), "platform");
    }
    place.write("config.yaml", &name("here")).write("b.yaml", &name("env")).write("c.yaml", &name("flag"));
    assert_eq!(id(&[], None), "here");
    assert_eq!(id(&[("AI_EMPLOYEE_CONFIG", "b.yaml")], None), "env");
    assert_eq!(id(&[("AI_EMPLOYEE_CONFIG", "b.yaml")], Some("c.yaml")), "flag");
    place.refused(
        Program::LocalAgent,
        &[("AI_EMPLOYEE_CONFIG", "gone.yaml")],
        &Flags::default(),
        &["there is no configuration at", "gone.yaml"],
    );
}

#[test]
fn the_dotenv_beside_the_configuration_wins_over_the_one_here() {
    let place = Place::new();
    place
        .write("etc/config.yaml", "")
        .write("etc/.env", "AGENT_ID=beside\n")
        .write(".env", "AGENT_ID=here\n");
    let args = CommonArgs { config: Some("etc/config.yaml".into()), ..CommonArgs::default() };
    let setup = place.load_as(Program::LocalAgent, &[], &args, &Flags::default()).expect("setup");
    assert_eq!(setup.agent.as_str(), "beside");
}

#[test]
fn paths_in_the_configuration_are_taken_from_its_own_folder() {
    let place = Place::new();
    let text = "vault: { path: ./notes }\nmail:\n  - name: work\n    address: a@b.example\n    imap: { host: h, port: 993, security: tls, user: u, secret: { file: pw } }\n";
    place.write("etc/config.yaml", text);
    let args = CommonArgs { config: Some("etc/config.yaml".into()), ..CommonArgs::default() };
    let setup = place.load_as(Program::LocalAgent, &[], &args, &Flags::default()).expect("setup");
    let home = place.path().join("etc");
    assert_eq!(setup.vault_path, home.join("./notes"));
    let secret = &setup.config.mail[0].imap.as_ref().expect("imap").secret;
    assert_eq!(secret.file, Some(home.join("pw")));
    let args = CommonArgs { vault: Some("other".into()), data: Some("data".into()), ..args };
    let setup = place.load_as(Program::LocalAgent, &[], &args, &Flags::default()).expect("setup");
    assert_eq!(setup.vault_path, place.path().join("other"), "a flag's path is taken from here");
    assert_eq!(setup.data.root(), place.path().join("data"));
}

#[test]
fn a_role_that_does_not_fit_the_binary_is_refused() {
    let place = Place::new();
    let role = |role| Flags { role: Some(role), ..Flags::default() };
    let none = Flags::default();
    place.refused(Program::CloudAgent, &[], &role(Role::Gold), &["role gold does not fit cloud-agent"]);
    place.refused(Program::CloudAgent, &[("AGENT_ROLE", "local")], &none, &["role local", "it takes cloud"]);
    place.refused(Program::LocalAgent, &[("AGENT_ROLE", "cloud")], &none, &["local or gold"]);
    place.refused(
        Program::LocalAgent,
        &[("AGENT_ROLE", "boss")],
        &none,
        &["environment variable AGENT_ROLE", "boss"],
    );
    place.refused(
        Program::LocalAgent,
        &[("GIT_SYNC_ENABLED", "true")],
        &role(Role::Gold),
        &["without sync", "sync.enabled: false"],
    );
    let setup = place.load(&[], &role(Role::Gold)).expect("gold without sync");
    assert_eq!((setup.role, setup.agent.as_str()), (Role::Gold, "local-001"));
    let setup = place.load_as(Program::CloudAgent, &[], &CommonArgs::default(), &none).expect("cloud");
    assert_eq!((setup.role, setup.agent.as_str()), (Role::Cloud, "cloud-001"));
}

#[test]
fn bad_values_are_refused_with_their_place() {
    let place = Place::new();
    let none = Flags::default();
    place.refused(
        Program::LocalAgent,
        &[("DRY_RUN", "maybe")],
        &none,
        &["environment variable DRY_RUN", "maybe"],
    );
    place.refused(
        Program::LocalAgent,
        &[("DRY_RUN", "maybe")],
        &Flags { dry_run: Some(true), ..none },
        &["environment variable DRY_RUN"],
    );
    place.refused(Program::LocalAgent, &[("GIT_SYNC_INTERVAL", "0")], &none, &["1 or more"]);
    place.refused(Program::LocalAgent, &[("AGENT_ID", "Me Too")], &none, &["no agent id"]);
    place.write("config.yaml", "snyc:\n  enabled: true\n");
    place.refused(Program::LocalAgent, &[], &none, &["config.yaml", "\"snyc\"", "did you mean \"sync\"?"]);
}

#[test]
fn nothing_that_decides_lies_in_the_vault() {
    let place = Place::new();
    let check = |args: CommonArgs, part: &str| {
        let failure =
            place.load_as(Program::LocalAgent, &[], &args, &Flags::default()).expect_err("inside the vault");
        assert_eq!(failure.status(), 2);
        assert!(failure.to_string().contains(part), "{failure}");
    };
    place.write("vault/config.yaml", "").write("vault/.env", "");
    let vault = || Some("vault".into());
    check(
        CommonArgs { config: Some("vault/config.yaml".into()), vault: vault(), ..Default::default() },
        "configuration",
    );
    check(
        CommonArgs { data: Some("vault/data".into()), vault: vault(), ..Default::default() },
        "data directory",
    );
    check(
        CommonArgs { data: Some("vault/../vault/d".into()), vault: vault(), ..Default::default() },
        "data directory",
    );
    std::os::unix::fs::symlink(place.path().join("vault"), place.path().join("link")).expect("symlink");
    check(
        CommonArgs { data: Some("link/data".into()), vault: vault(), ..Default::default() },
        "data directory",
    );
}

#[test]
fn invariant_3_the_cloud_agent_refuses_credentials_that_act() {
    let none = Flags::default();
    let check = |variables: &[(&str, &str)], config: &str, dotenv: &str, part: &str| {
        let place = Place::new();
        place.write("config.yaml", config).write(".env", dotenv);
        place.refused(Program::CloudAgent, variables, &none, &["credentials that act", part]);
        assert!(place.load(variables, &none).is_ok(), "the owner's machine may hold them");
    };
    check(&[("SMTP_PASSWORD", "x")], "", "", "environment variable SMTP_PASSWORD");
    check(&[], "", "WHATSAPP_TOKEN=x\n", ".env");
    check(&[("WISE_API_TOKEN", "x")], "", "", "it pays");
    check(&[("LINKEDIN_ACCESS_TOKEN", "x")], "", "", "it posts");
    let mail = |part: &str| format!("mail:\n  - name: work\n    address: a@b.example\n    {part}\n");
    check(
        &[],
        &mail("smtp: { host: h, port: 465, security: tls, user: u, secret: { env: W } }"),
        "",
        "mail account work (smtp)",
    );
    check(
        &[],
        &mail(
            "imap: { host: h, port: 993, security: tls, user: u, auth: xoauth2, granted_scopes: ['https://mail.google.com/'], secret: { env: W } }",
        ),
        "",
        "https://mail.google.com/",
    );

    let place = Place::new();
    let cloud =
        || place.load_as(Program::CloudAgent, &[("SMTP_PASSWORD", "")], &CommonArgs::default(), &none);
    let data = cloud().expect("an empty variable is none").data;
    std::fs::write(data.owner_key(), "x").expect("write");
    place.refused(Program::CloudAgent, &[], &none, &["keys/owner", "it signs orders"]);
}

#[test]
fn what_cannot_be_inspected_is_a_standing_warning() {
    let place = Place::new();
    place.write("config.yaml", "mail:\n  - name: work\n    address: a@b.example\n    imap: { host: h, port: 993, security: tls, user: u, secret: { env: W } }\n");
    let setup = place
        .load_as(Program::CloudAgent, &[("ODOO_API_KEY", "x")], &CommonArgs::default(), &Flags::default())
        .expect("setup");
    let places: Vec<_> = setup.warnings.iter().map(|w| w.place.as_str()).collect();
    assert_eq!(places, ["config.yaml, mail account work (imap)", "environment variable ODOO_API_KEY"]);
    assert_eq!(place.load(&[("ODOO_API_KEY", "x")], &Flags::default()).expect("local").warnings, []);
}
