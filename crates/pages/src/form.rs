//! Forms, read strictly: unknown, missing and repeated fields are rejected.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bff::{Problem, ProblemKind};
use serde::de::DeserializeOwned;
use serde::de::value::{Error, MapDeserializer};

/// The fields of a form by their names, the CSRF token among them.
pub(crate) type Fields = BTreeMap<String, String>;

/// The fields of the form of an admitted request, without the CSRF token.
#[derive(Clone, Debug)]
pub(crate) struct SentForm(pub(crate) Arc<Fields>);

/// A form that one of the site's own pages has sent, read into a struct. Fields that `T` does not know are rejected if it
/// denies them: it should. The CSRF token is checked before, and is no field of `T`.
#[derive(Clone, Copy, Debug)]
pub struct PageForm<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for PageForm<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let sent = parts.extensions.get::<SentForm>().cloned();
        let SentForm(fields) = sent.expect("`Pages` adds it to every form that it admits");
        let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let read = T::deserialize(MapDeserializer::new(fields));
        read.map(Self).map_err(|error: Error| {
            // The message repeats what was sent; its length is not ours to choose.
            let message: String = error.to_string().chars().take(200).collect();
            Problem::validation(format!("form: {message}"))
        })
    }
}

/// Reads the body of a request as a form.
///
/// # Errors
///
/// 413 beyond the limit of the adapter. 400 for another media type, for a field that is repeated, and for what is not UTF-8.
pub(crate) async fn fields(request: Request) -> Result<Fields, Problem> {
    let read = Form::<Vec<(String, String)>>::from_request(request, &()).await;
    let Form(pairs) = read.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(ProblemKind::PayloadTooLarge, "a body may have 64 KiB")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::validation("the body must be a form"),
        _ => Problem::validation("the form cannot be read"),
    })?;
    let mut fields = Fields::new();
    for (name, value) in pairs {
        if name.contains(char::REPLACEMENT_CHARACTER) || value.contains(char::REPLACEMENT_CHARACTER)
        {
            return Err(Problem::validation("the form is not written in UTF-8"));
        }
        if fields.insert(name, value).is_some() {
            return Err(Problem::validation("a field of the form is given more than once"));
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        name: String,
    }

    async fn read(media_type: &str, body: &'static str) -> Result<Named, u16> {
        let request = Request::post("/").header("content-type", media_type);
        let request = request.body(Body::from(body)).expect("a request");
        let fields = fields(request).await.map_err(|it| it.kind().status())?;
        let request = Request::post("/").extension(SentForm(Arc::new(fields))).body(()).unwrap();
        let (mut parts, ()) = request.into_parts();
        let form = PageForm::<Named>::from_request_parts(&mut parts, &()).await;
        form.map(|PageForm(it)| it).map_err(|it| it.kind().status())
    }

    #[tokio::test]
    async fn a_form_is_read_as_strictly_as_json() {
        let form = "application/x-www-form-urlencoded";
        assert_eq!(read(form, "name=a+b%2Bc%26").await.unwrap().name, "a b+c&");
        assert_eq!(read(form, "name=").await.unwrap().name, "");
        for body in ["", "name=a&name=b", "name=a&x=1", "x=1", "name=%ff", "=a"] {
            assert_eq!(read(form, body).await.unwrap_err(), 400, "{body}");
        }
        for media_type in ["application/json", "text/plain", ""] {
            assert_eq!(read(media_type, "name=a").await.unwrap_err(), 400, "{media_type}");
        }
        assert!(read(&format!("{form}; charset=UTF-8"), "name=a").await.is_ok());
    }
}
