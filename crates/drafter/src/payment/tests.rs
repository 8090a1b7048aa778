use proptest::prelude::*;
use task::{Body, FrontMatter};

use super::*;

const GERMAN: &str = "DE89 3704 0044 0532 0130 00";
const BRITISH: &str = "GB82 WEST 1234 5698 7654 32";

fn task(yaml: &str, text: &str) -> Task {
    let now = "2026-02-23T03:15:00Z".parse().expect("time");
    let mut front = FrontMatter::new("PAYMENT_1".parse().expect("id"), now);
    front.extra = serde_yaml::from_str(yaml).expect("yaml");
    Task::new(front, Body::of_original(text).to_markdown())
}

/// Amount and currency that are read, or the questions.
fn read_money(yaml: &str, text: &str) -> Result<String, String> {
    let text = format!("Payee: Muster GmbH\nIBAN: {GERMAN}\nReference: RE-2026/17\n{text}\n");
    match read(&task(yaml, &text)) {
        Ok(Payable { call: Call::InitiatePayment(payment), .. }) => {
            Ok(format!("{} {}", payment.amount, payment.currency))
        }
        Ok(other) => panic!("{other:?}"),
        Err(asks) => Err(asks.join("; ")),
    }
}

#[test]
fn amounts_are_read_exactly_as_people_write_them() {
    let check =
        |text: &str, expected: &str| assert_eq!(read_money("{}", text).as_deref(), Ok(expected), "{text:?}");
    check("Amount: 1.250,00 €", "1250.00 EUR");
    check("Amount: 1 250,00 EUR", "1250.00 EUR");
    check("Amount: 1\u{a0}250,00 EUR", "1250.00 EUR");
    check("Bitte überweisen Sie 1\u{202f}250,00 EUR.", "1250.00 EUR");
    check("Amount: 1,250.00\nCurrency: USD", "1250.00 USD");
    check("Betrag: 1'250.00 CHF", "1250.00 CHF");
    check("Betrag: 1’250.00 Fr.", "1250.00 CHF");
    check("Amount: 99,-- EUR", "99.00 EUR");
    check("Amount: 1.250,-- €", "1250.00 EUR");
    check("Amount: 99,- €", "99.00 EUR");
    check("Amount: 118.41EUR", "118.41 EUR");
    check("Amount: €118.41", "118.41 EUR");
    check("Amount: EUR118.41", "118.41 EUR");
    check("Amount: US$118.41", "118.41 USD");
    check("Amount: 1.250,00 € 14 Tage", "1250.00 EUR");
    check("Bitte zahlen Sie 1.250,00 € 14 Tage netto.", "1250.00 EUR");
    check("Amount: 1.234.567,89 EUR", "1234567.89 EUR");
    check("Amount: 1250\nCurrency: EUR", "1250 EUR");
    check("Total due: **EUR 1,250.00**", "1250.00 EUR");
    check("| Betrag | 1.250,00 EUR |", "1250.00 EUR");
    check(
        "The invoice of 24.02.2026 over 1.250,00 EUR is due on 15.03.2026 at 10:30 (19 % VAT included).",
        "1250.00 EUR",
    );
    check("Bitte bis 15.12. zahlen: 1.250,00 EUR", "1250.00 EUR");
    check("Amount: 1.250,00 EUR\nIn words: 1.250,00 EUR", "1250.00 EUR");
}

