//! Files as an honest vault has them: what the scan for secrets must let through.
//!
//! Everything that looks drawn by lot in them is drawn by lot here, of the lengths and alphabets
//! that the programs use which write such things.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fastrand::Rng;

const ALPHANUMERIC: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const HEX: &str = "0123456789abcdef";
const DIGITS: &str = "0123456789";

/// Every kind of honest content.
const KINDS: [fn(&mut Rng) -> String; 33] = [
    english,
    german,
    zoom,
    teams,
    webex,
    meet,
    newsletter,
    reset,
    invoice,
    rechnung,
    statement,
    identifiers,
    git_log,
    checksums,
    certificate,
    ssh_public,
    rust,
    python,
    shell,
    settings,
    lock_file,
    picture,
    headers,
    order,
    audit,
    claim,
    calendar,
    parcel,
    one_time_code,
    storage_link,
    signed_mail,
    quoted_printable,
    api_manual,
];

/// A file with one to three of them; the number says which comes first, so that each kind occurs.
pub(super) fn file(number: u64, chance: &mut Rng) -> String {
    let first = usize::try_from(number).unwrap_or_default() % KINDS.len();
    let mut text = KINDS[first](chance);
    for _ in 0..chance.usize(..3) {
        text.push_str("\n\n");
        let more = chance.choice(KINDS).unwrap_or(english);
        text.push_str(&more(chance));
    }
    text
}

fn drawn(chance: &mut Rng, alphabet: &str, len: usize) -> String {
    let alphabet = alphabet.as_bytes();
    (0..len).map(|_| char::from(alphabet[chance.usize(..alphabet.len())])).collect()
}

fn bytes(chance: &mut Rng, len: usize) -> Vec<u8> {
    (0..len).map(|_| chance.u8(..)).collect()
}

fn base64url(chance: &mut Rng, len: usize) -> String {
    URL_SAFE_NO_PAD.encode(bytes(chance, len))
}

fn uuid(chance: &mut Rng) -> String {
    let parts: Vec<String> = [8, 4, 4, 4, 12].iter().map(|len| drawn(chance, HEX, *len)).collect();
    parts.join("-")
}

fn one(chance: &mut Rng, of: &[&str]) -> String {
    of[chance.usize(..of.len())].to_owned()
}

fn iban(chance: &mut Rng) -> String {
    let digits = drawn(chance, DIGITS, 20);
    match chance.u8(..3) {
        0 => format!("DE{digits}"),
        1 => format!(
            "DE{} {} {} {} {} {}",
            &digits[..2],
            &digits[2..6],
            &digits[6..10],
            &digits[10..14],
            &digits[14..18],
            &digits[18..]
        ),
        _ => format!("GB{} NWBK {} {} {}", &digits[..2], &digits[2..6], &digits[6..10], &digits[10..14]),
    }
}

fn wrapped(text: &str, width: usize) -> String {
    let lines = text.as_bytes().chunks(width).map(|part| String::from_utf8_lossy(part).into_owned());
    lines.collect::<Vec<_>>().join("\n")
}

fn english(chance: &mut Rng) -> String {
    let name = one(chance, &["Alice", "Bob", "Carol", "Dan", "Priya", "Tom"]);
    let ask = one(
        chance,
        &[
            "could you please resend the invoice for Q1?",
            "our password policy changes on Monday: at least 12 characters, and never the same token twice.",
            "I forgot my password again. Could you reset it? My user name is alice_1987.",
            "the secret of a good offer is to answer quickly, so here we are.",
            "the access token in your tutorial has expired, could you update the page?",
            "I lost the credentials for the customer portal (customer no. 4711-2026).",
            "Password: the one you gave me on the phone does not work.",
        ],
    );
    let phone = drawn(chance, DIGITS, 7);
    format!(
        "Hi Jane,\n\n{ask}\n\nThanks,\n{name}\n-- \n{name} Smith, Example Ltd, +44 20 {phone}\nhttps://www.example.com/"
    )
}

fn german(chance: &mut Rng) -> String {
    let name = one(chance, &["Müller", "Schäfer", "Weiß", "Yılmaz", "Groß"]);
    let ask = one(
        chance,
        &[
            "könnten Sie mir bitte die Rechnung für März noch einmal schicken?",
            "mein Passwort für das Kundenportal funktioniert nicht mehr, bitte um Rücksetzung.",
            "Passwort: bitte telefonisch erfragen unter 0221 9988776.",
            "das Geheimnis liegt in der Vorbereitung; die Zugangsdaten kommen mit getrennter Post.",
            "der Token am Automaten kostet 2,50 €, die Quittung liegt bei.",
        ],
    );
    format!(
        "Sehr geehrte Frau Doe,\n\n{ask}\n\nMit freundlichen Grüßen\n{name} GmbH & Co. KG\nUSt-IdNr. DE{}, HRB {}",
        drawn(chance, DIGITS, 9),
        drawn(chance, DIGITS, 5)
    )
}

