//! Literal weeks in, literal figures out.

use std::path::Path;

use chrono::TimeDelta;
use chrono_tz::Tz;
use serde_json::{Value, json};
use task::{AuditEvent, AuditOutcome, FrontMatter, Location, Task, TaskKind};
use vault::{Limits, Vault};

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect(text)
}

fn zone(name: &str) -> Tz {
    name.parse().expect(name)
}

#[test]
fn every_weekday_tells_of_its_own_week_and_a_monday_of_the_one_before() {
    let check = |moment: &str, name: &str, monday: &str, from: &str, until: &str| {
        let period = Period::of(at(moment), &zone(name));
        let found = (period.monday.to_string(), period.from, period.until);
        assert_eq!(found, (monday.to_owned(), at(from), at(until)), "{moment}");
    };
    let (last, this, next) = ("2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z");
    check("2026-11-29T23:00:00Z", "UTC", "2026-11-30", last, this);
    check("2026-11-30T00:00:00Z", "UTC", "2026-11-30", last, this);
    check("2026-11-30T23:59:59Z", "UTC", "2026-11-30", last, this);
    for day in ["2026-12-01", "2026-12-02", "2026-12-03", "2026-12-04", "2026-12-05", "2026-12-06"] {
        check(&format!("{day}T12:00:00Z"), "UTC", "2026-12-07", this, next);
    }
    // Sunday evening in New York is Monday in Berlin.
    let berlin = ("2026-11-22T23:00:00Z", "2026-11-29T23:00:00Z");
    check("2026-11-30T02:00:00Z", "Europe/Berlin", "2026-11-30", berlin.0, berlin.1);
    let york = ("2026-11-23T05:00:00Z", "2026-11-30T05:00:00Z");
    check("2026-11-30T02:00:00Z", "America/New_York", "2026-11-30", york.0, york.1);
    // The week of the change to summer time is an hour shorter.
    let period = Period::of(at("2026-03-29T12:00:00Z"), &zone("Europe/Berlin"));
    assert_eq!(period.until - period.from, TimeDelta::hours(7 * 24 - 1));
    assert_eq!(period.days().count(), 7);
}

#[test]
fn spans_are_nearest_ranks() {
    let check = |minutes: &[i64], median: i64, ninetieth: i64| {
        let span = Span::over(minutes.iter().map(|m| TimeDelta::minutes(*m)).collect()).expect("a span");
        assert_eq!(
            (span.of, span.median.num_minutes(), span.ninetieth.num_minutes()),
            (minutes.len(), median, ninetieth)
        );
    };
    check(&[7], 7, 7);
    check(&[1, 2], 1, 2);
    check(&[10, 9, 8, 7, 6, 5, 4, 3, 2, 1], 5, 9);
    check(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 100], 6, 10);
    assert_eq!(Span::over(Vec::new()), None);
}

struct Scene {
    temp: tempfile::TempDir,
    vault: Vault,
}

impl Scene {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path().join("vault"), Limits::default()).expect("vault");
        Self { temp, vault }
    }

    fn log(&self, now: &str, action: &str, id: &str, stage: &str, result: AuditOutcome) {
        let event =
            AuditEvent::new(action, Some(id.parse().expect("id"))).with("stage", stage).result(result);
        self.vault.log(&"local-001".parse().expect("agent"), event, at(now)).expect("log");
    }

    fn put(&self, path: &str, created: &str, drafted: Option<&str>) {
        let location = Location::parse(path).expect(path);
        let mut front = FrontMatter::new(location.id.clone(), at(created));
        front.drafted_at = drafted.map(at);
        front.subject = Some("About <b>this</b>".into());
        self.vault.create(&location, &Task::new(front, "")).expect("create");
    }

    fn briefing(&self, now: &str) -> Briefing {
        let now = at(now);
        let period = Period::of(now, &Utc);
        let mut briefing = Briefing {
            period,
            now,
            sample: false,
            activity: Activity::count(&self.vault, &period, &Utc).expect("count"),
            standing: Standing::look(&self.vault, now).expect("look"),
            orders: Had::Yes(Orders::default()),
            books: Had::Yes(books(&json!([]), &json!([]), now).expect("books")),
            social: Had::No("social server was not called".into()),
            spending: Had::Yes(Vec::new()),
            suggestions: Vec::new(),
        };
        briefing.suggestions = suggest(&briefing);
        briefing
    }

    fn pages(&self) -> Pages {
        Pages::new(self.vault.clone(), self.temp.path().join("taken.json"))
    }

    fn edit(&self, path: &str, change: impl Fn(&str) -> String) {
        let path = self.vault.root().join(path);
        let text = std::fs::read_to_string(&path).expect("read");
        std::fs::write(path, change(&text)).expect("write");
    }

    fn count(&self, folder: &str) -> usize {
        std::fs::read_dir(Path::new(self.vault.root()).join(folder)).expect("folder").count()
    }
}

fn books(invoices: &Value, transactions: &Value, now: DateTime<Utc>) -> Result<Books, String> {
    let period = Period::of(now, &Utc);
    Books::read(&json!({"invoices": invoices}), &json!({"transactions": transactions}), &period, now, &Utc)
}