#[test]
fn what_can_be_read_in_two_ways_or_is_several_is_asked() {
    let check = |text: &str, part: &str| match read_money("{}", text) {
        Err(asks) => assert!(asks.contains(part), "{text:?}: {asks}"),
        Ok(read) => panic!("{text:?} was read as {read}"),
    };
    check("Amount: 1.250 EUR", "two ways");
    check("Amount: 1,250 EUR", "two ways");
    check("Amount: 1,250.00", "currency is missing");
    check("Amount: $118.41", "several currencies share");
    check("Amount: A$118.41\nCurrency: EUR", "several currencies share");
    check("Bitte zahlen Sie 1 250,00 EUR.", "one number or two");
    check("Pos. 1  250,00 EUR", "follows another number");
    check("Amount: 1\n250,00 EUR", "another number");
    check("Bitte zahlen Sie 1\n250,00 EUR", "follows another number");
    check("Amount: 1.\n250,00 EUR", "another number");
    check("1.250,00 EUR + 238,00 EUR", "sum");
    check("Net 1.000,00 EUR, VAT 190,00 EUR, total 1.190,00 EUR", "several are named");
    check("Amount: 1.250,00 EUR\nHandling 12,50", "several are named");
    check("1.250,00 EUR abzüglich 2 % Skonto", "skonto");
    check("Total 1.250,00 EUR; the deposit was paid already", "deposit");
    check("Amount: -50,00 EUR", "sign before");
    check("Amount: 50,00- EUR", "sign after");
    check("100-200 EUR", "another number");
    check("je 100,00 EUR", "one of several");
    check("2 x 100,00 EUR", "one of several");
    check("Amount: 100,00 EUR/Stück", "one of several");
    check("1,2 Mio. EUR", "another one");
    check("Amount: 5k EUR", "another one");
    check("3 EUR 250,00", "stands beside a currency");
    check("Amount: 100,00 EUR USD 5,00", "currency is said twice");
    check("1.250,00 EUR or USD 1,400.00", "several are named");
    check("Amount: 1O0,00 EUR", "part of a longer word");
    check("Amount: ١٢٥,٠٠ EUR", "another script");
    check("Amount: \u{202e}00,052.1 EUR", "direction");
    check("Amount: five EUR", "amount is missing");
    check("", "amount is missing");
    check("Amount: 1.250,00 EUR\nCurrency: USD", "currency is said twice");
    check("Amount: 1.250,0 EUR", "two ways");
    check("Amount: 1.25.00 EUR", "two ways");
    check("Amount: 12.50,00 EUR", "two ways");
    check("Amount: 1.250,00…", "cut off");
    check("Amount: 1.250,00 EUR\n[the rest was cut]", "cut off");
    check("Amount: 1.250,00 EUR and…", "cut off");
}

#[test]
fn the_owners_word_in_front_matter_settles_which_amount_and_a_contradiction_is_asked() {
    let invoice = "Net 1.000,00 EUR, VAT 190,00 EUR, total 1.190,00 EUR, 2 % Skonto possible";
    assert_eq!(read_money("amount: '1190.00'", invoice).as_deref(), Ok("1190.00 EUR"));
    assert_eq!(read_money("amount: 1.190,00 EUR", "").as_deref(), Ok("1190.00 EUR"));
    let check = |yaml: &str, text: &str, part: &str| {
        let asks = read_money(yaml, text).expect_err(part);
        assert!(asks.contains(part), "{asks}");
    };
    check("amount: '1200.00'", invoice, "said twice, as 1200.00 in the front matter");
    check("amount: 1190.00", invoice, "without quotes");
    check("amount: '1190.00'", "1190,00 USD or 1190,00 EUR", "currency is said twice");
    check("amount: [1]", "", "is no text");
    check("amount: '1.190'", "Amount: 1.190,00 EUR", "two ways");
    check("currency: euros\namount: '5.00'", "", "no currency code");
}

fn read_iban(yaml: &str, text: &str) -> Result<String, String> {
    let text = format!("Payee: Muster GmbH\nAmount: 5,00 EUR\nReference: RE-2026/17\n{text}\n");
    match read(&task(yaml, &text)) {
        Ok(Payable { call: Call::InitiatePayment(payment), .. }) => Ok(payment.iban),
        Ok(other) => panic!("{other:?}"),
        Err(asks) => Err(asks.join("; ")),
    }
}

