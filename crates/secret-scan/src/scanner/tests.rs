//! No text here is a secret: the tokens are drawn by lot or put together from pieces.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::SecretString;

use super::*;

const VALUE: &str = "Test-only+value/7Qx2~Zk";

fn scanner() -> Scanner {
    let known = Known { name: "mail account work".into(), value: SecretString::from(VALUE) };
    Scanner::new([known]).expect("a scanner")
}

fn letters(seed: u64, len: usize, alphabet: &str) -> String {
    let mut lot = fastrand::Rng::with_seed(seed);
    let alphabet: Vec<char> = alphabet.chars().collect();
    (0..len).map(|_| alphabet[lot.usize(..alphabet.len())]).collect()
}

const ALPHANUMERIC: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

fn check(text: impl AsRef<[u8]>, expected: Option<(Kind, Encoding)>) {
    let found = scanner().scan(text.as_ref());
    let got = found.first().map(|finding| (finding.kind.clone(), finding.encoding));
    assert_eq!(got, expected, "{}", String::from_utf8_lossy(text.as_ref()));
}

fn known(encoding: Encoding) -> Option<(Kind, Encoding)> {
    Some((Kind::Known("mail account work".into()), encoding))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn wrapped(text: &str, width: usize, line_end: &str) -> String {
    let lines: Vec<&str> =
        text.as_bytes().chunks(width).map(|part| std::str::from_utf8(part).expect("ASCII")).collect();
    lines.join(line_end)
}

#[test]
fn a_known_value_is_found_in_every_encoding() {
    check(format!("before {VALUE} after"), known(Encoding::Plain));
    check(format!("x{VALUE}y"), known(Encoding::Plain));
    check(VALUE.chars().rev().collect::<String>(), known(Encoding::Reversed));
    check(hex(VALUE.as_bytes()), known(Encoding::Hex));
    check(hex(VALUE.as_bytes()).to_uppercase(), known(Encoding::Hex));
    check(format!("f{}", hex(VALUE.as_bytes())), known(Encoding::Hex));
    let pairs: Vec<String> = VALUE.bytes().map(|byte| format!("{byte:02X}")).collect();
    check(pairs.join(":"), known(Encoding::Hex));
    check(pairs.join(" "), known(Encoding::Hex));
    check(format!("%{}", pairs.join("%")), known(Encoding::Url));
    check(VALUE.replace('+', "%2B").replace('/', "%2f"), known(Encoding::Url));
    check(VALUE.replace('+', "=2B").replace('7', "=\r\n7"), known(Encoding::Escaped));
    check(VALUE.replace('/', "\\/"), known(Encoding::Escaped));
    check(VALUE.replace('+', "\\u002b"), known(Encoding::Escaped));
    check(VALUE.replace('+', "&#43;"), known(Encoding::Escaped));
    check(VALUE.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(), known(Encoding::Utf16));
    check(VALUE.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>(), known(Encoding::Utf16));
    check(wrapped(VALUE, 9, "\n    "), known(Encoding::Wrapped));
}

#[test]
fn base64_is_found_at_any_alignment_in_any_alphabet_and_wrapped() {
    for before in ["", "a", "ab", "abc", "a longer text before it "] {
        for behind in ["", "b", "bc"] {
            let text = format!("{before}{VALUE}{behind}");
            check(STANDARD.encode(&text), known(Encoding::Base64));
            check(URL_SAFE_NO_PAD.encode(&text), known(Encoding::Base64));
            check(format!("key={}&x=1", URL_SAFE_NO_PAD.encode(&text)), known(Encoding::Base64));
            check(format!("https://example.com/{}", STANDARD.encode(&text)), known(Encoding::Base64));
            for end in ["\n", "\r\n", "\n      ", "\n> ", "\\n", "\\r\\n", "=\r\n", " \\\n  ", "\",\n  \""] {
                check(wrapped(&STANDARD.encode(&text), 10, end), known(Encoding::Base64));
                check(wrapped(&hex(text.as_bytes()), 12, end), known(Encoding::Hex));
            }
        }
    }
}

#[test]
fn two_encodings_on_top_of_each_other_are_taken_off() {
    let base64 = STANDARD.encode(VALUE);
    check(STANDARD.encode(&base64), known(Encoding::Base64));
    check(base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"), known(Encoding::Url));
    check(format!("%{}", wrapped(&hex(base64.as_bytes()), 2, "%")), known(Encoding::Url));
    check(hex(base64.as_bytes()), known(Encoding::Hex));
    let wide: Vec<u8> = VALUE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check(STANDARD.encode(wide), known(Encoding::Base64));
}

#[test]
fn well_known_shapes_are_found() {
    let drawn = |seed, len| letters(seed, len, ALPHANUMERIC);
    let upper = |seed, len| letters(seed, len, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    let cases = [
        (format!("{}{}", "AK", "IA") + &upper(1, 16), Shape::Aws),
        (format!("gh{}", "p_") + &drawn(2, 36), Shape::GitHub),
        (format!("github{}", "_pat_") + &drawn(3, 22) + "_" + &drawn(4, 59), Shape::GitHub),
        (format!("gl{}", "pat-") + &drawn(5, 20), Shape::GitLab),
        (format!("xo{}", "xb-123456789012-") + &drawn(6, 24), Shape::Slack),
        (
            format!("https://hooks.sl{}", "ack.com/services/T00000001/B00000002/") + &drawn(7, 24),
            Shape::Slack,
        ),
        (format!("sk_li{}", "ve_") + &drawn(8, 24), Shape::Stripe),
        (format!("wh{}", "sec_") + &drawn(9, 32), Shape::Stripe),
        (format!("sk-pr{}", "oj-") + &drawn(10, 60), Shape::OpenAi),
        (format!("s{}", "k-") + &drawn(11, 20) + "T3Blbk" + "FJ" + &drawn(12, 20), Shape::OpenAi),
        (format!("sk-a{}", "nt-api03-") + &drawn(13, 90), Shape::Anthropic),
        (format!("AI{}", "za") + &drawn(14, 35), Shape::Google),
        (format!("GOC{}", "SPX-") + &drawn(15, 28), Shape::Google),
        (format!("ya{}", "29.") + &drawn(16, 120), Shape::Google),
        (format!("S{}", "G.") + &drawn(17, 22) + "." + &drawn(18, 43), Shape::Service("SendGrid")),
        (format!("eyJ{}.eyJ{}.{}", drawn(19, 30), drawn(20, 60), drawn(21, 43)), Shape::Jwt),
        (format!("postgres://app:{}@db.example.com/x", drawn(22, 16)), Shape::AddressPassword),
        (format!("Authorization: Bearer {}", drawn(23, 40)), Shape::Bearer),
    ];
    for (text, shape) in cases {
        for text in [text.clone(), format!("\"{text}\""), format!("a line\n- {text}\n")] {
            check(&text, Some((Kind::Shape(shape), Encoding::Plain)));
            let got = scanner().scan(STANDARD.encode(&text).as_bytes());
            assert!(got.iter().any(|f| f.kind == Kind::Shape(shape)), "{shape}: {got:?}");
        }
    }
}

#[test]
fn a_number_before_an_encoded_token_does_not_hide_it() {
    let token = format!("gh{}", "p_") + &letters(50, 36, ALPHANUMERIC);
    for before in ["33 ", "133 ", "see: 7 "] {
        check(
            format!("{before}{}.md", hex(token.as_bytes())),
            Some((Kind::Shape(Shape::GitHub), Encoding::Hex)),
        );
    }
}

#[test]
fn a_link_signed_for_whoever_has_it_names_a_key_and_holds_none() {
    let id = format!("{}{}", "AS", "IA") + &letters(51, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    let link = format!(
        "https://b.s3.amazonaws.com/x.pdf?X-Amz-Credential={id}%2F20260223&X-Amz-Date=20260223T031500Z"
    );
    check(format!("{link}&X-Amz-Security-Token={}&X-Amz-Signature=00", letters(52, 200, ALPHANUMERIC)), None);
    check(format!("the key is {id}"), Some((Kind::Shape(Shape::Aws), Encoding::Plain)));
}

#[test]
fn private_keys_are_found_and_texts_about_them_are_not() {
    let body = wrapped(&letters(30, 300, ALPHANUMERIC), 64, "\n");
    for label in ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "] {
        let pem =
            format!("-----BEGIN {label}PRIVATE {}\n{body}\n-----END {label}PRIVATE KEY-----\n", "KEY-----");
        let plain = Some((Kind::Shape(Shape::PrivateKey), Encoding::Plain));
        check(&pem, plain.clone());
        check(pem.replace('\n', "\\n"), plain.clone());
        check(pem.replace('\n', "\n    "), plain.clone());
        check(STANDARD.encode(&pem), Some((Kind::Shape(Shape::PrivateKey), Encoding::Base64)));
    }
    let openssh = STANDARD.encode(b"openssh-key-v1\0\0\0\0\x04none\0\0\0\x04none");
    check(openssh, Some((Kind::Shape(Shape::PrivateKey), Encoding::Base64)));
    check(format!("-----BEGIN PRIVATE {}\n...\n", "KEY-----"), None);
    check("The file begins with BEGIN PRIVATE KEY and five dashes.", None);
    check(format!("-----BEGIN SSH SIGNATURE-----\n{body}\n-----END SSH SIGNATURE-----\n"), None);
    check(format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"), None);
}

#[test]
fn a_value_beside_its_name_is_found_if_it_looks_drawn() {
    let found = |text: &str| check(text, Some((Kind::Shape(Shape::Assignment), Encoding::Plain)));
    for text in [
        "password: kX9!vQ2#mZ7p",
        "Passwort = \"Tr0ub4dor&3x\"",
        "SMTP_PASSWORD=aB3dE5fG7hJ9",
        "{\"client_secret\":\"aB3dE5fG7hJ9kL1m\"}",
        "api_key: 3f9a1c77e0b24d58a6c1f2e39b7d4a60",
        "export AWS_SECRET_ACCESS_KEY=aB3dE5fG7hJ9+kL1mN/pQ3rS5tU7vW9xY1zA3bC",
        "https://example.com/x?client_secret=&api_key=aB3dE5fG7hJ9kL1m",
        "pwd=aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY",
        "password: aB3dE5fG7.hJ9kL1m",
    ] {
        found(text);
    }
    for text in [
        "password: ",
        "password: ${SMTP_PASSWORD}",
        "password: <your password>",
        "password: please-choose-one",
        "Password reset: https://example.com/r?token=aB3dE5fG7hJ9kL1mN3pQ",
        "token: 123e4567-e89b-12d3-a456-426614174000",
        "token: 3f9a1c77e0b24d58a6c1f2e39b7d4a60",
        "password_hash: aB3dE5fG7hJ9kL1mN3pQ5rS7t",
        "secret: sha256:3f9a1c77e0b24d58a6c1f2e39b7d4a603f9a1c77e0b24d58a6c1f2e39b7d4a60",
        "token expires: 2026-02-23T03:15:00Z",
        "your password = your responsibility",
        "https://us02web.zoom.us/j/86412345678?pwd=aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY.1",
        "Meeting password: ZPm3Jd7UhN3",
        "Besprechungs-Passwort: ZPm3Jd7UhN3",
        "client_secret = settings.CLIENT_SECRET_V2",
    ] {
        check(text, None);
    }
}

#[test]
fn placeholders_and_honest_text_are_let_through() {
    for text in [
        format!("gh{}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "p_"),
        "IBAN DE89 3704 0044 0532 0130 00, BIC COBADEFFXXX".to_owned(),
        "Message-ID: <CAFx7Q2+abc=9kLmN3pQ5rS7tU9vW1xY3z@mail.gmail.com>".to_owned(),
        "commit 3f9a1c77e0b24d58a6c1f2e39b7d4a603f9a1c77".to_owned(),
        "https://t.example.com/c/eJxVjkEOgyAQRe_C2hgYRMVl79DuCeKgJBQMg2m8fTFdtLv5P_-9mRsz0dUZW-".to_owned(),
        "https://example.com/u?jwt=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P".to_owned(),
        "mailto://someone@example.com and https://user@example.com:8080/".to_owned(),
    ] {
        check(&text, None);
    }
}

#[test]
fn the_place_is_named_and_never_the_value() {
    let text = format!("one\nzwei für {VALUE}\nthree {}\n", STANDARD.encode(VALUE));
    let found = scanner().scan(text.as_bytes());
    let places: Vec<_> = found.iter().map(|f| (f.line, f.column, f.encoding)).collect();
    assert_eq!(places, [(2, 10, Encoding::Plain), (3, 7, Encoding::Base64)]);
    let shown = format!("{} {found:?} {:?}", found[0], scanner());
    assert!(shown.starts_with("line 2, column 10: the secret of mail account work (plain)"), "{shown}");
    for part in VALUE.as_bytes().windows(5) {
        assert!(!shown.contains(std::str::from_utf8(part).expect("ASCII")), "{shown}");
    }
}

#[test]
fn of_a_document_its_random_parts_are_guarded() {
    let part = letters(40, 40, ALPHANUMERIC) + "1a";
    let document = format!(
        "{{\n  \"type\": \"service_account\",\n  \"key\": \"{part}\",\n  \"uri\": \"https://oauth2.example.com/token\"\n}}\n"
    );
    let scanner =
        Scanner::new([Known { name: "books".into(), value: SecretString::from(document.as_str()) }]);
    let scanner = scanner.expect("a scanner");
    let kinds = |text: &str| scanner.scan(text.as_bytes()).into_iter().map(|f| f.kind).collect::<Vec<_>>();
    assert!(!kinds(&document).is_empty());
    assert_eq!(kinds(&format!("see {part}")), [Kind::Known("books".into())]);
    assert_eq!(kinds("\"type\": \"service_account\", \"https://oauth2.example.com/token\""), []);
}

#[test]
fn what_is_too_short_is_said() {
    let known = |name: &str, value: &str| Known { name: name.into(), value: SecretString::from(value) };
    let scanner =
        Scanner::new([known("a", "hunter2"), known("b", VALUE), known("c", "sunshine")]).expect("a scanner");
    let names: Vec<_> = scanner.unguarded().iter().map(|u| u.name.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
    let found = scanner.scan(format!("hunter2 sunshine {VALUE}").as_bytes());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, Kind::Known("b".into()));
}
