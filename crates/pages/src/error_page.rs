//! Error pages: what went wrong in plain words, and where to go from here.

use axum::http::{Method, Request};
use axum::response::{Html, IntoResponse as _, Response};
use bff::web::Accept;
use bff::{Problem, ProblemKind};
use maud::html;

use crate::layout::{CurrentUser, Page, PageContext};
use crate::site::Site;

/// Seconds after which a page that is unavailable refreshes itself.
const REFRESH_AFTER: u32 = 3;

/// Makes error pages for clients that prefer HTML, for [`HttpAdapter::with_problem_page`](bff::web::HttpAdapter::with_problem_page).
pub fn problem_page(
    site: &'static Site,
) -> impl Fn(&Problem, &str, &Request<()>) -> Option<Response> + Send + Sync + 'static {
    move |problem, correlation_id, request| {
        prefers_html(&Accept::from(request.headers())).then(|| {
            let path = request.uri().path();
            let context = PageContext {
                user: CurrentUser::Unknown,
                ..PageContext::anonymous(site, path, String::new())
            };
            let may_repeat = request.method() == Method::GET;
            let page = render(&context, problem, correlation_id, may_repeat);
            Html(page).into_response()
        })
    }
}

/// Whether a client names HTML and prefers it to JSON: a browser does, a program that accepts anything does not.
pub(crate) fn prefers_html(accept: &Accept) -> bool {
    accept.names("text/html") && accept.preferred(&["text/html", "application/json"]) == "text/html"
}

/// The page of a problem. It shows the correlation ID, which a person who needs help can quote.
fn render(
    context: &PageContext,
    problem: &Problem,
    correlation_id: &str,
    may_repeat: bool,
) -> String {
    let (title, text) = (context.site.problem)(problem.kind());
    let is_temporary = problem.kind() == ProblemKind::ServiceUnavailable;
    let main = html! {
        div .narrow {
            h1 { (title) }
            p { (text) }
            @if is_temporary && may_repeat {
                p { a .button href="" { "Try again" } }
            }
            p {
                @for (at, (link, text)) in context.site.nav.iter().enumerate() {
                    @if at > 0 { " · " }
                    a href=(context.link(link)) { (text) }
                }
            }
            p .hint { "If you need help, quote this ID: " code { (correlation_id) } }
        }
    };
    let refresh_after = (is_temporary && may_repeat).then_some(REFRESH_AFTER);
    Page { context, title, refresh_after, main }.render()
}
