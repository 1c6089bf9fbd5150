//! A small issuer, for tests and for a local cloud: makes a key, publishes it, signs with it.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::error::{KeyRejected, Unspecified};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde::Serialize;

/// Bytes of the key's fingerprint that name it: enough to tell keys apart, and all in one line.
const KEY_ID_BYTES: usize = 12;

/// Signs tokens with one ES256 key.
#[derive(Debug)]
pub struct Issuer {
    key: EcdsaKeyPair,
    key_id: String,
    random: SystemRandom,
}

/// A key or a token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The system has no random numbers.
    #[error("no random numbers")]
    Random(#[from] Unspecified),
    /// The key is not an ES256 key in PKCS #8.
    #[error("not an ES256 key in PKCS #8")]
    Key(#[from] KeyRejected),
    /// The claims cannot be written as JSON.
    #[error("claims are not JSON")]
    Claims(#[from] serde_json::Error),
}

impl Issuer {
    /// Makes a new private key, in PKCS #8.
    ///
    /// # Errors
    ///
    /// Fails when the system has no random numbers.
    pub fn generate() -> Result<Vec<u8>, IssuerError> {
        let key =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?;
        Ok(key.as_ref().to_vec())
    }

    /// Takes a private key that [`Issuer::generate`] has made.
    ///
    /// # Errors
    ///
    /// Refuses what is no such key.
    pub fn from_pkcs8(key: &[u8]) -> Result<Self, IssuerError> {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &random)?;
        let fingerprint = digest(&SHA256, key.public_key().as_ref());
        let key_id = BASE64_URL_SAFE_NO_PAD.encode(&fingerprint.as_ref()[..KEY_ID_BYTES]);
        Ok(Self { key, key_id, random })
    }

    /// The same key under another name: what the key set that is published calls it.
    #[must_use]
    pub fn named(self, key_id: &str) -> Self {
        Self { key_id: key_id.to_owned(), ..self }
    }

    /// The public key as a JWKS.
    #[must_use]
    pub fn jwks(&self) -> String {
        // 4, then both coordinates of 32 bytes.
        let point = self.key.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        let jwk = serde_json::json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.key_id,
            "x": BASE64_URL_SAFE_NO_PAD.encode(x), "y": BASE64_URL_SAFE_NO_PAD.encode(y),
        });
        serde_json::json!({ "keys": [jwk] }).to_string()
    }

    /// Signs claims. They are the caller's: nothing is added, so that a test can leave anything out.
    ///
    /// # Errors
    ///
    /// Fails when the claims are not JSON, or the system has no random numbers.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, IssuerError> {
        let header = serde_json::json!({ "typ": "JWT", "alg": "ES256", "kid": self.key_id });
        let header = BASE64_URL_SAFE_NO_PAD.encode(header.to_string());
        let claims = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?);
        let message = format!("{header}.{claims}");
        let signature = self.key.sign(&self.random, message.as_bytes())?;
        Ok(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}
