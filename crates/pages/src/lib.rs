#![doc = include_str!("../README.md")]

pub mod assets;
pub mod format;
pub mod open_id;

mod access;
mod cookies;
mod csrf;
mod error_page;
mod form;
mod kept_form;
mod layout;
mod routes;
mod settings;
mod sign_in;
mod site;

pub use access::Pages;
pub use csrf::{FIELD as CSRF_FIELD, token as csrf_token};
pub use error_page::problem_page;
pub use form::PageForm;
pub use kept_form::KeptForm;
pub use layout::{
    Confirmation, CurrentUser, Page, PageContext, confirmation, encoded, hidden, notice,
};
pub use settings::{PagesSettings, SignInMethod};
pub use site::{LocalSignIn, Site};
