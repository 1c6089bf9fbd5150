//! Texts that clients choose. All are short, and those in a table's key have no character with a meaning there.

use std::fmt;
use std::str::FromStr;

use contracts::billing::{MAX_PAYMENT_TOKEN_LENGTH, is_payment_token};
use serde::{Deserialize, Serialize};

/// The maximum length of a reference or key, which is short enough for a table's key.
const LENGTH_MAX: usize = 128;

/// A text that is empty, too long, or has characters that are not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// It is not a valid reference or key.
    #[error("not 1 to {LENGTH_MAX} letters, digits or any of . _ : -")]
    Name,
    /// It is not a valid token.
    #[error("not 1 to {MAX_PAYMENT_TOKEN_LENGTH} visible characters")]
    Token,
}

/// What is paid for, as the client names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference(String);

/// The idempotency key of a charge: repeated requests with it have the effect of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

/// The token of a card. An unknown token is valid as a text, but a charge with it is declined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(String);

fn name(text: String) -> Result<String, InvalidText> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    let good = (1..=LENGTH_MAX).contains(&text.len()) && text.bytes().all(plain);
    if good { Ok(text) } else { Err(InvalidText::Name) }
}

impl Reference {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Key {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Token {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Reference {
    type Error = InvalidText;

    fn try_from(text: String) -> Result<Self, InvalidText> {
        name(text).map(Self)
    }
}

impl TryFrom<String> for Key {
    type Error = InvalidText;

    fn try_from(text: String) -> Result<Self, InvalidText> {
        name(text).map(Self)
    }
}

impl TryFrom<String> for Token {
    type Error = InvalidText;

    fn try_from(text: String) -> Result<Self, InvalidText> {
        if is_payment_token(&text) { Ok(Self(text)) } else { Err(InvalidText::Token) }
    }
}

impl FromStr for Reference {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        text.to_owned().try_into()
    }
}

impl FromStr for Key {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        text.to_owned().try_into()
    }
}

impl FromStr for Token {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        text.to_owned().try_into()
    }
}

impl From<Reference> for String {
    fn from(it: Reference) -> Self {
        it.0
    }
}

impl From<Key> for String {
    fn from(it: Key) -> Self {
        it.0
    }
}

impl From<Token> for String {
    fn from(it: Token) -> Self {
        it.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for text in ["a", "tok_visa", "0191f7a4-0000-7000-8000-000000000001:x", &"a".repeat(128)] {
            assert!(text.parse::<Key>().is_ok(), "{text}");
        }
        for text in ["", " ", "a b", "charge#a", "a/b", "ä", "a\n", "a\0", &"a".repeat(129)] {
            assert!(text.parse::<Key>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_token_has_visible_characters_only() {
        for text in ["t", "tok_visa", "<script>#{}", &"a".repeat(200)] {
            assert!(text.parse::<Token>().is_ok(), "{text}");
        }
        for text in ["", " ", "a b", "ä", "a\n", "a\0", &"a".repeat(201)] {
            assert!(text.parse::<Token>().is_err(), "{text:?}");
        }
    }
}
