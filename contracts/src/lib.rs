//! What the services promise each other: commands, queries, answers and published events.
