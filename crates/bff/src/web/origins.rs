//! The origins whose pages may read responses: cross-origin resource sharing.

/// The origins whose pages may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All of them: callers prove themselves by a token that no browser sends by itself.
    Any,
    /// These.
    Listed(Vec<String>),
}

impl Origins {
    /// Reads a list with commas, or `*` for any.
    #[must_use]
    pub fn from_list(text: &str) -> Self {
        if text.trim() == "*" {
            return Self::Any;
        }
        let origins = text.split(',').map(str::trim).filter(|it| !it.is_empty());
        Self::Listed(origins.map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_commas_and_an_asterisk_is_any() {
        assert_eq!(Origins::from_list(" * "), Origins::Any);
        let listed = Origins::from_list("https://a.example, https://b.example,");
        let expected = ["https://a.example", "https://b.example"].map(str::to_owned);
        assert_eq!(listed, Origins::Listed(expected.to_vec()));
    }
}
