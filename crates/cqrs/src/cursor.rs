//! Signed page cursors, which a client can store but not create.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Half of an HMAC-SHA256: 128 bits, too many to guess.
const TAG_BYTES: usize = 16;

/// Signs cursors with a secret, so that a position that no response contained is rejected.
#[derive(Clone)]
pub struct Cursors {
    key: Vec<u8>,
}

/// The cursor was not created for this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cursor does not belong to this list")]
pub struct InvalidCursor;

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursors").finish_non_exhaustive()
    }
}

impl Cursors {
    /// Uses a secret that all instances of a function share.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self { key: secret.as_bytes().to_vec() }
    }

    /// Turns a position in a list into a cursor. `list` names the list, including its filters.
    #[must_use]
    pub fn seal(&self, list: &str, position: &str) -> String {
        let mut bytes = self.tag(list, position);
        bytes.extend_from_slice(position.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Verifies a cursor of `list`, and returns its position.
    ///
    /// # Errors
    ///
    /// [`InvalidCursor`], for any other text.
    pub fn open(&self, list: &str, cursor: &str) -> Result<String, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().ok_or(InvalidCursor)?;
        let (tag, position) = bytes.split_at_checked(TAG_BYTES).ok_or(InvalidCursor)?;
        let position = std::str::from_utf8(position).ok().ok_or(InvalidCursor)?;
        let valid = self.mac(list, position).verify_truncated_left(tag).is_ok();
        valid.then(|| position.to_owned()).ok_or(InvalidCursor)
    }

    fn tag(&self, list: &str, position: &str) -> Vec<u8> {
        let full = self.mac(list, position).finalize().into_bytes();
        full.get(..TAG_BYTES).expect("SHA-256 has 32 bytes").to_vec()
    }

    fn mac(&self, list: &str, position: &str) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        // The length separates the two texts.
        mac.update(&(list.len() as u64).to_be_bytes());
        mac.update(list.as_bytes());
        mac.update(position.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_leads_back_to_its_position(list in ".{0,20}", position in ".{0,60}") {
            let cursors = Cursors::new("secret");
            let cursor = cursors.seal(&list, &position);
            prop_assert_eq!(cursors.open(&list, &cursor), Ok(position));
        }

        #[test]
        fn a_changed_cursor_is_rejected(position in "[a-z0-9#:-]{1,60}", at in 0_usize..100, letter in "[A-Za-z0-9_-]") {
            let cursors = Cursors::new("secret");
            let cursor = cursors.seal("list", &position);
            let at = at % cursor.len();
            let mut changed = cursor.clone();
            changed.replace_range(at..=at, &letter);
            prop_assume!(changed != cursor);
            prop_assert_eq!(cursors.open("list", &changed), Err(InvalidCursor));
        }
    }

    #[test]
    fn a_cursor_of_another_list_or_another_secret_is_rejected() {
        let cursor = Cursors::new("secret").seal("mine", "7");
        assert_eq!(Cursors::new("secret").open("yours", &cursor), Err(InvalidCursor));
        assert_eq!(Cursors::new("other").open("mine", &cursor), Err(InvalidCursor));
        assert_eq!(Cursors::new("secret").open("mine", ""), Err(InvalidCursor));
    }
}
