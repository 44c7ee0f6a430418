//! Keys and client tokens: what they look like, what is kept of them, and what a client token permits.

use meter::{ClientToken, Denied, InvalidLimit, KeyId, Kind, Limits, Secret, SecretHash};

fn names(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

fn token(limits: Limits) -> ClientToken {
    ClientToken { hash: SecretHash::of("ek_"), key: KeyId::new("k"), issued_at: 1000, limits }
}

#[test]
fn a_secret_is_shown_by_nothing_but_expose() {
    let secret = Secret::new(Kind::Key, [255; 32]);
    assert_eq!(secret.expose(), "dsp___________________________________________8");
    assert_eq!(format!("{secret:?}"), "Secret(…)");
    assert_eq!(
        Secret::new(Kind::ClientToken, [0; 32]).expose(),
        "ek_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    );
    assert_eq!(secret.hash(), SecretHash::of(secret.expose()));
    assert_ne!(secret.hash(), Secret::new(Kind::ClientToken, [255; 32]).hash());
    assert_eq!(SecretHash::from_bytes(*secret.hash().as_bytes()), secret.hash());
    // FIPS 180-4, its example of one block.
    assert_eq!(format!("{:?}", SecretHash::of("abc")), "SecretHash(ba78…)");
}

#[test]
fn a_client_token_makes_no_other() {
    assert_eq!(Kind::of_credential("ek_anything"), Kind::ClientToken);
    for key in ["dsp_x", "dct_x", "sk-x", "", "rs_x", "EK_x"] {
        assert_eq!(Kind::of_credential(key), Kind::Key, "{key}");
    }
    assert!(Kind::Key.mints_tokens());
    assert!(!Kind::ClientToken.mints_tokens());
}

#[test]
fn what_is_out_of_range_is_refused_by_its_field() {
    let expires = |seconds| Limits::new(Some(seconds), None, None, None).map(|limits| limits.expires_in());
    assert_eq!([expires(0), expires(3601), expires(u64::MAX)], [const { Err(InvalidLimit::ExpiresIn) }; 3]);
    assert_eq!([expires(1), expires(3600)], [Ok(1), Ok(3600)]);
    let unlimited = Limits::new(None, None, None, None).unwrap();
    assert_eq!(
        (unlimited.expires_in(), unlimited.models(), unlimited.origins(), unlimited.max_duration()),
        (60, None, None, None)
    );
    let duration = |seconds| Limits::new(None, None, None, Some(seconds)).map(|limits| limits.max_duration());
    assert_eq!([duration(9), duration(10)], [Err(InvalidLimit::MaxDuration), Ok(Some(10))]);
    assert_eq!(duration(u64::MAX), Ok(Some(u32::MAX)));
    let many = |count| Some(vec!["https://a.b".to_owned(); count]);
    assert_eq!(Limits::new(None, many(21), None, None), Err(InvalidLimit::Models));
    assert_eq!(Limits::new(None, None, many(21), None), Err(InvalidLimit::Origins));
    assert!(Limits::new(None, many(20), many(20), None).is_ok());
    assert_eq!(InvalidLimit::MaxDuration.field(), ["constraints", "realtime", "maxSessionDuration"]);
    assert_eq!(InvalidLimit::ExpiresIn.to_string(), "expiresIn must be from 1 to 3600 seconds");
}

#[test]
fn an_origin_is_a_scheme_a_host_and_perhaps_a_port() {
    let origin = |origin: &str| Limits::new(None, None, names(&[origin]), None).map(|_| ());
    for right in [
        "https://example.com",
        "http://localhost:3000",
        "http://[::1]",
        "http://[::1]:80",
        "capacitor://localhost",
    ] {
        assert_eq!(origin(right), Ok(()), "{right}");
    }
    for wrong in [
        "",
        "example.com",
        "https://",
        "://a",
        "https://a/",
        "https://a?b",
        "https://a b",
        "https://u@a",
        "*",
        "1s://a",
        "https://a:",
        "https://a:port",
        "https://a:65536",
        "https://:80",
        "null",
    ] {
        assert_eq!(origin(wrong), Err(InvalidLimit::Origins), "{wrong}");
    }
}

#[test]
fn a_token_opens_what_it_names_until_it_expires() {
    let limits = Limits::new(Some(2), names(&["m", "n"]), names(&["https://a.b"]), None).unwrap();
    let token = token(limits);
    assert_eq!(token.expires_at(), 3000);
    assert_eq!(token.admit(2999, "n", Some("https://a.b")), Ok(()));
    assert_eq!(token.admit(3000, "n", Some("https://a.b")), Err(Denied::Expired));
    assert_eq!(token.admit(0, "o", Some("https://a.b")), Err(Denied::Model));
    for origin in [None, Some("https://a.b:443"), Some("https://A.b"), Some("null"), Some("")] {
        assert_eq!(token.admit(0, "m", origin), Err(Denied::Origin), "{origin:?}");
    }
}

#[test]
fn an_absent_list_allows_everything_and_an_empty_one_nothing() {
    let admit =
        |models, origins| token(Limits::new(None, models, origins, None).unwrap()).admit(1000, "m", None);
    assert_eq!(admit(None, None), Ok(()));
    assert_eq!(admit(names(&[]), None), Err(Denied::Model));
    assert_eq!(admit(None, names(&[])), Err(Denied::Origin));
}

#[test]
fn clients_take_a_denial_for_final() {
    let final_texts =
        ["permission denied", "not allowed", "invalid session", "401", "invalid api key", "unauthorized"];
    for denied in [Denied::Expired, Denied::Model, Denied::Origin] {
        let text = denied.to_string().to_lowercase();
        assert!(final_texts.iter().any(|last| text.contains(last)), "{text}");
    }
}