#[test]
fn an_account_is_taken_only_where_there_is_one_and_it_is_valid() {
    let good = "DE89370400440532013000";
    let check =
        |yaml: &str, text: &str| assert_eq!(read_iban(yaml, text).as_deref(), Ok(good), "{yaml} {text}");
    check("{}", &format!("IBAN: {GERMAN}"));
    check("{}", "Please pay to DE89370400440532013000, thanks. VAT DE123456789.");
    check("{}", "iban de89 3704 0044 0532 0130 00 BIC COBADEFFXXX");
    check("{}", "Konto DE89-3704-0044-0532-0130-00");
    check("{}", "IBAN DE89 3704 0044\n0532 0130 00\n");
    check("{}", "IBAN: DE89\u{200b}370400440532013000");
    check(&format!("iban: {GERMAN}"), "");
    check("iban: de89370400440532013000", &format!("IBAN: {GERMAN}"));
    let ask = |yaml: &str, text: &str, part: &str| match read_iban(yaml, text) {
        Err(asks) => assert!(asks.contains(part), "{asks}"),
        Ok(read) => panic!("{text:?} was read as {read}"),
    };
    ask(&format!("iban: {GERMAN}"), &format!("our account is {BRITISH}"), "several accounts");
    ask("{}", &format!("{GERMAN} or {BRITISH}"), "several accounts");
    ask("{}", &format!("IBAN: {GERMAN}\nnew: IBANGB82WEST12345698765432"), "several accounts");
    ask("{}", &format!("{GERMAN} (formerly DE89 3704 0044 0532 0130 01)"), "is not valid");
    ask(&format!("iban: {GERMAN}"), "IBAN DE89370400440532013001", "is not valid");
    ask("iban: DE89370400440532013001", "", "is not valid");
    ask("{}", "IBAN: DE8937O400440532013000", "is not valid");
    ask("{}", "IBAN: 4711", "is not valid");
    ask("{}", "pay me", "iban is missing");
}

#[test]
fn one_payee_and_one_purpose_or_a_question() {
    let read_both = |yaml: &str, text: &str| {
        let text = format!("IBAN: {GERMAN}\nAmount: 5,00 EUR\n{text}\n");
        match read(&task(yaml, &text)) {
            Ok(Payable { call: Call::InitiatePayment(payment), .. }) => {
                Ok(format!("{} | {}", payment.payee, payment.reference))
            }
            Ok(other) => panic!("{other:?}"),
            Err(asks) => Err(asks.join("; ")),
        }
    };
    let check = |yaml: &str, text: &str, expected: &str| {
        assert_eq!(read_both(yaml, text).as_deref(), Ok(expected), "{text}");
    };
    check("{}", "Empfänger: Muster GmbH\nVerwendungszweck: RE-2026/17", "Muster GmbH | RE-2026/17");
    check("{}", "Payee: Muster GmbH\nyour invoice RE-2026/17", "Muster GmbH | RE-2026/17");
    check(
        "payee: Muster GmbH",
        "Purpose: invoice RE-2026/17 of March\nRE-2026/17",
        "Muster GmbH | invoice RE-2026/17 of March",
    );
    check("reference: RE-2026/17", "Payee: A\nRE-2026/17, order PO-77", "A | RE-2026/17");
    let ask = |yaml: &str, text: &str, part: &str| {
        let asks = read_both(yaml, text).expect_err(part);
        assert!(asks.contains(part), "{asks}");
    };
    ask("{}", "Payee: A\nPayee: B\nReference: x", "payee is said twice");
    ask("payee: A", "Payee: B\nReference: x", "payee is said twice");
    ask("{}", "Payee: A\nRE-2026/17 and RE-2026/18", "reference is said twice");
    ask("{}", "Payee: A\nReference: RE-2026/17\nInvoice number: INV-99", "reference is said twice");
    ask("{}", "Payee: A\nReference: RE-2026/1…", "cut off");
    ask("{}", &format!("Payee: A\nReference: {}", "x".repeat(141)), "140 characters");
    ask("{}", &format!("Payee: {}\nReference: x", "x".repeat(71)), "70 characters");
    ask("{}", "Payee: A, BIC COBADEFFXXX\nReference: x", "more in its line");
    ask("{}", "Payee: A\nReference: x, Amount: 5,00 EUR", "more in its line");
    ask("{}", "Payee: A", "reference is missing");
    ask("{}", "Reference: x", "payee is missing");
}

