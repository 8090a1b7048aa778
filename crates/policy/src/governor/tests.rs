use config::{Ceiling, ToolLimit};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn start() -> DateTime<Utc> {
    "2026-02-23T12:00:00Z".parse().expect("time")
}

fn mail(to: &[&str]) -> Call {
    Call::decode("send_email", json!({"to": to, "subject": "Q1", "body": "Dear"})).expect("call")
}

fn pay(amount: &str, currency: &str, iban: &str) -> Call {
    let arguments =
        json!({"payee": "Bob", "iban": iban, "amount": amount, "currency": currency, "reference": "R"});
    Call::decode("initiate_payment", arguments).expect("call")
}

const BOB: &str = "DE89370400440532013000";
const EVE: &str = "GB82WEST12345698765432";

fn amount(text: &str) -> task::Amount {
    text.parse().expect("amount")
}

fn limits() -> Limits {
    let ceiling =
        Ceiling { single: amount("100"), per_day: amount("150"), per_payee_per_day: amount("120.50") };
    Limits {
        per_recipient_per_day: 2,
        first_contacts_per_day: 3,
        tool_per_hour: 4,
        tool_per_day: 6,
        tools: BTreeMap::new(),
        payments: [("EUR".parse().expect("currency"), ceiling)].into(),
    }
}

/// What left so many seconds before [`start`].
fn history(past: &[(i64, Call)]) -> History {
    let effect =
        |(ago, call): &(i64, Call)| Effect { call: call.clone(), at: start() - TimeDelta::seconds(*ago) };
    History { effects: past.iter().map(effect).collect(), known: BTreeSet::new() }
}

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;

#[track_caller]
fn allowed(history: &History, call: &Call) {
    assert_eq!(govern(&limits(), history, call, start()), Ruling::Allowed);
}

/// Not now, but after so many seconds.
#[track_caller]
fn not_now(history: &History, call: &Call, seconds: i64, window: Window, key: &str) {
    let ruling = govern(&limits(), history, call, start());
    let until = start() + TimeDelta::seconds(seconds);
    assert!(
        matches!(&ruling, Ruling::NotNow { until: at, window: w, why } if (*at, *w) == (until, window) && why.contains(key)),
        "{ruling:?}"
    );
    // And the owner is told over which time it is counted.
    let length = if window == Window::Hour { "within 60 minutes" } else { "within 24 hours" };
    assert!(matches!(&ruling, Ruling::NotNow { why, .. } if why.contains(length)), "{ruling:?}");
    // The promise is kept to the instant.
    assert_eq!(govern(&limits(), history, call, until), Ruling::Allowed);
    let before = until - TimeDelta::microseconds(1);
    assert!(matches!(govern(&limits(), history, call, before), Ruling::NotNow { .. }));
}

#[track_caller]
fn refused(history: &History, call: &Call, key: &str) {
    let ruling = govern(&limits(), history, call, start());
    assert!(matches!(&ruling, Ruling::Refused { why } if why.contains(key)), "{ruling:?}");
}

#[test]
fn one_address_in_any_spelling_is_one_recipient() {
    let past = history(&[(10, mail(&["bob@b.example"])), (20, mail(&["x@b.example", "BOB@b.example"]))]);
    not_now(&past, &mail(&["Bob@B.example"]), DAY_S - 20, Window::Day, "limits.per_recipient_per_day");
    allowed(&past, &mail(&["x@b.example"]));
    let copy = Call::decode(
        "send_email",
        json!({"to": ["x@b.example"], "bcc": ["bob@b.example"], "subject": "s", "body": "b"}),
    );
    not_now(&past, &copy.expect("call"), DAY_S - 20, Window::Day, "messages to bob@b.example");
}

#[test]
fn first_contacts_are_counted_over_all_channels_and_known_ones_are_none() {
    let whatsapp = |to: &str| Call::decode("send_whatsapp", json!({"to": to, "text": "hi"})).expect("call");
    let mut past = history(&[(100, mail(&["a@x.example", "b@x.example"])), (50, whatsapp("+491701234567"))]);
    let key = "limits.first_contacts_per_day";
    not_now(&past, &mail(&["new@x.example"]), DAY_S - 100, Window::Day, key);
    not_now(&past, &whatsapp("+491701234568"), DAY_S - 100, Window::Day, key);
    allowed(&past, &mail(&["a@x.example"]));
    past.known.insert("new@x.example".into());
    allowed(&past, &mail(&["new@x.example"]));
    // Whoever was known before takes no room.
    past.known.insert("+491701234567".into());
    allowed(&past, &mail(&["c@x.example"]));
    // Whoever was written to today is no first contact, even when fewer may be by now.
    let fewer = Limits { first_contacts_per_day: 1, ..limits() };
    let two = history(&[(100, mail(&["a@x.example", "b@x.example"]))]);
    assert_eq!(govern(&fewer, &two, &mail(&["a@x.example"]), start()), Ruling::Allowed);
    // More at once than ever fits.
    refused(&history(&[]), &mail(&["1@x.example", "2@x.example", "3@x.example", "4@x.example"]), key);
}

