//! placeholder of the suite
