//! The routes of a site: its pages, signing in and out, files; and the headers that protect every page.

use api_gateway::verifier::KeySource;
use axum::Router;
use axum::extract::{OriginalUri, Path, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use bff::Problem;
use bff::web::{NoParameters, StrictQuery};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::access::{Pages, admit};
use crate::open_id::Provider;
use crate::sign_in;
use crate::site::Site;

/// Nothing from elsewhere, nothing inline, in no frame; and forms go to this site alone.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The name of a file contains the hash of its content.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

impl<K: KeySource + 'static, P: Provider + 'static> Pages<K, P> {
    /// The site's routes: these pages, for those who may see them, and the routes to sign in and out and to the files.
    ///
    /// A handler of a page finds its [`PageContext`](crate::PageContext), the [`PageForm`](crate::PageForm) that was sent to it, and the
    /// [`KeptForm`](crate::KeptForm) that it shows again, as extractors. Wrap the result by an adapter with the site's
    /// [`problem_page`](crate::problem_page), and that by [`Pages::with_headers`].
    pub fn routes(&self, pages: Router) -> Router {
        let base = self.site().base;
        let path = |below: &str| format!("{base}/{below}");
        let to_page = {
            let site = self.site();
            async move |method: Method, OriginalUri(uri): OriginalUri| {
                to_page_of_form(site, &method, uri.path())
            }
        };
        let sign_out = Router::new()
            .route(&path("sign-out"), post(sign_in::sign_out::<K, P>))
            .with_state(self.clone());
        let admitted = pages
            .merge(sign_out)
            .route_layer(from_fn_with_state(self.clone(), admit::<K, P>))
            .method_not_allowed_fallback(to_page);
        let sign_in = get(sign_in::show::<K, P>).post(sign_in::sign_in_locally::<K, P>);
        let open = Router::new()
            .route(&path("sign-in"), sign_in)
            .route(&path("signed-in"), get(sign_in::return_from_provider::<K, P>))
            .route(&path("assets/{name}"), get(asset::<K, P>))
            .with_state(self.clone());
        admitted.merge(open)
    }

    /// Adds the headers that keep a browser from doing with a page what was not meant.
    pub fn with_headers(&self, routes: Router) -> Router {
        let fixed =
            |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
        let named = |name| HeaderName::from_static(name);
        let routes = routes
            .layer(fixed(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
            .layer(fixed(header::REFERRER_POLICY, "same-origin"))
            .layer(fixed(header::X_FRAME_OPTIONS, "DENY"))
            .layer(fixed(named("cross-origin-opener-policy"), "same-origin"))
            .layer(fixed(named("cross-origin-resource-policy"), "same-origin"))
            .layer(fixed(
                named("permissions-policy"),
                "camera=(), geolocation=(), microphone=(), payment=()",
            ))
            // The same address is a page or JSON, and depends on who requests it.
            .layer(fixed(header::VARY, "Accept, Authorization, Cookie"));
        if self.cookies().are_secure() {
            // A browser that was here over https does not come by http for a year.
            return routes.layer(fixed(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"));
        }
        routes
    }
}

/// A browser that requests the address of a form, by a reload or by its address bar, wants the form's page.
fn to_page_of_form(site: &Site, method: &Method, path: &str) -> Result<Redirect, Problem> {
    if method != Method::GET {
        return Err(Problem::not_found("there is no such route"));
    }
    Ok(Redirect::to(&format!("{}{}", site.root_of(path), site.nearest_page(path))))
}

async fn asset<K: KeySource + 'static, P: Provider + 'static>(
    State(pages): State<Pages<K, P>>,
    Path(name): Path<String>,
    _: StrictQuery<NoParameters>,
) -> Result<impl IntoResponse, Problem> {
    let asset = pages.site().asset(&name);
    let asset = asset.ok_or_else(|| Problem::not_found("there is no such file"))?;
    let headers = [(header::CONTENT_TYPE, asset.media_type), (header::CACHE_CONTROL, IMMUTABLE)];
    Ok((headers, asset.content.as_str()))
}