#[test]
fn a_tools_calls_are_counted_by_the_hour_and_by_the_day() {
    let to = |n: usize| mail(&[["a@x.example", "b@x.example", "c@x.example"][n % 3]]);
    let four: Vec<_> = (0..4).map(|n| (10 + 10 * n as i64, to(n))).collect();
    not_now(&history(&four), &mail(&["b@x.example"]), HOUR_S - 40, Window::Hour, "limits.tool_per_hour");
    let six: Vec<_> = (0..6).map(|n| (2 * HOUR_S + n as i64, to(n))).collect();
    let mut six = history(&six);
    six.known.insert("z@x.example".into());
    not_now(&six, &mail(&["z@x.example"]), DAY_S - 2 * HOUR_S - 5, Window::Day, "limits.tool_per_day");
    // Another tool has its own count.
    allowed(&six, &Call::decode("post_twitter", json!({"text": "hi"})).expect("call"));
    // Single tools may have numbers of their own, up and down.
    let own = |per_hour, per_day| Limits {
        tools: [("send_email".to_owned(), ToolLimit { per_hour, per_day })].into(),
        ..limits()
    };
    let call = mail(&["a@x.example"]);
    let past = history(&[(10, mail(&["b@x.example"]))]);
    assert!(
        matches!(govern(&own(Some(1), None), &past, &call, start()), Ruling::NotNow { window: Window::Hour, why, .. } if why.contains("limits.tools.send_email.per_hour"))
    );
    assert!(matches!(govern(&own(Some(0), None), &past, &call, start()), Ruling::Refused { .. }));
    assert_eq!(govern(&own(Some(9), Some(9)), &past, &call, start()), Ruling::Allowed);
}

#[test]
fn a_window_ends_to_the_instant() {
    let at = |ago| history(&[(ago, mail(&["bob@b.example"])), (ago, mail(&["bob@b.example"]))]);
    let call = mail(&["bob@b.example"]);
    not_now(&at(DAY_S - 1), &call, 1, Window::Day, "per_recipient");
    let mut edge = at(DAY_S);
    edge.effects.iter_mut().for_each(|effect| effect.at += TimeDelta::microseconds(1));
    assert!(matches!(govern(&limits(), &edge, &call, start()), Ruling::NotNow { .. }));
    allowed(&at(DAY_S), &call);
}

#[test]
fn a_clock_that_is_set_back_gives_nothing_anew() {
    // What left at noon is in the future once the clock shows the morning, or two days before.
    for back in [6 * HOUR_S, 26 * HOUR_S, 48 * HOUR_S] {
        let past = history(&[(-back, mail(&["bob@b.example"])), (-back, mail(&["bob@b.example"]))]);
        not_now(&past, &mail(&["bob@b.example"]), back + DAY_S, Window::Day, "per_recipient");
        let paid = history(&[(-back, pay("100", "EUR", BOB))]);
        not_now(&paid, &pay("60", "EUR", EVE), back + DAY_S, Window::Day, "EUR.per_day");
    }
    // A clock that jumps ahead by 26 hours lets everything go by, as 26 hours do.
    allowed(&history(&[(26 * HOUR_S, pay("100", "EUR", BOB))]), &pay("100", "EUR", BOB));
}

