//! A request, read strictly: what is not understood is refused, not guessed at.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use api_gateway::proxy::{BodyError, ProxyEvent};
use serde::de::DeserializeOwned;
use serde::de::value::{Error as FormError, MapDeserializer};
use uuid::Uuid;

use crate::idempotency::{self, IdempotencyKey};
use crate::problem::{Problem, ProblemKind};
use crate::query::{Query, short};
use crate::web::is_expired;

/// More than any request of ours needs, and little enough to be read on the smallest function.
const BODY_MAX: usize = 64 * 1024;

/// One request of one client.
#[derive(Debug)]
pub struct Request {
    event: ProxyEvent,
    correlation_id: Uuid,
}

/// Who asks, by the word of the authorizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The subject of the caller's token.
    pub subject: String,
    roles: Vec<String>,
}

impl Caller {
    /// Whether the caller has this role.
    #[must_use]
    pub fn is(&self, role: &str) -> bool {
        self.roles.iter().any(|it| it == role)
    }
}

/// A request that belongs to nothing: for a look at it before it is served.
impl From<ProxyEvent> for Request {
    fn from(event: ProxyEvent) -> Self {
        Self::new(event, Uuid::nil())
    }
}

impl Request {
    pub(crate) fn new(event: ProxyEvent, correlation_id: Uuid) -> Self {
        Self { event, correlation_id }
    }

    /// What the request belongs to.
    #[must_use]
    pub fn correlation_id(&self) -> Uuid {
        self.correlation_id
    }

    /// The method and the path of the route, as the API's document spells it: `GET`, `/books/{bookId}`.
    ///
    /// The gateway has routed already; doing it again from the path would have to know about stages and base paths.
    #[must_use]
    pub fn route(&self) -> (&str, &str) {
        (&self.event.http_method, self.event.resource.as_deref().unwrap_or_default())
    }

    /// A header that must not come twice; of two there is none.
    #[must_use]
    pub fn only_header(&self, name: &str) -> Option<&str> {
        self.event.only_header(name)
    }