fn zoom(chance: &mut Rng) -> String {
    let (id, pwd) = (drawn(chance, DIGITS, 11), drawn(chance, ALPHANUMERIC, 32));
    let host = one(chance, &["us02web.zoom.us", "example.zoom.us", "zoom.us"]);
    let tail = one(chance, &["", ".1"]);
    format!(
        "Alice is inviting you to a scheduled Zoom meeting.\n\nJoin Zoom Meeting\nhttps://{host}/j/{id}?pwd={pwd}{tail}\n\nMeeting ID: {} {} {}\nPasscode: {}\n",
        &id[..3],
        &id[3..7],
        &id[7..],
        drawn(chance, DIGITS, 6)
    )
}

fn teams(chance: &mut Rng) -> String {
    let thread = base64url(chance, 32);
    let (tenant, user) = (uuid(chance), uuid(chance));
    format!(
        "Microsoft Teams-Besprechung\nhttps://teams.microsoft.com/l/meetup-join/19%3ameeting_{thread}%40thread.v2/0?context=%7b%22Tid%22%3a%22{tenant}%22%2c%22Oid%22%3a%22{user}%22%7d\nBesprechungs-ID: 345 678 901 234\nPasscode: {}\n",
        drawn(chance, ALPHANUMERIC, 8)
    )
}

fn webex(chance: &mut Rng) -> String {
    format!(
        "Join meeting: https://example.webex.com/example/j.php?MTID=m{}\nMeeting number (access code): {}\nMeeting password: {}\n",
        drawn(chance, HEX, 32),
        drawn(chance, DIGITS, 11),
        drawn(chance, ALPHANUMERIC, 11)
    )
}

fn meet(chance: &mut Rng) -> String {
    let letters = "abcdefghijklmnopqrstuvwxyz";
    let (a, b, c) = (drawn(chance, letters, 3), drawn(chance, letters, 4), drawn(chance, letters, 3));
    format!(
        "Video call link: https://meet.google.com/{a}-{b}-{c}?authuser=0\nOr dial: +49 30 {} PIN: {}#",
        drawn(chance, DIGITS, 8),
        drawn(chance, DIGITS, 9)
    )
}

fn newsletter(chance: &mut Rng) -> String {
    let (a, b) = (base64url(chance, 90), base64url(chance, 150));
    let token = format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#),
        URL_SAFE_NO_PAD.encode(format!("{{\"sub\":\"{}\"}}", drawn(chance, DIGITS, 12))),
        base64url(chance, 32)
    );
    format!(
        "Our spring sale is on! [Shop now](https://click.news.example.com/c/eJ{a}?e={})\n[View in browser](https://t.example.com/v/{b}/0)\nUnsubscribe: https://example.com/u?token={token}\n![](https://t.example.com/o/{}.gif)",
        drawn(chance, HEX, 32),
        uuid(chance)
    )
}

fn reset(chance: &mut Rng) -> String {
    format!(
        "Someone asked to reset your password. If it was you:\nhttps://accounts.example.com/password/reset?token={}&user_id={}\nThe link expires at 2026-02-23T03:15:00Z. If not, ignore this mail.",
        drawn(chance, ALPHANUMERIC, 43),
        drawn(chance, DIGITS, 8)
    )
}

fn invoice(chance: &mut Rng) -> String {
    format!(
        "Invoice INV-2026-{}\n\n| item | qty | price |\n|---|---|---|\n| Consulting | 12 | 95.00 |\n| Hosting ({}) | 1 | 49.00 |\n\nTotal: EUR {}.00\nPay to IBAN {} BIC {}XXX\nReference: RF{}\nPO number: {}",
        drawn(chance, DIGITS, 4),
        uuid(chance),
        drawn(chance, DIGITS, 4),
        iban(chance),
        drawn(chance, UPPER, 8),
        drawn(chance, DIGITS, 18),
        drawn(chance, UPPER, 12)
    )
}