#[test]
fn payments_have_ceilings_each_and_together() {
    let none = history(&[]);
    allowed(&none, &pay("100", "EUR", BOB));
    allowed(&none, &pay("100.0000", "EUR", BOB));
    refused(&none, &pay("100.0001", "EUR", BOB), "limits.payments.EUR.single allows 100");
    refused(&none, &pay("1", "USD", BOB), "limits.payments has no ceilings for USD");
    let paid =
        history(&[(100, pay("30", "EUR", BOB)), (50, pay("70", "EUR", BOB)), (10, pay("5", "EUR", EVE))]);
    allowed(&paid, &pay("20.50", "EUR", BOB));
    not_now(
        &paid,
        &pay("20.5001", "EUR", BOB),
        DAY_S - 100,
        Window::Day,
        "EUR.per_payee_per_day allows 120.50",
    );
    // The first that falls out of the window is not enough.
    not_now(&paid, &pay("60", "EUR", BOB), DAY_S - 50, Window::Day, "per_payee");
    allowed(&paid, &pay("45", "EUR", EVE));
    not_now(&paid, &pay("45.01", "EUR", EVE), DAY_S - 100, Window::Day, "EUR.per_day allows 150");
    // Without ceilings nothing is paid at all.
    let mut limits = limits();
    limits.payments.clear();
    assert!(matches!(govern(&limits, &none, &pay("1", "EUR", BOB), start()), Ruling::Refused { .. }));
}

#[test]
fn sums_beyond_reckoning_are_refused() {
    let most = "999999999999999.9999";
    let mut limits = limits();
    for ceiling in limits.payments.values_mut() {
        *ceiling = Ceiling { single: amount(most), per_day: amount(most), per_payee_per_day: amount(most) };
    }
    let paid = history(&[(1, pay(most, "EUR", BOB)), (2, pay(most, "EUR", EVE))]);
    assert!(matches!(govern(&limits, &paid, &pay("0.0001", "EUR", BOB), start()), Ruling::NotNow { .. }));
}

#[test]
fn what_does_not_act_is_not_counted_and_not_held_up() {
    let draft = Call::decode("draft_email", json!({"to": ["bob@b.example"], "subject": "s", "body": "b"}))
        .expect("call");
    let past = history(&[(1, draft.clone()), (2, draft.clone()), (3, draft.clone())]);
    allowed(&past, &mail(&["bob@b.example"]));
    let zero = Limits { tool_per_day: 0, tool_per_hour: 0, per_recipient_per_day: 0, ..limits() };
    assert_eq!(govern(&zero, &past, &draft, start()), Ruling::Allowed);
    for call in [mail(&["a@x.example"]), Call::decode("post_twitter", json!({"text": "x"})).expect("call")] {
        assert!(matches!(govern(&zero, &history(&[]), &call, start()), Ruling::Refused { .. }));
    }
}

proptest! {
    /// Whatever is asked for, whenever: no window ever holds more than its limit.
    #[test]
    fn invariant_no_window_holds_more_than_its_limit(
        asked in proptest::collection::vec((0_i64..4_000, 0_usize..5, 0_usize..3, 1_u32..110), 1..120)
    ) {
        let limits = limits();
        let mut past = History::default();
        let mut now = start();
        for (pause, to, kind, euros) in asked {
            now += TimeDelta::seconds(pause);
            let address = format!("{to}@x.example");
            let call = match kind {
                0 => mail(&[&address]),
                1 => pay(&euros.to_string(), "EUR", if to % 2 == 0 { BOB } else { EVE }),
                _ => Call::decode("post_twitter", json!({"text": "hi"})).expect("call"),
            };
            if govern(&limits, &past, &call, now) == Ruling::Allowed {
                past.effects.push(Effect { call, at: now });
            }
        }
        for last in &past.effects {
            let within = |length: TimeDelta| past.effects.iter().filter(move |e| e.at <= last.at && e.at + length > last.at);
            let same = |e: &&Effect| e.call.tool() == last.call.tool();
            prop_assert!(within(HOUR).filter(same).count() <= 4);
            prop_assert!(within(DAY).filter(same).count() <= 6);
            for to in recipients(&last.call) {
                prop_assert!(within(DAY).filter(|e| recipients(&e.call).contains(&to)).count() <= 2);
            }
            if let Call::InitiatePayment(payment) = &last.call {
                let sum = |iban: Option<&str>| -> Decimal {
                    within(DAY).filter_map(|e| match &e.call {
                        Call::InitiatePayment(p) if iban.is_none_or(|iban| p.iban == iban) => Some(p.amount.decimal()),
                        _ => None,
                    }).sum()
                };
                prop_assert!(sum(None) <= Decimal::from(150));
                prop_assert!(sum(Some(&payment.iban)) <= "120.50".parse::<Decimal>().expect("number"));
                prop_assert!(payment.amount.decimal() <= Decimal::from(100));
            }
        }
    }
}