#[test]
fn the_week_is_counted_from_the_logs_and_duties_are_no_drafts() {
    let scene = Scene::new();
    let ok = AuditOutcome::Ok;
    scene.put("Done/2026/11/EMAIL_1.md", "2026-11-24T10:00:00Z", Some("2026-11-24T10:10:00Z"));
    scene.put("Done/2026/11/EMAIL_2.md", "2026-11-24T10:00:00Z", Some("2026-11-24T10:20:00Z"));
    scene.log("2026-11-22T23:59:59Z", "draft", "EMAIL_0", "Pending_Approval", ok);
    scene.log("2026-11-24T10:10:00Z", "draft", "EMAIL_1", "Pending_Approval", ok);
    scene.log("2026-11-24T10:20:00Z", "draft", "EMAIL_2", "Done/2026/11", ok);
    scene.log("2026-11-24T10:20:00Z", "draft", "EMAIL_3", "", AuditOutcome::Failed);
    scene.log("2026-11-25T10:10:00Z", "approve", "EMAIL_1", "", ok);
    scene.log("2026-11-25T10:11:00Z", "execute", "EMAIL_1", "", ok);
    scene.log("2026-11-25T10:12:00Z", "execute", "EMAIL_1", "", ok);
    scene.log("2026-11-26T09:00:00Z", "duty", "SCHEDULE_daily-scan_20261126T0900Z", "Done/2026/11", ok);
    scene.log("2026-11-26T10:00:00Z", "reject", "LINKEDIN_1", "", AuditOutcome::Refused);
    scene.log("2026-11-26T10:00:00Z", "health_alarm", "ERROR_HEALTH_disk_20261126", "", AuditOutcome::Failed);
    scene.log("2026-11-30T00:00:00Z", "execute", "EMAIL_2", "", ok);
    let activity = scene.briefing("2026-11-30T08:00:00Z").activity;
    let email = KindLine { drafted: 1, closed: 1, approved: 1, done: 1, ..KindLine::default() };
    let linkedin = KindLine { rejected: 1, ..KindLine::default() };
    assert_eq!(activity.kinds, [(TaskKind::Email, email), (TaskKind::Linkedin, linkedin)].into());
    assert_eq!((activity.duties, activity.failed_tries, activity.incidents.len()), (1, 1, 1));
    let minutes =
        |span: Option<Span>| span.map(|s| (s.of, s.median.num_minutes(), s.ninetieth.num_minutes()));
    assert_eq!(minutes(activity.to_draft), Some((2, 10, 20)));
    assert_eq!(minutes(activity.to_decision), Some((1, 24 * 60, 24 * 60)));
}

#[test]
fn a_week_without_data_says_so() {
    let scene = Scene::new();
    let briefing = scene.briefing("2026-11-30T08:00:00Z");
    for page in [markdown(&briefing), html(&briefing)] {
        assert!(page.contains("Nothing: no log has a record of this week."), "{page}");
        assert!(page.contains("social server was not called"), "{page}");
    }
}

#[test]
fn an_approval_that_never_comes_is_a_bottleneck_and_a_reminder() {
    let scene = Scene::new();
    scene.put("Pending_Approval/APPROVE_EMAIL_old.md", "2026-11-20T10:00:00Z", Some("2026-11-20T10:00:00Z"));
    scene.put("Pending_Approval/APPROVE_EMAIL_new.md", "2026-11-29T10:00:00Z", Some("2026-11-29T10:00:00Z"));
    let briefing = scene.briefing("2026-11-30T08:00:00Z");
    let page = markdown(&briefing);
    assert!(page.contains("**1** task has waited for more than 48 h"), "{page}");
    assert!(page.contains("- [[APPROVE_EMAIL_old]] 9 days, waits for you: About \\<b\\>this"), "{page}");
    assert!(page.contains("- [ ] Decide on EMAIL\\_old"), "{page}");
    let html = html(&briefing);
    assert!(html.contains("&lt;b&gt;this") && !html.contains("<b>this"), "{html}");
    assert!(!html.contains("<script") && !html.contains("http://") && !html.contains("https://"));
}

#[test]
fn money_is_added_up_by_currency_and_nonsense_adds_nothing() {
    let now = at("2026-11-30T08:00:00Z");
    let posted = |total: Value, currency: &str, due: Value| json!({"id": 1, "number": "INV/1", "state": "posted", "partner": "P", "total": total, "currency": currency, "due": due});
    let paid = |amount: &str, date: &str| json!({"amount": amount, "currency": "EUR", "date": date});
    let invoices = json!([
        posted(json!("100.10"), "EUR", json!("2026-11-29")),
        posted(json!("200.20"), "EUR", json!("2026-11-30")),
        posted(json!("5.00"), "USD", Value::Null),
        posted(json!(1e300), "EUR", json!("2026-11-01")),
        posted(json!("-7.00"), "EUR", json!("2026-11-01")),
        posted(json!("7.00"), "Euro", json!("2026-11-01")),
        posted(json!("7.00"), "EUR", json!("soon")),
        "an invoice",
    ]);
    let transactions =
        json!([paid("30.00", "2026-11-23"), paid("-12.00", "2026-11-24"), paid("99.00", "2026-11-22"), {}]);
    let books = books(&invoices, &transactions, now).expect("books");
    let sums = |sums: &Sums| sums.iter().map(|(c, s)| format!("{s} {c}")).collect::<Vec<_>>();
    assert_eq!(sums(&books.outstanding), ["300.30 EUR", "5.00 USD"]);
    assert_eq!(sums(&books.overdue), ["100.10 EUR"]);
    assert_eq!(sums(&books.collected), ["30.00 EUR"]);
    assert_eq!((books.unreadable, books.late.len(), books.cut), (6, 1, false));
}

