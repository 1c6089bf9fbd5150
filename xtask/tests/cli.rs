//! The commands as a shell sees them.

use std::process::Command;

#[test]
fn whoever_stops_reading_is_not_complained_to() {
    let (reader, unread) = std::io::pipe().expect("a pipe");
    drop(reader);
    let xtask = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["test", "--list"])
        .stdout(unread)
        .output()
        .expect("it starts");
    assert_eq!(String::from_utf8_lossy(&xtask.stderr), "");
    assert_eq!(xtask.status.code(), Some(128 + 13), "as if by SIGPIPE");
}
