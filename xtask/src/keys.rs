//! The local cloud's secrets: a key pair that signs tokens, and random keys.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use crate::failure::{Context as _, Failure, Result};
use crate::files;
use crate::layout::Layout;

/// Long enough not to be guessed.
const SECRET_BYTES: usize = 32;
/// The usual length of a line in a PEM file.
const PEM_COLUMNS: usize = 64;
/// A public key of P-256: a mark that it is not compressed, then both coordinates.
const COORDINATE_BYTES: usize = 32;

/// The secrets that the local cloud is deployed with, and that sign tokens.
#[derive(Debug)]
pub(crate) struct Keys {
    signer: EcdsaKeyPair,
    /// Which key of the set signs.
    pub(crate) id: String,
    /// The public half, as a JSON Web Key Set.
    pub(crate) jwks: String,
    /// The private half with its name, for the sign-in of the pages on a local cloud.
    pub(crate) local_signing_key: String,
    /// Authenticates the cursors of pages.
    pub(crate) cursor_key: String,
    /// Billing's key at the payment provider.
    pub(crate) payment_provider_key: String,
}

impl Keys {
    /// Reads the keys, and makes first what is missing.
    pub(crate) fn ensure(layout: &Layout) -> Result<Self> {
        let folder = layout.keys();
        let (signer, pkcs8) = signer(folder.join("signing-key.pem"))?;
        let public = signer.public_key().as_ref();
        let coordinates = public.get(1..).unwrap_or_default();
        let (x, y) = coordinates
            .split_at_checked(COORDINATE_BYTES)
            .ok_or_else(|| Failure::new("the signing key is not on P-256"))?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // RFC 7638: the hash of the key's own members names it, so another key has another name.
        let thumbprint =
            files::hash(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes());
        let id = thumbprint.get(..16).unwrap_or(&thumbprint).to_owned();
        let jwks = json!({"keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": id, "x": x, "y": y,
        }]})
        .to_string();
        files::replace_if_changed(&folder.join("jwks.json"), jwks.as_bytes(), files::PUBLIC)?;
        Ok(Self {
            local_signing_key: format!("{id}:{}", STANDARD.encode(pkcs8)),
            signer,
            id,
            jwks,
            cursor_key: secret(folder.join("cursor-key"))?,
            payment_provider_key: secret(folder.join("payment-provider-key"))?,
        })
    }

    /// Signs as ES256 does.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let signature = self.signer.sign(&SystemRandom::new(), message);
        Ok(signature.context(|| "cannot sign".into())?.as_ref().to_vec())
    }
}

fn signer(path: PathBuf) -> Result<(EcdsaKeyPair, Vec<u8>)> {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pkcs8 = match files::read_optional(&path)? {
        Some(text) => from_pem(&String::from_utf8_lossy(&text)),
        None => {
            let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random)
                .context(|| "cannot make a signing key".into())?;
            files::replace(&path, to_pem(made.as_ref()).as_bytes(), files::SECRET)?;
            Some(made.as_ref().to_vec())
        }
    };
    let advice = || format!("remove {}: the next `cargo xtask up` makes a new one", path.display());
    let pkcs8 =
        pkcs8.ok_or_else(|| Failure::new("the signing key is no PEM file").advise(advice()))?;
    let signer = EcdsaKeyPair::from_pkcs8(algorithm, &pkcs8, &random)
        .context(|| "cannot use the signing key".into())
        .map_err(|failure| failure.advise(advice()))?;
    Ok((signer, pkcs8))
}

fn secret(path: PathBuf) -> Result<String> {
    if let Some(text) = files::read_optional(&path)? {
        return String::from_utf8(text).context(|| format!("{} is no text", path.display()));
    }
    let mut bytes = [0; SECRET_BYTES];
    SystemRandom::new().fill(&mut bytes).context(|| "the system gives no random bytes".into())?;
    let text = URL_SAFE_NO_PAD.encode(bytes);
    files::replace(&path, text.as_bytes(), files::SECRET)?;
    Ok(text)
}

fn to_pem(pkcs8: &[u8]) -> String {
    let text = STANDARD.encode(pkcs8);
    let lines: Vec<_> = text.as_bytes().chunks(PEM_COLUMNS).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

fn from_pem(text: &str) -> Option<Vec<u8>> {
    let body: String = text.lines().filter(|it| !it.starts_with("-----")).collect();
    STANDARD.decode(body).ok().filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ring::signature::{ECDSA_P256_SHA256_FIXED, KeyPair as _, UnparsedPublicKey};

    use super::{Keys, from_pem, to_pem};
    use crate::layout::Layout;

    #[test]
    fn keys_are_made_once_and_sign_what_their_public_half_accepts() {
        let folder = std::env::temp_dir().join(format!("parkade-{}-keys", std::process::id()));
        let layout = Layout::find().with_state(folder.clone());
        let made = Keys::ensure(&layout).expect("made");
        let read = Keys::ensure(&layout).expect("read");
        assert_eq!((&made.jwks, &made.cursor_key), (&read.jwks, &read.cursor_key));
        assert_ne!(made.cursor_key, made.payment_provider_key);
        assert_eq!(made.local_signing_key, read.local_signing_key);
        assert!(made.local_signing_key.starts_with(&format!("{}:", made.id)));
        let signature = made.sign(b"message").expect("signed");
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, read.signer.public_key().as_ref())
            .verify(b"message", &signature)
            .expect("right");
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_key_survives_its_pem_file() {
        let bytes: Vec<_> = (0..=200).collect();
        assert_eq!(from_pem(&to_pem(&bytes)), Some(bytes));
        assert_eq!(from_pem("rubbish!"), None);
    }
}
