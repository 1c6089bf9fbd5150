//! Zips for AWS: one per function, the same bytes for the same content.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::bootstrap;
use crate::failure::{Context as _, Result};
use crate::files;

/// The best that deflate can: a smaller zip is a faster cold start.
const LEVEL: i64 = 9;

/// Writes `<name>.zip` next to the function's bootstrap.
pub(crate) fn write(folder: &Path, name: &str) -> Result<(PathBuf, usize)> {
    let path = bootstrap(folder, name);
    let content = std::fs::read(&path).context(|| format!("cannot read {}", path.display()))?;
    let zip = pack(&content).context(|| format!("cannot zip {name}"))?;
    let to = folder.join(name).join(format!("{name}.zip"));
    files::replace_if_changed(&to, &zip, files::PUBLIC)?;
    Ok((to, zip.len()))
}

fn pack(content: &[u8]) -> zip::result::ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(LEVEL))
        .last_modified_time(DateTime::default())
        .unix_permissions(files::PROGRAM);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("bootstrap", options)?;
    writer.write_all(content)?;
    Ok(writer.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::pack;

    #[test]
    fn the_same_content_gives_the_same_zip_and_it_is_smaller() {
        let content = [7; 10_000];
        let zip = pack(&content).expect("packed");
        assert_eq!(zip, pack(&content).expect("packed"));
        assert!(zip.len() < 1_000);
    }
}