#[test]
fn the_plan_says_where_each_value_comes_from() {
    let text = format!("Payee: Muster GmbH\nIBAN: {GERMAN}\nAmount: 5,00 EUR\nReference: x\n");
    let plan = read(&task("reference: x", &text)).expect("a payment").plan;
    assert_eq!(plan.len(), 5, "{plan:?}");
    assert!(plan[0].contains("not to be trusted") && plan[1].contains("DE89 3704"), "{plan:?}");
    assert!(plan[3].contains("front matter"), "{plan:?}");
}

/// The same amount in each of the ways that are written with a decimal sign.
fn ways(whole: u64, cents: u64) -> Vec<String> {
    let digits = whole.to_string();
    let grouped = |mark: &str| {
        let mut out = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                out.push_str(mark);
            }
            out.push(digit);
        }
        out
    };
    let mut all = vec![format!("{digits}.{cents:02}"), format!("{digits},{cents:02}")];
    for (mark, point) in
        [(".", ","), (",", "."), ("'", "."), ("’", "."), ("\u{a0}", ","), ("\u{202f}", ","), (" ", ",")]
    {
        all.push(format!("{}{point}{cents:02}", grouped(mark)));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// However an amount is written, with whatever around it: it is read as what it is, or asked about.
    #[test]
    fn invariant_an_amount_is_read_exactly_or_asked_about(
        whole in 1_u64..20_000_000, cents in 0_u64..100, way in 0_usize..9,
        before in prop::sample::select(vec!["", "Amount: ", "Betrag: ", "Total ", "Pos. 3 ", "3x ", "Rechnung 17\n", "am 24.02. ", "(", "**", "1 ", "1.", "-", "RE-2026/17 ", "EUR ", "12 % ", "2026 "]),
        mark in prop::sample::select(vec![" EUR", "EUR", " €", "€", " CHF", "", "\nEUR", " EUR 14 Tage", " EUR,"]),
        after in prop::sample::select(vec!["", ".", " netto", "\n14 Tage", "/h", " +", " x 3", "\n", " 000", "0", "…", " Mio"]),
    ) {
        let written = &ways(whole, cents)[way];
        let text = format!("{before}{written}{mark}{after}");
        if let Ok(read) = read_money("currency: EUR", &text).or_else(|_| read_money("{}", &text)) {
            let amount = read.split(' ').next().expect("an amount").parse::<rust_decimal::Decimal>().expect("a number");
            prop_assert_eq!(amount, rust_decimal::Decimal::new((whole * 100 + cents) as i64, 2), "{:?}", text);
        }
    }

    /// No text, however odd, makes the reader panic or find a payment without a valid account.
    #[test]
    fn invariant_any_text_is_read_or_asked_about(text in "(?s)([A-Z]{2}[0-9]{2}|IBAN|Amount|:|[0-9]{1,4}|[.,' \\n€$-]|EUR|Payee|x|…|\u{a0}|\u{202e}|١){0,60}") {
        if let Ok(Payable { call: Call::InitiatePayment(payment), .. }) = read(&task("{}", &text)) {
            prop_assert!(account(&payment.iban).is_ok());
        }
    }

    /// Digits before an amount, with anything that may stand between, never fall away.
    #[test]
    fn invariant_no_digit_falls_away(head in 1_u32..999, tail in 0_u32..1000, gap in prop::sample::select(vec![" ", "  ", "\n", "\t", "\u{a0}", "\u{202f}", "'", "’", ".", ",", ". ", " .", "\u{200b}", "\u{200b} ", "-", " - ", "/", "\u{2009}", "\u{ad}", "\u{3000}", "_", "·", ":", "\u{2003}"])) {
        for text in [format!("Amount: {head}{gap}{tail:03},00 EUR"), format!("please pay {head}{gap}{tail:03}.00 EUR")] {
            if let Ok(read) = read_money("{}", &text) {
                prop_assert_eq!(&read, &format!("{}.00 EUR", u64::from(head) * 1000 + u64::from(tail)), "{:?}", text);
            }
        }
    }
}
