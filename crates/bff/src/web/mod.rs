//! The HTTP side of a backend, for axum: extractors that read strictly, and the layers around every route.
//!
//! A backend describes its routes as a [`Router`](axum::Router) per resource, merges them, and wraps the whole by an
//! [`HttpAdapter`]. Its handlers take what they need as extractors and return `Result<_, Problem>`:
//!
//! | extractor | reads | rejects with |
//! |---|---|---|
//! | [`Principal`] | who calls, as the authorizer says | 401 without one, and from the second its token expires |
//! | [`CorrelationId`] | `X-Correlation-Id`, or a new id | nothing |
//! | [`PathParameter`] | the route's one parameter | 404: a text that is no id is the id of nothing |
//! | [`StrictQuery`] | the query | 400 for unknown, repeated and malformed parameters |
//! | [`IdempotencyKey`](crate::IdempotencyKey) | `Idempotency-Key` | 400 without exactly one |
//! | [`StrictJson`] | a JSON body | 400 for another media type and for what is no `T`, 413 beyond 64 KiB |
//! | [`NoBody`] | that there is none | 400 for any body but an empty object |
//! | [`Accept`] | which media type the client prefers | nothing |

mod accept;
mod adapter;
mod body;
mod conditional;
mod correlation;
mod origins;
mod path;
mod principal;
mod problem;
mod query;

pub use accept::Accept;
pub use adapter::{HttpAdapter, ProblemPage};
pub use body::{NoBody, StrictJson};
pub use conditional::{conditional, unless_known};
pub use correlation::CorrelationId;
pub use origins::Origins;
pub use path::{PathParameter, location, public_url};
pub use principal::Principal;
pub use problem::with_page;
pub use query::{Cursor, Limit, NoParameters, StrictQuery, WholeNumber};
