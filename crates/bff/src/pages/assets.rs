//! The few files that pages need besides themselves. Each has its content in its name, so that it may be kept for ever.

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// How all pages look; a site adds what is its own.
pub const STYLE: &str = include_str!("files/style.css");

/// What makes pages better where there is a script.
pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let media_type = "text/javascript; charset=utf-8";
    Asset::new("script", "js", media_type, include_str!("files/script.js").to_owned())
});
/// What stands beside their title.
pub static ICON: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("icon", "svg", "image/svg+xml", include_str!("files/icon.svg").to_owned())
});

/// A file that never changes under its name.
#[derive(Debug)]
pub struct Asset {
    path: String,
    /// What it is.
    pub media_type: &'static str,
    /// What is in it.
    pub content: String,
}

impl Asset {
    /// How the pages of a site look: as all do, and what is its own.
    #[must_use]
    pub fn style(own: &str) -> Self {
        Self::new("style", "css", "text/css; charset=utf-8", format!("{STYLE}{own}"))
    }

    fn new(name: &str, ending: &str, media_type: &'static str, content: String) -> Self {
        let mut path = format!("assets/{name}.");
        for byte in Sha256::digest(&content).iter().take(6) {
            write!(path, "{byte:02x}").expect("a text grows");
        }
        path.push('.');
        path.push_str(ending);
        Self { path, media_type, content }
    }

    /// Where it is, as seen from the first page.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}
