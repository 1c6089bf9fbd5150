//! What runs the test programs: nextest, or `cargo test` where nextest is not installed.

use crate::python;

/// What runs the test programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runner {
    /// `cargo nextest run`: each test in a process of its own, with a limit of its time.
    Nextest,
    /// `cargo test`: it succeeds even if its filter selects no test.
    CargoTest,
}

impl Runner {
    /// The one that is on PATH.
    pub(super) fn find() -> Self {
        if python::on_path("cargo-nextest").is_some() { Self::Nextest } else { Self::CargoTest }
    }

    /// The command of cargo, with the profile.
    pub(super) fn command(self) -> &'static [&'static str] {
        match self {
            Self::Nextest => &["nextest", "run", "--cargo-profile", "local"],
            Self::CargoTest => &["test", "--profile", "local"],
        }
    }
}

/// Whether `cargo test … -- --list` has listed a test.
pub(super) fn lists_a_test(listed: &str) -> bool {
    listed.lines().any(|line| line.ends_with(": test"))
}

#[cfg(test)]
mod tests {
    use super::lists_a_test;

    #[test]
    fn a_list_without_a_test_has_none_whatever_else_it_says() {
        assert!(lists_a_test("a::b::slots_are_kept: test\n\n1 test, 0 benchmarks\n"));
        assert!(!lists_a_test("0 tests, 0 benchmarks\n\n0 tests, 0 benchmarks\n"));
        assert!(!lists_a_test(""));
    }
}
