//! The static files of pages. Each has the hash of its content in its name, so that a browser may cache it forever.

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// The styles of all pages; a site adds its own.
pub const STYLE: &str = include_str!("files/style.css");

/// The script that refreshes pages. Pages work without it.
pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let media_type = "text/javascript; charset=utf-8";
    Asset::new("script", "js", media_type, include_str!("files/script.js").to_owned())
});
/// The icon of all pages.
pub static ICON: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("icon", "svg", "image/svg+xml", include_str!("files/icon.svg").to_owned())
});

/// A file that never changes under its name.
#[derive(Debug)]
pub struct Asset {
    path: String,
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
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