fn rechnung(chance: &mut Rng) -> String {
    format!(
        "Rechnung RE-{}/2026\nKundennummer: {}\nVertragskonto: {}\nZählernummer: {}\nBetrag: 1.249,90 €\nMandatsreferenz: {}\nGläubiger-ID: DE{}ZZZ{}\nSEPA-Lastschrift von {}",
        drawn(chance, DIGITS, 6),
        drawn(chance, DIGITS, 10),
        drawn(chance, DIGITS, 12),
        drawn(chance, UPPER, 14),
        drawn(chance, UPPER, 20),
        drawn(chance, DIGITS, 2),
        drawn(chance, DIGITS, 11),
        iban(chance)
    )
}

fn statement(chance: &mut Rng) -> String {
    let mut text = String::from("date;booking;iban;amount;end-to-end-id\n");
    for day in 1..chance.u32(4..20) {
        text.push_str(&format!(
            "2026-02-{day:02};{};{};-{},00;{}\n",
            drawn(chance, UPPER, 16),
            iban(chance),
            drawn(chance, DIGITS, 3),
            drawn(chance, UPPER, 30)
        ));
    }
    text
}

fn identifiers(chance: &mut Rng) -> String {
    let mut text = String::from("| id | session | token_id |\n|---|---|---|\n");
    for _ in 0..chance.usize(3..12) {
        text.push_str(&format!(
            "| {} | {} | {} |\n",
            uuid(chance),
            drawn(chance, HEX, 32),
            drawn(chance, DIGITS, 19)
        ));
    }
    text + &format!(
        "request_id: req_{}\ntrace: 00-{}-{}-01\netag: \"{}\"",
        drawn(chance, ALPHANUMERIC, 24),
        drawn(chance, HEX, 32),
        drawn(chance, HEX, 16),
        drawn(chance, HEX, 32)
    )
}

fn git_log(chance: &mut Rng) -> String {
    let mut text = String::new();
    for _ in 0..chance.usize(2..8) {
        text.push_str(&format!("commit {}\nAuthor: Alice <alice@example.com>\nindex {}..{} 100644\n\n    mend the token parser; see https://git.example.com/x/commit/{}\n\n", drawn(chance, HEX, 40), drawn(chance, HEX, 9), drawn(chance, HEX, 9), drawn(chance, HEX, 40)));
    }
    text
}

fn checksums(chance: &mut Rng) -> String {
    let mut text = String::new();
    for name in ["a.tar.gz", "b.zip", "password-manager.deb", "token.bin"] {
        text.push_str(&format!("{}  {name}\n", drawn(chance, HEX, 64)));
    }
    text + &format!(
        "MD5 (x.iso) = {}\nsha512-{}\nimage: example/app@sha256:{}",
        drawn(chance, HEX, 32),
        STANDARD.encode(bytes(chance, 64)),
        drawn(chance, HEX, 64)
    )
}

fn certificate(chance: &mut Rng) -> String {
    let label = one(
        chance,
        &[
            "CERTIFICATE",
            "PUBLIC KEY",
            "RSA PUBLIC KEY",
            "CERTIFICATE REQUEST",
            "SSH SIGNATURE",
            "PGP SIGNATURE",
            "PGP PUBLIC KEY BLOCK",
            "X509 CRL",
        ],
    );
    let len = chance.usize(120..1200);
    let mut body = vec![0x30, 0x82, 0x03, 0x6d];
    body.extend(bytes(chance, len));
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", wrapped(&STANDARD.encode(body), 64))
}

fn ssh_public(chance: &mut Rng) -> String {
    let mut key = b"\0\0\0\x0bssh-ed25519\0\0\0 ".to_vec();
    key.extend(bytes(chance, 32));
    let key = STANDARD.encode(key);
    format!(
        "ssh-ed25519 {key} alice@laptop\n[127.0.0.1]:22 ssh-ed25519 {key}\nowner@example.com namespaces=\"ai-employee-order\" ssh-ed25519 {key}\nfingerprint SHA256:{}",
        STANDARD.encode(bytes(chance, 32)).trim_end_matches('=')
    )
}

fn rust(chance: &mut Rng) -> String {
    format!(
        "```rust\nlet token = lexer.next_token_or_else(|| Token::Eof2);\nlet password: SecretString = env.secret(&config.password)?;\nconst SECRET_LEN: usize = {};\nlet api_key = std::env::var(\"API_KEY\")?;\nassert_eq!(digest, \"{}\");\n```",
        drawn(chance, DIGITS, 2),
        drawn(chance, HEX, 64)
    )
}

