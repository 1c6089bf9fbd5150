//! The issuer's public keys: a JWKS, of which every key serves one algorithm.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;

/// A key set is a handful of keys; a document much larger than that is not one.
pub const JWKS_BYTES_MAX: usize = 64 * 1024;
/// The smallest modulus that is still safe, in bytes (2048 bits).
const RSA_MODULUS_BYTES_MIN: usize = 256;

/// How a token may be signed. There is no other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with PKCS #1 v1.5 padding and SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Reads the `alg` of a token's header or of a key.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            // RFC 9864 gives the curve its own name.
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// The keys that an issuer signs with.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// A document that is no key set.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeySet {
    /// It is far larger than a key set would be.
    #[error("key set has {bytes} bytes, and {JWKS_BYTES_MAX} are plenty")]
    TooLong {
        /// How large it is.
        bytes: usize,
    },
    /// It is not JSON, or not of a key set's form.
    #[error("key set is not a JWKS")]
    Malformed(#[from] serde_json::Error),
}

/// One public key, and the name it goes by.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    id: Option<String>,
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// As ring takes it: 4, then both coordinates.
    P256([u8; 65]),
    Ed25519([u8; 32]),
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a JWKS.
    ///
    /// Keys of an unsupported kind, use or algorithm are ignored, as RFC 7517 requires: an issuer may publish them for other
    /// clients.
    ///
    /// # Errors
    ///
    /// Refuses what is not a key set as a whole.
    pub fn parse(json: &str) -> Result<Self, InvalidKeySet> {
        if json.len() > JWKS_BYTES_MAX {
            return Err(InvalidKeySet::TooLong { bytes: json.len() });
        }
        let jwks: Jwks = serde_json::from_str(json)?;
        let keys = jwks.keys.into_iter().filter_map(|it| serde_json::from_value(it).ok());
        Ok(Self { keys: keys.filter_map(Key::read).collect() })
    }

    /// Finds the key that must have signed. Without a name it is the only one of its kind, or none.
    pub(crate) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut fitting = self.keys.iter().filter(|key| {
            key.algorithm() == algorithm && (id.is_none() || key.id.as_deref() == id)
        });
        let found = fitting.next()?;
        (id.is_some() || fitting.next().is_none()).then_some(found)
    }
}

impl Key {
    fn read(jwk: Jwk) -> Option<Self> {
        let verifies = jwk.key_ops.is_none_or(|it| it.iter().any(|op| op == "verify"));
        if !verifies || jwk.r#use.is_some_and(|it| it != "sig") {
            return None;
        }
        let bytes = |text: Option<String>| BASE64_URL_SAFE_NO_PAD.decode(text?).ok();
        let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => {
                let modulus = without_leading_zeros(bytes(jwk.n)?);
                let exponent = without_leading_zeros(bytes(jwk.e)?);
                if modulus.len() < RSA_MODULUS_BYTES_MIN {
                    return None;
                }
                Material::Rsa { modulus, exponent }
            }
            ("EC", Some("P-256")) => {
                let point = [vec![4], bytes(jwk.x)?, bytes(jwk.y)?].concat();
                Material::P256(point.try_into().ok()?)
            }
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes(jwk.x)?.try_into().ok()?),
            _ => return None,
        };
        let key = Self { id: jwk.kid, material };
        match jwk.alg {
            Some(name) if Algorithm::named(&name) != Some(key.algorithm()) => None,
            Some(_) | None => Some(key),
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
            Material::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Rsa { modulus, exponent } => {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
            Material::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok(),
            Material::Ed25519(point) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature).is_ok()
            }
        }
    }
}

/// Some issuers write a number with the sign byte of its DER form, which RFC 7518 forbids and ring refuses.
fn without_leading_zeros(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.drain(..zeros);
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the standards: their keys, their messages, their signatures.
    const RFC_7515_A2: [&str; 3] = [
        r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#,
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    ];
    const RFC_7515_A3: [&str; 3] = [
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ];
    const RFC_8037_A4: [&str; 3] = [
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    ];

    fn key_set(keys: &[&str]) -> KeySet {
        KeySet::parse(&format!(r#"{{"keys":[{}]}}"#, keys.join(","))).expect("a key set")
    }

    fn changed(jwk: &str, member: &str) -> String {
        jwk.replacen('{', &format!("{{{member},"), 1)
    }

    #[test]
    fn the_examples_of_the_standards_verify() {
        for [jwk, message, signature] in [RFC_7515_A2, RFC_7515_A3, RFC_8037_A4] {
            let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64");
            let keys = key_set(&[jwk]);
            assert!(keys.keys[0].has_signed(message.as_bytes(), &signature), "{jwk}");

            let other_message = message.replace("eyJhbGci", "eyJhbGcj");
            assert!(!keys.keys[0].has_signed(other_message.as_bytes(), &signature), "{jwk}");
            let mut other_signature = signature.clone();
            other_signature[7] ^= 1;
            assert!(!keys.keys[0].has_signed(message.as_bytes(), &other_signature), "{jwk}");
            assert!(!keys.keys[0].has_signed(message.as_bytes(), &[]), "{jwk}");
            // The form that OpenSSL writes, longer than the two numbers side by side.
            assert!(!keys.keys[0].has_signed(message.as_bytes(), &[0x30; 70]), "{jwk}");
        }
    }

    #[test]
    fn keys_for_other_purposes_are_left_out() {
        let [jwk, ..] = RFC_7515_A3;
        for member in [
            r#""use":"enc""#,
            r#""key_ops":["encrypt"]"#,
            r#""alg":"ES384""#,
            r#""alg":"HS256""#,
            r#""alg":"RS256""#,
            r#""kid":7"#,
        ] {
            assert!(key_set(&[&changed(jwk, member)]).keys.is_empty(), "{member}");
        }
        for member in
            [r#""use":"sig""#, r#""key_ops":["verify"]"#, r#""alg":"ES256""#, r#""x5c":[]"#]
        {
            assert_eq!(key_set(&[&changed(jwk, member)]).keys.len(), 1, "{member}");
        }
        for jwk in [
            r#"{"kty":"oct","k":"c2VjcmV0"}"#,
            r#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#,
            r#"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#,
            r#"{"kty":"RSA"}"#,
            "7",
        ] {
            assert!(key_set(&[jwk]).keys.is_empty(), "{jwk}");
        }
    }

    #[test]
    fn what_is_no_key_set_is_refused() {
        for json in ["", "{", "[]", r#"{"keys":7}"#, "{}"] {
            assert!(KeySet::parse(json).is_err(), "{json}");
        }
        let long = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(JWKS_BYTES_MAX));
        assert!(matches!(KeySet::parse(&long), Err(InvalidKeySet::TooLong { .. })));
        assert!(KeySet::parse(r#"{"keys":[]}"#).is_ok());
    }

    #[test]
    fn a_key_is_found_by_name_and_kind_and_never_by_guess() {
        let one = changed(RFC_7515_A3[0], r#""kid":"one""#);
        let two = changed(RFC_7515_A3[0], r#""kid":"two""#);
        let set = key_set(&[&one, &two, RFC_8037_A4[0]]);
        let found = |id, algorithm| set.find(id, algorithm).map(|key| key.id.as_deref());
        assert_eq!(found(Some("two"), Algorithm::Es256), Some(Some("two")));
        assert_eq!(found(Some("two"), Algorithm::EdDsa), None);
        assert_eq!(found(Some("three"), Algorithm::Es256), None);
        assert_eq!(found(None, Algorithm::Es256), None);
        assert_eq!(found(None, Algorithm::EdDsa), Some(None));
    }
}
