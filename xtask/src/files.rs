//! Files that are either whole or absent: written aside, then renamed.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ring::digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::{Context as _, Result};

/// Anyone may read it.
pub(crate) const PUBLIC: u32 = 0o644;
/// For its owner's eyes alone.
pub(crate) const SECRET: u32 = 0o600;
/// A program.
pub(crate) const PROGRAM: u32 = 0o755;

/// Replaces `path` at once: a reader sees the old content or the new, never a part.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> Result {
    let folder = path.parent().expect("a file lies in a folder");
    make_folder(folder)?;
    let name = path.file_name().and_then(|it| it.to_str()).expect("file names here are UTF-8");
    let aside = folder.join(format!(".{name}.{}", std::process::id()));
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&aside)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        // The failure to report is the first one.
        drop(fs::remove_file(&aside));
    }
    written.context(|| format!("cannot write {}", path.display()))
}

/// Replaces `path` unless it already holds `content`; says whether it did.
pub(crate) fn replace_if_changed(path: &Path, content: &[u8], mode: u32) -> Result<bool> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(false);
    }
    replace(path, content, mode)?;
    Ok(true)
}

/// Writes `value` as JSON that people can read.
pub(crate) fn write_json(path: &Path, value: &impl Serialize, mode: u32) -> Result {
    let mut text = serde_json::to_string_pretty(value)
        .context(|| format!("cannot write {} as JSON", path.display()))?;
    text.push('\n');
    replace(path, text.as_bytes(), mode)
}

/// Reads JSON; `None` if there is no such file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Some(text) = read_optional(path)? else { return Ok(None) };
    serde_json::from_slice(&text)
        .map(Some)
        .context(|| format!("cannot understand {}", path.display()))
}

/// Reads a file; `None` if there is no such file.
pub(crate) fn read_optional(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context(|| format!("cannot read {}", path.display())),
    }
}

/// Reads text that has to be there.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).context(|| format!("cannot read {}", path.display()))
}

/// Makes a folder and those it lies in.
pub(crate) fn make_folder(path: &Path) -> Result {
    fs::create_dir_all(path).context(|| format!("cannot make the folder {}", path.display()))
}

/// Removes a file or a folder with all that is in it; what is not there is removed already.
pub(crate) fn remove(path: &Path) -> Result {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result.context(|| format!("cannot remove {}", path.display())),
    }
}

/// The SHA-256 of some bytes, in hexadecimal.
pub(crate) fn hash(content: &[u8]) -> String {
    hexadecimal(digest::digest(&digest::SHA256, content).as_ref())
}

/// Bytes, two digits each.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::path::PathBuf;

    use super::{SECRET, hash, replace, replace_if_changed};

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("parkade-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("made");
        folder
    }

    #[test]
    fn an_unchanged_file_keeps_its_inode() {
        let folder = scratch("inode");
        let path = folder.join("file");
        assert!(replace_if_changed(&path, b"one", SECRET).expect("written"));
        let before = fs::metadata(&path).expect("there").ino();
        assert!(!replace_if_changed(&path, b"one", SECRET).expect("looked at"));
        assert_eq!(fs::metadata(&path).expect("there").ino(), before);
        assert!(replace_if_changed(&path, b"two", SECRET).expect("written"));
        assert_eq!(fs::read(&path).expect("there"), b"two");
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_secret_is_readable_by_its_owner_only_and_no_temporary_file_remains() {
        let folder = scratch("secret");
        let path = folder.join("key");
        replace(&path, b"k", SECRET).expect("written");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, SECRET);
        assert_eq!(fs::read_dir(&folder).expect("there").count(), 1);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn the_hash_is_sha_256() {
        assert_eq!(hash(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