fn python(chance: &mut Rng) -> String {
    format!(
        "```python\npassword = os.environ[\"SMTP_PASSWORD\"]\ntoken = request.headers.get('Authorization', '').removeprefix('Bearer ')\nclient_secret = settings.CLIENT_SECRET_V2\nheaders = {{'Authorization': f'Bearer {{token}}'}}\nrun_id = '{}'\n```",
        uuid(chance)
    )
}

fn shell(chance: &mut Rng) -> String {
    format!(
        "```sh\nexport SMTP_PASSWORD=\"$(pass show mail/smtp2)\"\ncurl -H \"Authorization: Bearer $TOKEN\" https://api.example.com/v1/items/{}\ngit clone ssh://git@example.com:2222/owner/vault.git\npg_dump \"postgres://app:${{PGPASSWORD}}@db.example.com/x\"\nssh -i ~/.ssh/id_ed25519 root@203.0.113.7\n```",
        drawn(chance, DIGITS, 6)
    )
}

fn settings(chance: &mut Rng) -> String {
    format!(
        "mail:\n  - name: work\n    secret: {{ env: WORK_IMAP_PASSWORD_2026 }}\nsecret: {{ file: /home/alice/.secrets/imap1 }}\npassword_file: /run/secrets/db_password_1\ntoken: ${{{{ secrets.DEPLOY_TOKEN_1 }}}}\napi_key: <your API key here, 32 characters>\npassword_hash: $argon2id$v=19$m=65536,t=3,p=4${}${}\nsecret_name: prod/app/{}",
        STANDARD.encode(bytes(chance, 16)).trim_end_matches('='),
        STANDARD.encode(bytes(chance, 32)).trim_end_matches('='),
        drawn(chance, DIGITS, 4)
    )
}

fn lock_file(chance: &mut Rng) -> String {
    format!(
        "[[package]]\nname = \"secrecy\"\nversion = \"0.10.3\"\nchecksum = \"{}\"\n\n\"node_modules/js-tokens\": {{\n  \"version\": \"4.0.0\",\n  \"integrity\": \"sha512-{}\"\n}}\npasslib==1.7.4 --hash=sha256:{}",
        drawn(chance, HEX, 64),
        STANDARD.encode(bytes(chance, 64)),
        drawn(chance, HEX, 64)
    )
}

fn picture(chance: &mut Rng) -> String {
    let len = chance.usize(200..6000);
    let mut data = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    data.extend(bytes(chance, len));
    let data = STANDARD.encode(data);
    match chance.bool() {
        true => format!("<p>Hello</p><img src=\"data:image/png;base64,{data}\" alt=\"logo\">"),
        false => {
            format!("Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n{}", wrapped(&data, 76))
        }
    }
}

fn headers(chance: &mut Rng) -> String {
    format!(
        "Message-ID: <{}@mail.example.com>\nDKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s1; bh={}; b={}\nX-Google-DKIM-Signature: v=1; b={}\nX-MS-Exchange-CrossTenant-Id: {}\nX-Mailer-Token: {}\nAuthentication-Results: mx.example.com; dkim=pass header.b={}\nList-Unsubscribe: <https://u.example.com/{}>, <mailto:u+{}@example.com>",
        base64url(chance, 30),
        STANDARD.encode(bytes(chance, 32)),
        wrapped(&STANDARD.encode(bytes(chance, 256)), 70).replace('\n', "\n\t"),
        STANDARD.encode(bytes(chance, 256)),
        uuid(chance),
        drawn(chance, DIGITS, 18),
        drawn(chance, ALPHANUMERIC, 8),
        base64url(chance, 60),
        drawn(chance, HEX, 32)
    )
}

fn order(chance: &mut Rng) -> String {
    let id = format!("EMAIL_20260223_alice_{}", drawn(chance, HEX, 8));
    format!(
        "---\nid: {id}\ntype: email\nsource_id: <{}@mail.example.com>\nattachments:\n- name: a.pdf\n  sha256: sha256:{}\norder: '{{\"approval\":\"{}\",\"executor\":\"local-001\",\"id\":\"{id}\",\"mode\":\"live\",\"vault\":\"{}\"}}'\nsignature: |\n  -----BEGIN SSH SIGNATURE-----\n  U1NIU0lH{}\n  -----END SSH SIGNATURE-----\n---\n## Draft\n\nDear Alice,\n",
        base64url(chance, 24),
        drawn(chance, HEX, 64),
        uuid(chance),
        uuid(chance),
        wrapped(&STANDARD.encode(bytes(chance, 180)), 70).replace('\n', "\n  ")
    )
}

