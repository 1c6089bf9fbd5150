//! Signing in at an OpenID provider: the authorization code flow with PKCE, by the crate `oauth2`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Once;
use std::time::Duration;

use oauth2::basic::{
    BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse,
    BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AsyncHttpClient, AuthUrl, AuthorizationCode, Client, ClientId, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RequestTokenError, Scope, StandardRevocableToken, StandardTokenResponse,
    TokenResponse as _, TokenUrl,
};
use reqwest::redirect::Policy;
use serde::{Deserialize, Serialize};
use service_error::ServiceError;

/// The function has fifteen seconds for a request; a user should not wait that long.
const TIMEOUT: Duration = Duration::from_secs(5);
/// More than any response with tokens has.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// An OpenID provider, and the client that these pages are there. A public client has no secret: PKCE takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenIdSettings {
    authorize: AuthUrl,
    token: TokenUrl,
    client_id: ClientId,
}

/// One attempt to sign in. Its browser keeps it until the provider redirects back; no two attempts share anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// The secret behind the PKCE challenge.
    pub(crate) verifier: String,
    /// What the id token must contain.
    pub(crate) nonce: String,
    /// The page to return to, relative to the first page.
    pub(crate) back: String,
}

/// What a provider gives for a code.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The access token: what the session holds.
    pub access: String,
    /// The id token: proves that the tokens belong to this attempt to sign in.
    pub id: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