#[test]
fn an_answer_that_is_nonsense_is_said_and_no_zero() {
    let now = at("2026-11-30T08:00:00Z");
    let period = Period::of(now, &Utc);
    let read = |answer: &Value| Books::read(answer, &json!({"transactions": []}), &period, now, &Utc);
    for nonsense in [json!(null), json!({"invoices": 7}), json!([]), json!({"invoices": [1, 2]})] {
        assert!(read(&nonsense).is_err(), "{nonsense}");
    }
    assert!(Social::read(&json!({"platforms": "all"})).is_err());
    let scene = Scene::new();
    let books = Had::No(read(&json!({})).expect_err("nonsense"));
    let mut briefing = Briefing { books, ..scene.briefing("2026-11-30T08:00:00Z") };
    briefing.suggestions = suggest(&briefing);
    let page = markdown(&briefing);
    assert!(
        page.contains("> [!warning] Not had\n> the odoo server's answer has no list of invoices"),
        "{page}"
    );
    assert!(!page.contains("outstanding"), "{page}");
    assert!(page.contains("Find out why the books could not be read"), "{page}");
}

#[test]
fn a_tick_becomes_a_task_once_and_survives_a_page_that_is_written_anew() {
    let scene = Scene::new();
    let now = "2026-11-30T08:00:00Z";
    let pages = scene.pages();
    let written = pages.write(&scene.briefing(now)).expect("write");
    assert_eq!(written.path, "Briefings/2026-11-30_Monday_Briefing.md");
    assert!(pages.take(at(now)).0.is_empty(), "nothing is ticked yet");
    scene.edit(&written.path, |page| page.replace("- [ ] Nothing was posted", "- [x] Nothing was posted"));
    // A page that cannot be read, and one full of rubbish, stop nothing.
    std::fs::create_dir(scene.vault.root().join("Briefings/2026-12-07_Monday_Briefing.md")).expect("mkdir");
    std::fs::write(
        scene.vault.root().join("Briefings/2026-12-14_Monday_Briefing.md"),
        b"- [x] \xff ^do-odoo-1\n- [x] mine",
    )
    .expect("write");
    let (took, wrong) = pages.take(at(now));
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert_eq!(took.len(), 1);
    assert!(took[0].task.as_str().starts_with("SALESPOST_suggestion_20261130_"), "{took:?}");
    assert_eq!(scene.count("Needs_Action"), 1);
    assert!(scene.pages().take(at(now)).0.is_empty(), "once, also after a restart");

    // Written anew: the tick stays, and nothing of it is taken for somebody's words.
    let again = pages.write(&scene.briefing("2026-11-30T09:00:00Z")).expect("write");
    assert_eq!(again.kept, None);
    let page = scene.vault.read_page(&written.path).expect("read").expect("page");
    assert!(page.contains("- [x] Nothing was posted"), "{page}");
    assert!(pages.take(at(now)).0.is_empty());
    // A suggestion that is ticked and no longer made stays until its tick is taken.
    scene.edit(&written.path, |page| {
        page.replace("## Suggestions\n\n", "## Suggestions\n\n- [x] Write to Bob ^do-odoo-0123456789ab\n")
    });
    pages.write(&scene.briefing("2026-11-30T09:30:00Z")).expect("write");
    assert_eq!(pages.write(&scene.briefing("2026-11-30T09:40:00Z")).expect("write").kept, None);
    let (took, _) = pages.take(at(now));
    assert_eq!(took.len(), 1);
    assert_eq!(took[0].task.as_str(), "ODOO_suggestion_20261130_0123456789ab");
    // Words that somebody wrote on the page are kept when it is written anew.
    scene.edit(&written.path, |page| page.replace("## Money", "Call Bob!\n\n## Money"));
    let kept = pages.write(&scene.briefing("2026-11-30T10:00:00Z")).expect("write").kept.expect("kept");
    assert!(scene.vault.read_page(&kept).expect("read").expect("page").contains("Call Bob!"));
}

#[test]
fn no_suggestion_can_become_a_task_that_pays_or_sends() {
    for bad in
        ["do-payment-0123456789ab", "do-email-0123456789ab", "do-odoo-0123456789AB", "do-odoo-1", "do-odoo"]
    {
        assert!(bad.parse::<Mark>().is_err(), "{bad}");
    }
    let mark: Mark = "do-odoo-0123456789ab".parse().expect("a mark");
    assert_eq!(mark.to_string(), "do-odoo-0123456789ab");
}
