//! Caches the issuer's keys, and refetches them only when that is necessary.

use std::future::Future;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::keys::{InvalidKeySet, KeySet};
use crate::token::{self, Expectations, IdToken, Principal, Refusal};

/// A key that an issuer has withdrawn stops working here after so long.
const FRESH_FOR: SignedDuration = SignedDuration::from_hours(1);
/// While the issuer cannot be reached, the cached keys stay usable for this long.
const USABLE_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Tokens that name unknown keys cost the issuer one request in so long, however many there are.
const FETCH_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// Where the issuer publishes its keys.
pub trait KeySource: Send + Sync {
    /// Reads the key set as JSON, within a few seconds or not at all.
    fn fetch(&self) -> impl Future<Output = Result<String, FetchError>> + Send;
}

/// Why the key set could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The issuer does not respond, or responds with an error.
    #[error("key set is unreachable")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The response is not a valid key set.
    #[error("key set is unusable")]
    Unusable(#[from] InvalidKeySet),
}

/// Why it is not known whom a token speaks for.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The token is worth nothing.
    #[error("token is refused")]
    Refused(#[from] Refusal),
    /// There are no keys to tell by.
    #[error("keys are missing")]
    Keys(#[from] FetchError),
}

/// Keys that stand in the configuration and never change.
#[derive(Clone, Debug)]
pub struct Inline(pub String);

impl KeySource for Inline {
    async fn fetch(&self) -> Result<String, FetchError> {
        Ok(self.0.clone())
    }
}

/// Verifies tokens against keys that it keeps.
#[derive(Debug)]
pub struct Verifier<S> {
    source: S,
    expectations: Expectations,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    kept: Option<Kept>,
    requested_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct Kept {
    keys: Arc<KeySet>,
    fetched_at: Timestamp,
}

impl<S: KeySource> Verifier<S> {
    /// Starts without keys; [`Verifier::warm`] fetches them before the first token comes.
    #[must_use]
    pub fn new(source: S, expectations: Expectations) -> Self {
        Self { source, expectations, cache: Mutex::default() }
    }

    /// Fetches the keys, so that the first token need not wait for them.
    ///
    /// # Errors
    ///
    /// Fails when the key set cannot be had; the next token tries again.
    pub async fn warm(&self, now: Timestamp) -> Result<(), FetchError> {
        self.keys(false, now).await.map(drop)
    }

    /// Says whom a token speaks for.
    ///
    /// # Errors
    ///
    /// Says why the token is refused, or that there are no keys to tell by.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Principal, VerifyError> {
        self.with_keys(now, |keys| token::verify(token, keys, &self.expectations, now)).await
    }

    /// Verifies an id token that the issuer gave this client.
    ///
    /// # Errors
    ///
    /// Says why the token is refused, or that there are no keys to tell by.
    pub async fn verify_id_token(
        &self,
        token: &str,
        client_id: &str,
        now: Timestamp,
    ) -> Result<IdToken, VerifyError> {
        let issuer = &self.expectations.issuer;
        self.with_keys(now, |keys| token::verify_id_token(token, keys, issuer, client_id, now))
            .await
    }

    async fn with_keys<T>(
        &self,
        now: Timestamp,
        verify: impl Fn(&KeySet) -> Result<T, Refusal>,
    ) -> Result<T, VerifyError> {
        let keys = self.keys(false, now).await?;
        match verify(&keys) {
            // The issuer may have changed its keys since they were fetched.
            Err(Refusal::KeyUnknown) => {
                let keys = self.keys(true, now).await?;
                Ok(verify(&keys)?)
            }
            verified => Ok(verified?),
        }
    }

    /// A caller that arrives during a fetch waits for its result instead of fetching too.
    async fn keys(&self, one_is_unknown: bool, now: Timestamp) -> Result<Arc<KeySet>, FetchError> {
        let mut cache = self.cache.lock().await;
        if !cache.must_fetch(one_is_unknown, now) {
            return cache.usable(now).map_or_else(|| Err(out_of_date()), Ok);
        }
        cache.requested_at = Some(now);
        let fetched = match self.source.fetch().await {
            Ok(json) => KeySet::parse(&json).map_err(FetchError::from),
            Err(error) => Err(error),
        };
        match fetched {
            Ok(keys) => {
                let keys = Arc::new(keys);
                cache.kept = Some(Kept { keys: Arc::clone(&keys), fetched_at: now });
                Ok(keys)
            }
            Err(error) => cache.usable(now).map_or(Err(error), |keys| {
                tracing::warn!("key set cannot be refreshed, the last one serves on");
                Ok(keys)
            }),
        }
    }
}

impl Cache {
    /// Whether to fetch the keys: without any keys always, since no token can be verified.
    fn must_fetch(&self, one_is_unknown: bool, now: Timestamp) -> bool {
        let Some(kept) = &self.kept else { return true };
        let stale = now.duration_since(kept.fetched_at) >= FRESH_FOR;
        let requested_lately =
            self.requested_at.is_some_and(|it| now.duration_since(it) < FETCH_AGAIN_AFTER);
        (stale || one_is_unknown) && !requested_lately
    }

    fn usable(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        let kept = self.kept.as_ref()?;
        (now.duration_since(kept.fetched_at) < USABLE_FOR).then(|| Arc::clone(&kept.keys))
    }
}

fn out_of_date() -> FetchError {
    FetchError::Unreachable("the issuer has not responded for a day".into())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::issuer::Issuer;

    /// An issuer's address that can be changed and taken away.
    #[derive(Default)]
    struct Address {
        response: StdMutex<Option<String>>,
        requests: AtomicUsize,
    }

    impl Address {
        fn serve(&self, response: Option<String>) {
            *self.response.lock().unwrap() = response;
        }
    }

    impl KeySource for &Address {
        async fn fetch(&self) -> Result<String, FetchError> {
            self.requests.fetch_add(1, Ordering::SeqCst);
            let response = self.response.lock().unwrap().clone();
            response.ok_or_else(|| FetchError::Unreachable("connection refused".into()))
        }
    }

    fn issuer() -> Issuer {
        Issuer::from_pkcs8(&Issuer::generate().unwrap()).unwrap()
    }

    fn verifier(address: &Address) -> Verifier<&Address> {
        let expectations = Expectations {
            issuer: "https://id.example".to_owned(),
            audience: "library".to_owned(),
            roles: vec!["reader".to_owned()],
        };
        Verifier::new(address, expectations)
    }

    /// Good for two days.
    fn token(issuer: &Issuer) -> String {
        let claims = serde_json::json!({
            "iss": "https://id.example", "aud": "library", "sub": "ada", "scope": "reader", "exp": 172_800,
        });
        issuer.sign(&claims).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[tokio::test]
    async fn keys_are_fetched_once_and_kept() {
        let (address, issuer) = (Address::default(), issuer());
        address.serve(Some(issuer.jwks()));
        let verifier = verifier(&address);
        verifier.warm(at(0)).await.unwrap();
        for second in 0..100 {
            verifier.verify(&token(&issuer), at(second)).await.unwrap();
        }
        assert_eq!(address.requests.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_new_key_of_the_issuer_is_found() {
        let (address, old, new) = (Address::default(), issuer(), issuer());
        address.serve(Some(old.jwks()));
        let verifier = verifier(&address);
        verifier.verify(&token(&old), at(0)).await.unwrap();
        address.serve(Some(new.jwks()));
        verifier.verify(&token(&new), at(61)).await.unwrap();
        let refused = verifier.verify(&token(&old), at(62)).await;
        assert!(matches!(refused, Err(VerifyError::Refused(Refusal::KeyUnknown))), "{refused:?}");
    }

    #[tokio::test]
    async fn forged_keys_cost_the_issuer_one_request_a_minute() {
        let (address, forger) = (Address::default(), issuer());
        address.serve(Some(issuer().jwks()));
        let verifier = verifier(&address);
        for second in 0..180 {
            let refused = verifier.verify(&token(&forger), at(second)).await;
            assert!(matches!(refused, Err(VerifyError::Refused(Refusal::KeyUnknown))));
        }
        assert_eq!(address.requests.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_withdrawn_key_stops_working_within_the_hour() {
        let (address, issuer) = (Address::default(), issuer());
        address.serve(Some(issuer.jwks()));
        let verifier = verifier(&address);
        verifier.verify(&token(&issuer), at(0)).await.unwrap();
        address.serve(Some(r#"{"keys":[]}"#.to_owned()));
        verifier.verify(&token(&issuer), at(3_599)).await.unwrap();
        assert!(verifier.verify(&token(&issuer), at(3_600)).await.is_err());
    }

    #[tokio::test]
    async fn an_issuer_out_of_reach_is_trusted_for_a_day() {
        let (address, issuer) = (Address::default(), issuer());
        address.serve(Some(issuer.jwks()));
        let verifier = verifier(&address);
        verifier.verify(&token(&issuer), at(0)).await.unwrap();
        address.serve(None);
        for (second, good) in
            [(3_600, true), (3_601, true), (86_399, true), (86_400, false), (86_401, false)]
        {
            let verdict = verifier.verify(&token(&issuer), at(second)).await;
            assert_eq!(verdict.is_ok(), good, "{second}");
            assert!(good || matches!(verdict, Err(VerifyError::Keys(_))), "{second}");
        }
        address.serve(Some(issuer.jwks()));
        verifier.verify(&token(&issuer), at(86_500)).await.unwrap();
    }

    #[tokio::test]
    async fn without_keys_no_token_is_refused_and_none_passes() {
        let (address, issuer) = (Address::default(), issuer());
        let verifier = verifier(&address);
        for response in [None, Some("<html>".to_owned())] {
            address.serve(response);
            let verdict = verifier.verify(&token(&issuer), at(0)).await;
            assert!(matches!(verdict, Err(VerifyError::Keys(_))), "{verdict:?}");
        }
        address.serve(Some(issuer.jwks()));
        verifier.verify(&token(&issuer), at(1)).await.unwrap();
    }
}