/// Exchanges codes for tokens.
///
/// An implementation must
/// - send nothing to anyone but the provider,
/// - return `Rejected` if the provider refuses the code, and another kind of failure for everything else that goes wrong,
/// - return within a few seconds.
pub trait Provider: Send + Sync {
    /// The tokens for a code. They are not verified yet.
    fn exchange(
        &self,
        settings: &OpenIdSettings,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> impl Future<Output = Result<Tokens, ServiceError>> + Send;
}

/// A provider in memory, for tests: it returns one pair of tokens for one code and its PKCE verifier.
#[derive(Clone, Debug, Default)]
pub struct MemoryProvider {
    /// The code.
    pub code: String,
    /// The verifier.
    pub verifier: String,
    /// The tokens.
    pub tokens: Tokens,
}

impl Provider for MemoryProvider {
    async fn exchange(
        &self,
        _: &OpenIdSettings,
        code: &str,
        _: &str,
        verifier: &str,
    ) -> Result<Tokens, ServiceError> {
        let is_good = !self.code.is_empty() && code == self.code && verifier == self.verifier;
        let refused = || ServiceError::rejected("unauthenticated", "the code is not valid");
        is_good.then(|| self.tokens.clone()).ok_or_else(refused)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct IdToken {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdToken {}

type OpenIdClient = Client<
    BasicErrorResponse,
    StandardTokenResponse<IdToken, BasicTokenType>,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

impl OpenIdSettings {
    /// Reads `<authorize URL> <token URL> <client id>`.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it.
    pub fn parse(setting: &str) -> Result<Self, String> {
        let parts: Vec<&str> = setting.split(' ').collect();
        let [authorize, token, client_id] = parts.as_slice() else {
            return Err("not <authorize URL> <token URL> <client id>".to_owned());
        };
        if !(authorize.starts_with("https://") && token.starts_with("https://")) {
            return Err("an OpenID provider is reached over https".to_owned());
        }
        let url = |error: oauth2::url::ParseError| format!("not a URL: {error}");
        Ok(Self {
            authorize: AuthUrl::new((*authorize).to_owned()).map_err(url)?,
            token: TokenUrl::new((*token).to_owned()).map_err(url)?,
            client_id: ClientId::new((*client_id).to_owned()),
        })
    }

    /// The client's id: the audience of its id tokens.
    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Where the browser goes to sign in.
    pub(crate) fn authorize_url(
        &self,
        attempt: &Attempt,
        state: &str,
        scope: &str,
        redirect_uri: &str,
    ) -> Option<String> {
        let verifier = PkceCodeVerifier::new(attempt.verifier.clone());
        let (url, _) = self
            .client(redirect_uri)?
            .authorize_url(|| CsrfToken::new(state.to_owned()))
            .add_scopes(["openid", scope].map(|it| Scope::new(it.to_owned())))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_extra_param("nonce", &attempt.nonce)
            .url();
        Some(url.into())
    }

    fn client(&self, redirect_uri: &str) -> Option<OpenIdClient> {
        let redirect_uri = RedirectUrl::new(redirect_uri.to_owned()).ok()?;
        let client = Client::new(self.client_id.clone())
            .set_auth_uri(self.authorize.clone())
            .set_token_uri(self.token.clone())
            .set_redirect_uri(redirect_uri);
        Some(client)
    }
}

/// Reaches a provider over https.
#[derive(Clone, Debug)]
pub struct HttpsProvider {
    client: reqwest::Client,
}

/// Why there is no response of a provider.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The connection or the request failed.
    #[error("the provider is unreachable")]
    Http(#[from] reqwest::Error),
    /// The response is not one with tokens.
    #[error("the provider's response is longer than {MAX_RESPONSE_BYTES} bytes")]
    TooLong,
}

impl HttpsProvider {
    /// Makes a client, which keeps its connections.
    ///
    /// # Errors
    ///
    /// Fails when TLS cannot be set up.
    pub fn new() -> Result<Self, reqwest::Error> {
        static CRYPTO: Once = Once::new();
        // Another part of the process may have installed the same provider before.
        CRYPTO.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let client = reqwest::Client::builder().https_only(true).redirect(Policy::none());
        Ok(Self { client: client.timeout(TIMEOUT).build()? })
    }

    async fn fetch(&self, request: HttpRequest) -> Result<HttpResponse, FetchError> {
        let mut response = self.client.execute(request.try_into()?).await?;
        let mut fetched = HttpResponse::new(Vec::new());
        *fetched.status_mut() = response.status();
        *fetched.headers_mut() = std::mem::take(response.headers_mut());
        while let Some(chunk) = response.chunk().await? {
            fetched.body_mut().extend_from_slice(&chunk);
            if fetched.body().len() > MAX_RESPONSE_BYTES {
                return Err(FetchError::TooLong);
            }
        }
        Ok(fetched)
    }
}

impl<'c> AsyncHttpClient<'c> for HttpsProvider {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.fetch(request))
    }
}

impl Provider for HttpsProvider {
    async fn exchange(
        &self,
        settings: &OpenIdSettings,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> Result<Tokens, ServiceError> {
        let client = settings.client(redirect_uri);
        let client = client.ok_or_else(|| ServiceError::permanent("not a redirect URI"))?;
        let response = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()))
            .request_async(self)
            .await
            .map_err(failure)?;
        let id = response.extra_fields().id_token.clone().unwrap_or_default();
        Ok(Tokens { access: response.access_token().secret().clone(), id })
    }
}

fn failure(error: RequestTokenError<FetchError, BasicErrorResponse>) -> ServiceError {
    match error {
        RequestTokenError::ServerResponse(response)
            if *response.error() == BasicErrorResponseType::InvalidGrant =>
        {
            ServiceError::rejected("unauthenticated", "the provider refused the code")
        }
        // Its description may repeat what was sent.
        RequestTokenError::ServerResponse(response) => {
            ServiceError::permanent(format!("the provider refused: {}", response.error().as_ref()))
        }
        RequestTokenError::Request(error) => {
            ServiceError::transient("the provider did not respond", error)
        }
        RequestTokenError::Parse(error, _) => ServiceError::permanent(error.into_inner()),
        RequestTokenError::Other(error) => ServiceError::permanent(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTING: &str = "https://id.example/authorize https://id.example/token web";

    #[test]
    fn a_provider_is_two_https_urls_and_a_client_id() {
        assert_eq!(OpenIdSettings::parse(SETTING).unwrap().client_id(), "web");
        for bad in [
            "",
            "https://a https://b",
            "http://a https://b c",
            "https://a http://b c",
            "https:// https://b c",
        ] {
            assert!(OpenIdSettings::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_provider_sees_the_challenge_and_never_the_verifier() {
        let settings = OpenIdSettings::parse(SETTING).unwrap();
        let (verifier, nonce) = ("v".repeat(43), "n".repeat(43));
        let attempt =
            Attempt { verifier: verifier.clone(), nonce: nonce.clone(), back: String::new() };
        let url = settings.authorize_url(&attempt, "s1", "reader", "https://a.example/signed-in");
        let url = url.unwrap();
        for part in [
            "https://id.example/authorize?response_type=code&client_id=web",
            "state=s1",
            "code_challenge_method=S256",
            "redirect_uri=https%3A%2F%2Fa.example%2Fsigned-in",
            "scope=openid+reader",
            &format!("nonce={nonce}"),
        ] {
            assert!(url.contains(part), "{part}: {url}");
        }
        assert!(!url.contains(&verifier), "{url}");
    }
}
