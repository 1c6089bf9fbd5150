//! One token that is good, and every way in which it can be worse.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::rsa;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
};
use serde_json::{Value, json};

use super::{Expectations, IdToken, Principal, Refusal, bearer, verify, verify_id_token};
use crate::keys::KeySet;

const NOW_SECONDS: i64 = 1_767_268_800;

/// Signs the way its algorithm is meant to.
enum Signer {
    Rs256(rsa::KeyPair),
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl Signer {
    /// One of each. RSA keys take seconds to make, so that one was made before.
    fn all() -> [Self; 3] {
        let random = SystemRandom::new();
        let rsa = rsa::KeyPair::from_pkcs8(include_bytes!("rsa-test-key.pk8")).unwrap();
        [Self::Rs256(rsa), Self::es256(), {
            let key = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
            Self::EdDsa(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
        }]
    }

    fn es256() -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::Es256(EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap())
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Rs256(_) => "RS256",
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
        }
    }

    fn jwk(&self, key_id: &str) -> Value {
        match self {
            Self::Rs256(key) => {
                let public = rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({ "kty": "RSA", "kid": key_id, "n": encode(public.n), "e": encode(public.e) })
            }
            Self::Es256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": key_id, "x": encode(x), "y": encode(y) })
            }
            Self::EdDsa(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": key_id, "x": encode(key.public_key()) })
            }
        }
    }

    fn sign(&self, message: &str) -> Vec<u8> {
        let (message, random) = (message.as_bytes(), SystemRandom::new());
        match self {
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Self::Es256(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::EdDsa(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    fn token(&self, key_id: &str, claims: &Value) -> String {
        self.token_with(&json!({ "typ": "JWT", "alg": self.name(), "kid": key_id }), claims)
    }

    fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.sign(&message);
        format!("{message}.{}", encode(signature))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn keys(jwks: &[Value]) -> KeySet {
    KeySet::parse(&json!({ "keys": jwks }).to_string()).unwrap()
}

fn expectations() -> Expectations {
    Expectations {
        issuer: "https://id.example".to_owned(),
        audience: "library".to_owned(),
        roles: vec!["reader".to_owned(), "librarian".to_owned()],
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://id.example", "aud": "library", "sub": "ada", "scope": "openid reader",
        "iat": NOW_SECONDS, "exp": NOW_SECONDS + 60,
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW_SECONDS).unwrap()
}

fn verify_token(token: &str, keys: &KeySet) -> Result<Principal, Refusal> {
    verify(token, keys, &expectations(), now())
}

/// What becomes of these claims when they are signed as they should be.
#[track_caller]
fn check(claims: &Value, expected: Result<(), Refusal>) {
    let signer = Signer::es256();
    let token = signer.token("one", claims);
    assert_eq!(verify_token(&token, &keys(&[signer.jwk("one")])).map(drop), expected, "{claims}");
}

#[test]
fn a_good_token_says_whom_it_speaks_for() {
    for signer in Signer::all() {
        let principal =
            verify_token(&signer.token("one", &claims()), &keys(&[signer.jwk("one")])).unwrap();
        let expires_at = Timestamp::from_second(NOW_SECONDS + 60).unwrap();
        assert_eq!(
            principal,
            Principal { subject: "ada".to_owned(), roles: vec!["reader".to_owned()], expires_at }
        );
        assert!(principal.is("reader") && !principal.is("librarian"));
    }
}

#[test]
fn a_forged_signature_is_refused_whatever_the_algorithm() {
    // There is but one RSA key to test with.
    for (signer, forger) in Signer::all().into_iter().zip(Signer::all()).skip(1) {
        let keys = keys(&[signer.jwk("one")]);
        let forged = forger.token("one", &claims());
        assert_eq!(verify_token(&forged, &keys), Err(Refusal::SignatureWrong), "{}", signer.name());
    }
    for signer in Signer::all() {
        let keys = keys(&[signer.jwk("one")]);
        let good = signer.token("one", &claims());
        let (message, signature) = good.rsplit_once('.').unwrap();
        let (header, _) = message.split_once('.').unwrap();
        let other_claims = encode(with("sub", json!("eve")).to_string());
        for (forged, refusal) in [
            (format!("{header}.{other_claims}.{signature}"), Refusal::SignatureWrong),
            (format!("{message}."), Refusal::SignatureWrong),
            (format!("{message}.{}", encode([0; 64])), Refusal::SignatureWrong),
            (
                format!("{message}.{}", &signature[..signature.len() / 8 * 4]),
                Refusal::SignatureWrong,
            ),
            (format!("{message}.{signature}="), Refusal::Malformed),
            (format!("{message}.{signature}.{signature}"), Refusal::SignatureWrong),
            (message.to_owned(), Refusal::Malformed),
        ] {
            assert_eq!(verify_token(&forged, &keys), Err(refusal), "{} {forged}", signer.name());
        }
    }
}

#[test]
fn only_asymmetric_algorithms_of_the_list_are_accepted() {
    let signer = Signer::es256();
    let keys = keys(&[signer.jwk("one")]);
    for algorithm in [
        "none", "None", "nOnE", "", "HS256", "HS384", "HS512", "RS384", "RS512", "PS256", "ES384",
        "ES512", "es256", "ES256K",
    ] {
        let header = json!({ "alg": algorithm, "kid": "one" });
        let refused = verify_token(&signer.token_with(&header, &claims()), &keys);
        assert_eq!(refused, Err(Refusal::AlgorithmRefused), "{algorithm}");
    }
    let unsigned = format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(claims().to_string()));
    assert_eq!(verify_token(&unsigned, &keys), Err(Refusal::AlgorithmRefused));
}

#[test]
fn a_public_key_is_no_secret_to_sign_with() {
    let signer = Signer::es256();
    let jwk = signer.jwk("one");
    let header = encode(json!({ "alg": "HS256", "kid": "one" }).to_string());
    let message = format!("{header}.{}", encode(claims().to_string()));
    // Whatever form of the public key a careless verifier would take for the secret.
    let Signer::Es256(pair) = &signer else { unreachable!("it is an ES256 key") };
    for secret in [jwk.to_string().into_bytes(), pair.public_key().as_ref().to_vec()] {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let token = format!("{message}.{}", encode(ring::hmac::sign(&key, message.as_bytes())));
        assert_eq!(
            verify_token(&token, &keys(std::slice::from_ref(&jwk))),
            Err(Refusal::AlgorithmRefused)
        );
    }
}

#[test]
fn a_key_serves_the_algorithm_of_its_kind_alone() {
    let [rsa, ec, ed] = Signer::all();
    let set = keys(&[rsa.jwk("rsa"), ec.jwk("ec"), ed.jwk("ed")]);
    for (signer, key_id) in [(&rsa, "rsa"), (&ec, "ec"), (&ed, "ed")] {
        assert!(verify_token(&signer.token(key_id, &claims()), &set).is_ok(), "{key_id}");
        for other in ["rsa", "ec", "ed", "RSA", ""].iter().filter(|it| **it != key_id) {
            let refused = verify_token(&signer.token(other, &claims()), &set);
            assert_eq!(refused, Err(Refusal::KeyUnknown), "{key_id} as {other}");
        }
    }
}

#[test]
fn of_two_keys_the_token_says_which() {
    let (old, new) = (Signer::es256(), Signer::es256());
    let both = keys(&[old.jwk("old"), new.jwk("new")]);
    assert!(verify_token(&old.token("old", &claims()), &both).is_ok());
    assert!(verify_token(&new.token("new", &claims()), &both).is_ok());
    assert_eq!(verify_token(&new.token("old", &claims()), &both), Err(Refusal::SignatureWrong));
    assert_eq!(verify_token(&new.token("newer", &claims()), &both), Err(Refusal::KeyUnknown));

    let nameless = new.token_with(&json!({ "alg": "ES256" }), &claims());
    assert_eq!(verify_token(&nameless, &both), Err(Refusal::KeyUnknown), "there would be a choice");
    assert!(verify_token(&nameless, &keys(&[new.jwk("new")])).is_ok());
    assert_eq!(verify_token(&nameless, &keys(&[])), Err(Refusal::KeyUnknown));
}

#[test]
fn a_token_is_for_one_issuer_and_audience() {
    check(&with("iss", json!("https://id.example/")), Err(Refusal::IssuerWrong));
    check(&with("iss", json!("https://evil.example")), Err(Refusal::IssuerWrong));
    check(&without("iss"), Err(Refusal::IssuerWrong));
    check(&with("iss", json!(["https://id.example"])), Err(Refusal::Malformed));

    check(&with("aud", json!(["other", "library"])), Ok(()));
    check(&with("aud", json!("other")), Err(Refusal::AudienceWrong));
    check(&with("aud", json!(["other"])), Err(Refusal::AudienceWrong));
    check(&with("aud", json!([])), Err(Refusal::AudienceWrong));
    check(&without("aud"), Err(Refusal::AudienceWrong));
    check(&with("aud", json!(7)), Err(Refusal::Malformed));
}

#[test]
fn a_token_has_its_time() {
    check(&with("exp", json!(NOW_SECONDS + 1)), Ok(()));
    check(&with("exp", json!(NOW_SECONDS)), Err(Refusal::Expired));
    check(&with("exp", json!(NOW_SECONDS - 1)), Err(Refusal::Expired));
    check(&with("exp", json!(0)), Err(Refusal::Expired));
    check(&with("exp", json!(-1)), Err(Refusal::Expired));
    check(&without("exp"), Err(Refusal::Expired));
    check(&with("exp", json!(1_767_268_801.5)), Ok(()));
    check(&with("exp", json!(1_767_268_800.5)), Err(Refusal::Expired));
    for nonsense in [json!("9999999999"), json!(1e30), json!(i64::MAX), json!(true), json!([])] {
        check(&with("exp", nonsense), Err(Refusal::Malformed));
    }

    check(&with("nbf", json!(NOW_SECONDS)), Ok(()));
    check(&with("nbf", json!(NOW_SECONDS + 5)), Ok(()));
    check(&with("nbf", json!(NOW_SECONDS + 6)), Err(Refusal::NotYetValid));
    check(&with("nbf", json!("soon")), Err(Refusal::Malformed));
}

#[test]
fn a_token_has_a_subject() {
    check(&without("sub"), Err(Refusal::SubjectMissing));
    for subject in [json!(""), json!("a".repeat(256)), json!("ada\n"), json!("a\u{0}da")] {
        check(&with("sub", subject), Err(Refusal::SubjectMissing));
    }
    check(&with("sub", json!("a".repeat(255))), Ok(()));
    check(&with("sub", json!("auth0|5f7c…")), Ok(()));
    check(&with("sub", json!(7)), Err(Refusal::Malformed));
}

#[test]
fn a_role_is_a_word_of_the_scope() {
    for scope in ["reader", "reader librarian", "openid reader email"] {
        check(&with("scope", json!(scope)), Ok(()));
    }
    for scope in
        ["", "READER", "readers", "xreader", "reader,librarian", "reader\tlibrarian", "openid"]
    {
        check(&with("scope", json!(scope)), Err(Refusal::RoleUnknown));
    }
    check(&without("scope"), Err(Refusal::RoleUnknown));
    check(&with("scope", json!(["reader"])), Err(Refusal::Malformed));
}

#[test]
fn garbage_is_malformed() {
    let signer = Signer::es256();
    let keys = keys(&[signer.jwk("one")]);
    for token in
        ["", ".", "..", "...", "a.b", "a.b.c", "ä.ö.ü", "e30.e30.e30", "bnVsbA.e30.", "\0.\0.\0"]
    {
        assert_eq!(verify_token(token, &keys), Err(Refusal::Malformed), "{token:?}");
    }
    for header in [json!([]), json!({}), json!({ "alg": 7 }), json!({ "alg": "ES256", "kid": 7 })] {
        let refused = verify_token(&signer.token_with(&header, &claims()), &keys);
        assert_eq!(refused, Err(Refusal::Malformed), "{header}");
    }
    for claims in [json!([]), json!("claims"), json!(null)] {
        assert_eq!(
            verify_token(&signer.token("one", &claims), &keys),
            Err(Refusal::Malformed),
            "{claims}"
        );
    }
    // Two readers may each see another one of the two.
    let header = encode(r#"{"alg":"ES256","kid":"one"}"#);
    let twice = claims().to_string().replacen('{', r#"{"sub":"eve","#, 1);
    let message = format!("{header}.{}", encode(twice));
    let token = format!("{message}.{}", encode(signer.sign(&message)));
    assert_eq!(verify_token(&token, &keys), Err(Refusal::Malformed));
}

#[test]
fn an_extension_that_must_be_understood_is_refused() {
    let signer = Signer::es256();
    let header = json!({ "alg": "ES256", "kid": "one", "crit": ["b64"], "b64": false });
    let refused = verify_token(&signer.token_with(&header, &claims()), &keys(&[signer.jwk("one")]));
    assert_eq!(refused, Err(Refusal::AlgorithmRefused));
}

#[test]
fn a_huge_token_is_not_even_read() {
    let signer = Signer::es256();
    let token = signer.token("one", &with("padding", json!("x".repeat(8 * 1024))));
    assert_eq!(verify_token(&token, &keys(&[signer.jwk("one")])), Err(Refusal::TooLong));
}

#[test]
fn a_bearer_token_is_the_second_word_of_its_header() {
    assert_eq!(bearer("Bearer a.b.c"), Some("a.b.c"));
    assert_eq!(bearer("bearer  a.b.c "), Some("a.b.c"));
    for header in ["", "a.b.c", "Basic a.b.c", "Bearer"] {
        assert_eq!(bearer(header), None, "{header}");
    }
}

proptest! {
    #[test]
    fn no_text_is_a_token(text in "\\PC{0,200}") {
        let signer = Signer::es256();
        prop_assert!(verify_token(&text, &keys(&[signer.jwk("one")])).is_err());
    }

    #[test]
    fn no_change_of_a_token_survives(at in 0_usize..300, byte in any::<u8>()) {
        let signer = Signer::es256();
        let keys = keys(&[signer.jwk("one")]);
        let good = signer.token("one", &claims());
        let at = at % good.len();
        let mut changed = good.clone().into_bytes();
        changed[at] = byte;
        let changed = String::from_utf8_lossy(&changed).into_owned();
        prop_assert!(changed == good || verify_token(&changed, &keys).is_err());
    }
}

#[test]
fn an_id_token_is_for_the_client_that_signs_people_in_and_needs_no_role() {
    let signer = Signer::es256();
    let keys = KeySet::parse(&json!({ "keys": [signer.jwk("k1")] }).to_string()).unwrap();
    let now = Timestamp::from_second(NOW_SECONDS).unwrap();
    let claims = json!({
        "iss": "https://id.example", "aud": "web", "sub": "ada", "nonce": "n1",
        "exp": NOW_SECONDS + 60,
    });
    let verified = |claims: &Value, client_id: &str| {
        verify_id_token(&signer.token("k1", claims), &keys, "https://id.example", client_id, now)
    };
    let expected = IdToken { subject: "ada".to_owned(), nonce: Some("n1".to_owned()) };
    assert_eq!(verified(&claims, "web"), Ok(expected));
    assert_eq!(verified(&claims, "another"), Err(Refusal::AudienceWrong));
    for (name, value, refusal) in [
        ("iss", json!("https://other.example"), Refusal::IssuerWrong),
        ("exp", json!(NOW_SECONDS), Refusal::Expired),
        ("sub", json!(""), Refusal::SubjectMissing),
    ] {
        let mut worse = claims.clone();
        worse[name] = value;
        assert_eq!(verified(&worse, "web"), Err(refusal), "{name}");
    }
    let another = Signer::es256().token("k1", &claims);
    let forged = verify_id_token(&another, &keys, "https://id.example", "web", now);
    assert_eq!(forged, Err(Refusal::SignatureWrong));
}
