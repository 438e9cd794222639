use super::*;
use proptest::prelude::*;

const SHA1_NONCE: &str = "fyko+d2lbbFgONRv9qkxdawL";
const SHA1_FIRST: &str = "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096";
const SHA1_LAST: &str = "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=";

fn user() -> Credentials {
    Credentials { user: "user".into(), password: "pencil".into(), ..Credentials::default() }
}

fn started(mechanism: Mechanism, credentials: Credentials, nonce: &str) -> (Scram, String) {
    let mut scram = Scram::new(mechanism, credentials, nonce);
    let first = scram.start().ok().flatten().expect("SCRAM speaks first");
    assert!(!first.secret, "the first message has no secret");
    (scram, String::from_utf8(first.bytes).expect("made of text"))
}

fn text(response: Result<Response, SaslError>) -> String {
    String::from_utf8(response.expect("an answer").bytes).expect("made of text")
}

#[test]
fn the_example_of_rfc_5802_comes_out() {
    let (mut scram, first) = started(Mechanism::ScramSha1, user(), SHA1_NONCE);
    assert_eq!(first, "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
    let last = scram.respond(SHA1_FIRST.as_bytes());
    assert!(last.as_ref().is_ok_and(|r| r.secret), "the proof is made of the password");
    assert_eq!(text(last), "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
    assert_eq!(text(scram.respond(SHA1_LAST.as_bytes())), "");
    assert_eq!(scram.finish(None), Ok(()));
}

#[test]
fn the_example_of_rfc_7677_comes_out() {
    let (mut scram, first) = started(Mechanism::ScramSha256, user(), "rOprNGfwEbeRWgbNEkqO");
    assert_eq!(first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    assert_eq!(
        text(scram.respond(challenge.as_bytes())),
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    assert_eq!(scram.finish(Some(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")), Ok(()), "beside the 235");
}

#[test]
fn the_flag_says_what_both_sides_can_bind() {
    let bound = |plus_offered| Credentials { channel_binding: Some(b"cb".to_vec()), plus_offered, ..user() };
    let table = [
        (Mechanism::ScramSha1, user(), "n,,", "no TLS"),
        (Mechanism::ScramSha1, bound(false), "y,,", "it could, the server did not offer it"),
        (Mechanism::ScramSha1, bound(true), "n,,", "offered, but not chosen"),
        (Mechanism::ScramSha1Plus, bound(true), "p=tls-server-end-point,,", "bound"),
        (Mechanism::ScramSha256Plus, bound(false), "p=tls-server-end-point,,", "named, offered or not"),
        (Mechanism::ScramSha1, Credentials { authzid: "a,b=c".into(), ..user() }, "n,a=a=2Cb=3Dc,", "an authzid"),
    ];
    for (mechanism, credentials, header, why) in table {
        let (_, first) = started(mechanism, credentials, "x");
        assert_eq!(first, format!("{header}n=user,r=x"), "{why}");
    }
    assert!(matches!(Scram::new(Mechanism::ScramSha1Plus, user(), "x").start(), Err(SaslError::InvalidCredential(_))));
}

#[test]
fn the_binding_is_in_the_last_message() {
    let credentials = Credentials { channel_binding: Some(vec![0, 255]), plus_offered: true, ..user() };
    let (mut scram, _) = started(Mechanism::ScramSha1Plus, credentials, SHA1_NONCE);
    let last = text(scram.respond(SHA1_FIRST.as_bytes()));
    let expected = STANDARD.encode(b"p=tls-server-end-point,,\x00\xff");
    assert!(last.starts_with(&format!("c={expected},r={SHA1_NONCE}3rfcNHYJY1ZVvWVs7j,p=")), "{last}");
}

#[test]
fn nothing_is_proved_to_a_server_that_asks_wrongly() {
    let refused = |e: &SaslError| matches!(e, SaslError::Refused(_));
    let bad = |e: &SaslError| matches!(e, SaslError::BadChallenge(_));
    type Kind<'a> = &'a dyn Fn(&SaslError) -> bool;
    let table: &[(&str, Kind, &str)] = &[
        ("r=other,s=QSXC,i=4096", &refused, "another nonce"),
        ("r=abc,s=QSXC,i=4096", &refused, "the client's nonce alone"),
        ("r=xabc,s=QSXC,i=4096", &refused, "the nonce not in front"),
        ("r=abcd,s=QSXC,i=4095", &refused, "too few iterations"),
        ("r=abcd,s=QSXC,i=1000001", &refused, "too many iterations"),
        ("r=abcd,s=QSXC,i=99999999999999999999", &refused, "far too many iterations"),
        ("m=x,r=abcd,s=QSXC,i=4096", &refused, "an extension that must be understood"),
        ("e=unknown-user", &refused, "an error"),
        ("r=abcd,s=QSXC,i=0x1000", &bad, "no number"),
        ("r=abcd,s=QSXC,i=+4096", &bad, "a sign"),
        ("r=abcd,s=Q,i=4096", &bad, "no base64"),
        ("r=abcd,s=,i=4096", &bad, "no salt"),
        ("r=abcd,i=4096", &bad, "the salt is missing"),
        ("s=QSXC,r=abcd,i=4096", &bad, "another order"),
        ("Username:", &bad, "LOGIN's prompt"),
        ("", &bad, "nothing"),
    ];
    for (challenge, kind, why) in table {
        let (mut scram, _) = started(Mechanism::ScramSha1, user(), "abc");
        let error = scram.respond(challenge.as_bytes()).err().unwrap_or_else(|| panic!("{why}: answered"));
        assert!(kind(&error), "{why}: {error:?}");
        assert!(scram.finish(None).is_err(), "{why}: no success after it");
        assert!(scram.respond(challenge.as_bytes()).is_err(), "{why}: no second try");
    }
}

#[test]
fn only_the_right_signature_is_success() {
    let proved = || {
        let (mut scram, _) = started(Mechanism::ScramSha1, user(), SHA1_NONCE);
        assert!(scram.respond(SHA1_FIRST.as_bytes()).is_ok());
        scram
    };
    let wrong = SHA1_LAST.replace("rmF9", "rmF8");
    assert_eq!(proved().respond(wrong.as_bytes()).err(), Some(SaslError::BadSignature));
    assert_eq!(proved().finish(Some(wrong.as_bytes())), Err(SaslError::BadSignature));
    assert_eq!(proved().finish(None), Err(SaslError::BadSignature), "success without a signature");
    assert_eq!(proved().finish(Some(b"words")), Err(SaslError::BadSignature), "words that looked like base64");
    assert_eq!(proved().finish(Some(SHA1_LAST.as_bytes())), Ok(()), "beside the 235");
    assert_eq!(
        proved().respond(b"e=invalid-proof").err(),
        Some(SaslError::Refused("the server says invalid-proof".into()))
    );
    assert!(matches!(proved().respond(b"").err(), Some(SaslError::BadChallenge(_))));
    let mut scram = proved();
    assert!(scram.respond(format!("{SHA1_LAST},x=y").as_bytes()).is_ok(), "extensions may follow");
    assert_eq!(scram.respond(b"").err(), Some(SaslError::UnexpectedChallenge));
}

#[test]
fn success_before_the_proof_is_early() {
    let (mut scram, _) = started(Mechanism::ScramSha1, user(), SHA1_NONCE);
    assert_eq!(scram.finish(None), Err(SaslError::EarlySuccess));
}

#[test]
fn names_and_passwords_are_prepared() {
    let table = [("a=b,c", Some("n,,n=a=3Db=2Cc,r=x")), ("I\u{ad}X", Some("n,,n=IX,r=x")), ("a\u{7}", None)];
    for (name, first) in table {
        let credentials = Credentials { user: name.into(), ..user() };
        let found = Scram::new(Mechanism::ScramSha1, credentials, "x").start().ok().flatten();
        assert_eq!(found.map(|r| r.bytes), first.map(|f| f.as_bytes().to_vec()), "{name:?} (RFC 4013 §3)");
    }
    let credentials = Credentials { password: "a\u{7}".into(), ..user() };
    let (mut scram, _) = started(Mechanism::ScramSha1, credentials, SHA1_NONCE);
    assert!(matches!(scram.respond(SHA1_FIRST.as_bytes()), Err(SaslError::InvalidCredential(_))));
}

proptest! {
    #[test]
    fn no_challenge_makes_it_panic(challenges in proptest::collection::vec(
        prop_oneof![any::<Vec<u8>>(), "[rsiemv]=[a-zA-Z0-9+/=,]{0,30}".prop_map(String::into_bytes)], 1..4)) {
        let (mut scram, _) = started(Mechanism::ScramSha256, user(), "n");
        for challenge in challenges {
            let _ = scram.respond(&challenge);
        }
        prop_assert!(scram.finish(None).is_err());
    }
}