    /// A header that may come once; names have no case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.event.header(name)
    }

    /// Who asks.
    ///
    /// # Errors
    ///
    /// 401 if no authorizer has said so.
    pub fn caller(&self) -> Result<Caller, Problem> {
        let received = self.event.request_context.as_ref().and_then(|it| it.request_time_epoch);
        let context = self.event.request_context.as_ref().and_then(|it| it.authorizer.as_ref());
        if is_expired(context.and_then(|it| it.get("exp")), received.unwrap_or_default()) {
            return Err(Problem::new(ProblemKind::Unauthenticated, "the token has run out"));
        }
        let text = |name| context.and_then(|it| it.get(name)).and_then(|it| it.as_str());
        match text("sub").filter(|it| !it.is_empty()) {
            Some(subject) => Ok(Caller {
                subject: subject.to_owned(),
                roles: text("role").unwrap_or_default().split(' ').map(str::to_owned).collect(),
            }),
            None => {
                Err(Problem::new(ProblemKind::Unauthenticated, "nobody vouches for the caller"))
            }
        }
    }

    /// A part of the path.
    ///
    /// # Errors
    ///
    /// 404 for what is no name of such a thing: a text that is no id is the id of nothing.
    pub fn path<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        let raw = self.event.path_parameters.as_ref().and_then(|it| it.get(name));
        raw.and_then(|it| decoded(it)?.parse().ok())
            .ok_or_else(|| Problem::not_found(format!("there is no such {name}")))
    }

    /// The query, of which only these parameters are known.
    ///
    /// # Errors
    ///
    /// 400 for an unknown parameter, and for one that comes twice.
    pub fn query(&self, known: &[&str]) -> Result<Query<'_>, Problem> {
        Query::read(self.event.query(), known)
    }

    /// The query, whatever is in it: for callers whose parameters are not ours to choose.
    #[must_use]
    pub fn any_query(&self) -> BTreeMap<&str, &str> {
        self.event.query().collect()
    }

    /// The body, as JSON. Fields that `T` does not know are refused if it denies them: it should.
    ///
    /// # Errors
    ///
    /// 413 beyond 64 KiB; 400 for another media type, for what is no JSON, and for what is no `T`.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let body = self.bytes()?;
        if body.is_empty() {
            return Err(Problem::validation("the request has no body"));
        }
        if let Some(media_type) = self.header("Content-Type") {
            let essence = media_type.split(';').next().unwrap_or_default().trim();
            if !essence.eq_ignore_ascii_case("application/json") {
                return Err(Problem::validation("the body must be application/json"));
            }
        }
        serde_json::from_slice(&body)
            .map_err(|error| Problem::validation(format!("body: {}", short(&error.to_string()))))
    }

    /// The body, as a form that a page has sent. Fields that `T` does not know are refused if it denies them: it should.
    ///
    /// # Errors
    ///
    /// 413 beyond 64 KiB; 400 for another media type, for a field that comes twice, and for what is no `T`.
    pub fn form<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let fields = self.fields()?;
        T::deserialize(MapDeserializer::new(fields.into_iter())).map_err(|error: FormError| {
            Problem::validation(format!("form: {}", short(&error.to_string())))
        })
    }

    /// One field of a form, before the rest is looked at; empty if it is not there.
    ///
    /// # Errors
    ///
    /// As [`Request::form`].
    pub fn form_field(&self, name: &str) -> Result<String, Problem> {
        Ok(self.fields()?.remove(name).unwrap_or_default())
    }

    fn fields(&self) -> Result<BTreeMap<String, String>, Problem> {
        let body = self.bytes()?;
        let media_type = self.header("Content-Type").unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Problem::validation("the body must be a form"));
        }
        let mut fields = BTreeMap::new();
        for pair in body.split(|byte| *byte == b'&').filter(|it| !it.is_empty()) {
            let (name, value) = field(pair)
                .ok_or_else(|| Problem::validation("the form is not written in UTF-8"))?;
            if fields.insert(name, value).is_some() {
                return Err(Problem::validation("a field of the form is given more than once"));
            }
        }
        Ok(fields)
    }

    /// The first cookie of this name.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let all = self.event.headers("Cookie").flat_map(|it| it.split(';'));
        let named = all.filter_map(|it| it.trim().split_once('='));
        named.into_iter().find(|(it, _)| *it == name).map(|(_, value)| value)
    }

    /// Whether the client names this media type among those that it takes, and does not shut it out.
    ///
    /// `*/*` names none: that is what programs send that have not thought about it.
    #[must_use]
    pub fn accepts(&self, media_type: &str) -> bool {
        let all = self.event.headers("Accept").flat_map(|it| it.split(','));
        all.map(|it| it.split(';').map(str::trim)).any(|mut range| {
            let named = range.next().is_some_and(|it| it.eq_ignore_ascii_case(media_type));
            let nothing = |it: &str| {
                it.strip_prefix("q=").is_some_and(|q| q.bytes().all(|it| matches!(it, b'0' | b'.')))
            };
            named && !range.any(nothing)
        })
    }

    /// The path as it was asked for, without what stands before the routes.
    #[must_use]
    pub fn raw_path(&self) -> &str {
        &self.event.path
    }

    /// Where the client has found this route, as an https address; nothing if the gateway does not say.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        let context = self.event.request_context.as_ref()?;
        Some(format!("https://{}{}", context.domain_name.as_ref()?, context.path.as_ref()?))
    }

    /// Makes sure that nothing was sent that would not be looked at.
    ///
    /// # Errors
    ///
    /// 413 beyond 64 KiB; 400 for any body but an empty object.
    pub fn no_body(&self) -> Result<(), Problem> {
        let body = self.bytes()?;
        let nothing = body.trim_ascii().is_empty()
            || serde_json::from_slice::<serde_json::Map<_, _>>(&body).is_ok_and(|it| it.is_empty());
        if nothing { Ok(()) } else { Err(Problem::validation("this request takes no body")) }
    }

    /// The client's name for its wish.
    ///
    /// # Errors
    ///
    /// 400 if there is none, more than one, or one that is not 1 to 255 visible ASCII characters.
    pub fn idempotency_key(&self) -> Result<IdempotencyKey, Problem> {
        let key = self.event.only_header(idempotency::HEADER);
        key.and_then(|it| it.parse().ok()).ok_or_else(|| {
            Problem::validation(
                "the header Idempotency-Key must be 1 to 255 visible ASCII characters",
            )
        })
    }

    fn bytes(&self) -> Result<Cow<'_, [u8]>, Problem> {
        self.event.bytes(BODY_MAX).map_err(|error| match error {
            BodyError::TooLarge => {
                Problem::new(ProblemKind::PayloadTooLarge, "a body may have 64 KiB")
            }
            BodyError::Unreadable => Problem::validation("the body cannot be read"),
        })
    }
}

