//! CQRS: read models that follow a stream, and the pages read from them.