fn audit(chance: &mut Rng) -> String {
    let mut text = String::new();
    for seq in 1..chance.u32(3..9) {
        text.push_str(&format!("{{\"timestamp\":\"2026-02-23T03:15:00Z\",\"seq\":{seq},\"agent_id\":\"cloud-001\",\"action_type\":\"draft\",\"params\":{{\"body\":\"sha256:{}\",\"tokens\":1250}},\"prev_hash\":\"{}\",\"hash\":\"{}\"}}\n", drawn(chance, HEX, 64), drawn(chance, HEX, 64), drawn(chance, HEX, 64)));
    }
    text
}

fn claim(chance: &mut Rng) -> String {
    format!(
        "{{\"agent\":\"cloud-001\",\"nonce\":\"{}\",\"epoch\":{},\"task\":\"EMAIL_{}\"}}\n",
        drawn(chance, HEX, 32),
        chance.u32(1..9),
        drawn(chance, HEX, 12)
    )
}

fn calendar(chance: &mut Rng) -> String {
    format!(
        "BEGIN:VEVENT\nUID:{}@google.com\nX-GOOGLE-CONFERENCE:https://meet.google.com/abc-defg-hij\nDESCRIPTION:Join: https://zoom.us/j/{}?pwd={}\\nPasscode: {}\\nOne tap: +4930{}#\nEND:VEVENT",
        drawn(chance, "abcdefghijklmnopqrstuv0123456789", 26),
        drawn(chance, DIGITS, 11),
        base64url(chance, 24),
        drawn(chance, DIGITS, 6),
        drawn(chance, DIGITS, 8)
    )
}

fn parcel(chance: &mut Rng) -> String {
    format!(
        "Your parcel 1Z{} is on its way. DHL {} / order 028-{}-{}. Licence key of your purchase is on the invoice. Booking {} seat 14C.",
        drawn(chance, UPPER, 16),
        drawn(chance, DIGITS, 20),
        drawn(chance, DIGITS, 7),
        drawn(chance, DIGITS, 7),
        drawn(chance, UPPER, 6)
    )
}

fn one_time_code(chance: &mut Rng) -> String {
    let code = drawn(chance, DIGITS, 6);
    format!(
        "{code} is your Example code. Never share this one-time password: {code}\nIhr Einmalpasswort: {code}\nToken: {code}\nG-{code} is your verification code."
    )
}

fn storage_link(chance: &mut Rng) -> String {
    format!(
        "Your invoice: https://example-bucket.s3.eu-central-1.amazonaws.com/inv/{}.pdf?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}{}%2F20260223%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Date=20260223T031500Z&X-Amz-Expires=604800&X-Amz-Security-Token={}&X-Amz-Signature={}\nor https://example.blob.core.windows.net/x/y.pdf?sv=2024-11-04&se=2026-03-01&sr=b&sp=r&sig={}%3D",
        uuid(chance),
        concat!("AS", "IA"),
        drawn(chance, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16),
        base64url(chance, 200),
        drawn(chance, HEX, 64),
        base64url(chance, 32)
    )
}

fn signed_mail(chance: &mut Rng) -> String {
    format!(
        "Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\nContent-Transfer-Encoding: base64\n\n{}",
        wrapped(&STANDARD.encode(bytes(chance, 1500)), 72)
    )
}

fn quoted_printable(chance: &mut Rng) -> String {
    format!(
        "Sehr geehrte Frau M=C3=BCller,\n\nanbei der Vertrag =E2=80=93 bitte bis Freitag unter https://sign.example.c=\nom/d/{}?ri=3D{} unterschreiben. Ihr Passwort bleibt unver=C3=A4ndert.\n",
        uuid(chance),
        drawn(chance, DIGITS, 9)
    )
}

fn api_manual(chance: &mut Rng) -> String {
    format!(
        "## Authentication\n\nSend `Authorization: Bearer YOUR_ACCESS_TOKEN` with each call. Keys begin with `sk_{}_` and have 24 characters, as in `sk_{}_xxxxxxxxxxxxxxxxxxxxxxxx`.\nGET /v1/customers/cus_{} → {{ \"object\": \"token\", \"id\": \"tok_{}\" }}\nPublishable key: pk_{}_{}",
        "live",
        "test",
        drawn(chance, ALPHANUMERIC, 14),
        drawn(chance, ALPHANUMERIC, 24),
        "live",
        drawn(chance, ALPHANUMERIC, 24)
    )
}