/// A form writes a blank as a plus.
fn field(pair: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(pair).ok()?.replace('+', " ");
    let (name, value) = text.split_once('=').unwrap_or((&text, ""));
    Some((decoded(name)?.into_owned(), decoded(value)?.into_owned()))
}

/// API Gateway decodes path parameters, other clouds do not. Nothing that is a name here has a percent sign, so decoding
/// twice does no harm.
fn decoded(raw: &str) -> Option<Cow<'_, str>> {
    percent_encoding::percent_decode_str(raw).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        name: String,
    }

    fn request(event: Value) -> Request {
        Request::new(serde_json::from_value(event).unwrap(), Uuid::nil())
    }

    fn status_of(event: Value) -> Option<u16> {
        request(event).body::<Named>().err().map(|it| it.kind().status())
    }

    #[test]
    fn a_body_is_json_of_the_right_shape_and_nothing_more() {
        assert_eq!(status_of(json!({"body": r#"{"name":"a"}"#})), None);
        assert_eq!(status_of(json!({"body": "eyJuYW1lIjoiYSJ9", "isBase64Encoded": true})), None);
        for body in [
            "",
            "{",
            "[]",
            "null",
            r#"{"name":1}"#,
            r#"{"name":"a","x":1}"#,
            r#"{"name":"a"} x"#,
            r#"{"name":"a","name":"b"}"#,
        ] {
            assert_eq!(status_of(json!({"body": body})), Some(400), "{body}");
        }
        let deep = "[".repeat(50_000);
        assert_eq!(status_of(json!({"body": deep})), Some(400));
        assert_eq!(status_of(json!({"body": null})), Some(400));
        assert_eq!(status_of(json!({"body": "%%%", "isBase64Encoded": true})), Some(400));
        assert_eq!(status_of(json!({"body": "/w==", "isBase64Encoded": true})), Some(400));
    }

    #[test]
    fn a_body_of_another_media_type_is_refused() {
        for (media_type, status) in [
            ("application/json", None),
            ("Application/JSON; charset=utf-8", None),
            ("text/plain", Some(400)),
            ("application/x-www-form-urlencoded", Some(400)),
        ] {
            let event = json!({"headers": {"content-type": media_type}, "body": r#"{"name":"a"}"#});
            assert_eq!(status_of(event), status, "{media_type}");
        }
    }

    #[test]
    fn a_body_beyond_64_kib_is_too_large_however_it_is_written() {
        let long = format!("{{\"name\":\"{}\"}}", "x".repeat(BODY_MAX));
        assert_eq!(status_of(json!({"body": long})), Some(413));
        let encoded = STANDARD.encode(&long);
        assert_eq!(status_of(json!({"body": encoded, "isBase64Encoded": true})), Some(413));
        assert!(request(json!({"body": long})).no_body().is_err());
    }

    #[test]
    fn a_request_that_takes_no_body_takes_nothing_in_it() {
        for body in [json!(null), json!(""), json!("{}"), json!(" \n")] {
            assert!(request(json!({"body": body})).no_body().is_ok());
        }
        for body in [r#"{"a":1}"#, "[]", "x"] {
            assert!(request(json!({"body": body})).no_body().is_err(), "{body}");
        }
    }

    #[test]
    fn the_caller_is_whom_the_authorizer_names() {
        let caller = request(json!({
            "requestContext": {"authorizer": {"sub": "alice", "role": "customer operator"}}
        }))
        .caller()
        .unwrap();
        assert_eq!(caller.subject, "alice");
        assert!(caller.is("operator") && !caller.is("oper"));
        for event in [
            json!({}),
            json!({"requestContext": null}),
            json!({"requestContext": {"authorizer": null}}),
            json!({"requestContext": {"authorizer": {"sub": ""}}}),
            json!({"requestContext": {"authorizer": {"sub": 7}}}),
        ] {
            let problem = request(event).caller().unwrap_err();
            assert_eq!(problem.kind(), ProblemKind::Unauthenticated);
        }
    }

    #[test]
    fn a_token_opens_nothing_from_the_second_it_expires() {
        for (expiry, is_good) in [("1001", true), ("1000", false)] {
            let authorizer = json!({"sub": "alice", "exp": expiry});
            let context = json!({"authorizer": authorizer, "requestTimeEpoch": 1_000_500});
            let caller = request(json!({"requestContext": context})).caller();
            assert_eq!(caller.is_ok(), is_good, "{expiry}");
        }
    }

    fn form(body: &str) -> Result<Named, u16> {
        let headers = json!({"content-type": "application/x-www-form-urlencoded"});
        let sent = request(json!({"headers": headers, "body": body}));
        sent.form::<Named>().map_err(|it| it.kind().status())
    }

    #[test]
    fn a_form_is_read_as_strictly_as_json() {
        assert_eq!(form("name=a+b%2Bc%26").unwrap().name, "a b+c&");
        assert_eq!(form("name=").unwrap().name, "");
        for body in ["", "name=a&name=b", "name=a&x=1", "x=1", "name=%ff", "=a", "name"] {
            let read = form(body).map(|it| it.name);
            assert!(read == Err(400) || body == "name" && read == Ok(String::new()), "{body}");
        }
        assert_eq!(form(&format!("name={}", "x".repeat(BODY_MAX))).map(|it| it.name), Err(413));
        let json = request(json!({"body": r#"{"name":"a"}"#}));
        assert!(json.form::<Named>().is_err());
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let sent = request(json!({"headers": {"cookie": "a=1; session=x.y=; b=2"}}));
        assert_eq!(sent.cookie("session"), Some("x.y="));
        assert_eq!((sent.cookie("ession"), sent.cookie("c")), (None, None));
        assert_eq!(request(json!({})).cookie("a"), None);
    }

    #[test]
    fn a_client_takes_what_it_names() {
        for (accept, html) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("application/json, text/HTML;q=0.5", true),
            ("text/html;q=0", false),
            ("text/html; q=0.0, application/json", false),
            ("*/*", false),
            ("", false),
        ] {
            let sent = request(json!({"headers": {"accept": accept}}));
            assert_eq!(sent.accepts("text/html"), html, "{accept}");
        }
    }

    #[test]
    fn a_path_may_come_encoded_or_not() {
        for raw in ["a:b", "a%3Ab", "a%3ab"] {
            let request = request(json!({"pathParameters": {"it": raw}}));
            assert_eq!(request.path::<String>("it").unwrap(), "a:b");
        }
        assert!(request(json!({"pathParameters": {"it": "%ff"}})).path::<String>("it").is_err());
        assert!(request(json!({"pathParameters": null})).path::<String>("it").is_err());
    }

    #[test]
    fn one_key_is_needed_and_no_two() {
        for (event, good) in [
            (json!({"headers": {"idempotency-key": "k"}}), true),
            (json!({"multiValueHeaders": {"Idempotency-Key": ["k"]}}), true),
            (json!({"multiValueHeaders": {"Idempotency-Key": ["k", "k"]}}), false),
            (json!({"multiValueHeaders": {"Idempotency-Key": [""]}}), false),
            (json!({}), false),
        ] {
            assert_eq!(request(event.clone()).idempotency_key().is_ok(), good, "{event}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in ".{0,60}", encoded: bool) {
            let request = request(json!({"body": body, "isBase64Encoded": encoded}));
            drop(request.body::<Named>());
            drop(request.no_body());
            drop(form(&body));
        }
    }
}
