//! One command at a time changes a cloud's state.

use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};

use crate::failure::{Context as _, Failure, Result};
use crate::files;
use crate::layout::Layout;

/// Held as long as it lives; the system lets go of it however the command ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or says who has it.
    pub(crate) fn take(layout: &Layout) -> Result<Self> {
        files::make_folder(&layout.state)?;
        let path = layout.state.join("lock");
        let what = || format!("cannot lock {}", path.display());
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .context(what)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0).and_then(|()| file.rewind()).context(what)?;
                write!(file, "{}", std::process::id()).context(what)?;
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).context(what)?;
                Err(Failure::new("another `cargo xtask` is at work on the same cloud")
                    .because(format!("process {holder} holds {}", layout.shown(&path)))
                    .advise("wait until it is done"))
            }
            Err(TryLockError::Error(error)) => Err(error).context(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Lock;
    use crate::layout::Layout;

    #[test]
    fn only_one_at_a_time_has_it() {
        let folder = std::env::temp_dir().join(format!("parkade-{}-lock", std::process::id()));
        let layout = Layout::find().with_state(folder.clone());
        let held = Lock::take(&layout).expect("free");
        let refused = Lock::take(&layout).expect_err("held").to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        drop(held);
        drop(Lock::take(&layout).expect("free again"));
        fs::remove_dir_all(folder).expect("removed");
    }
}
