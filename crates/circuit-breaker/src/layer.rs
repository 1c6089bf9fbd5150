//! A breaker around a tower service.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tower::{Layer, Service};

use crate::breaker::{Breaker, CircuitOpen, Environment};
use crate::call_outcome::CallOutcome;
use crate::store::Store;

/// Puts one breaker around services. All of these services and their clones share its window.
#[derive(Debug)]
pub struct BreakerLayer<S, E, C> {
    breaker: Arc<Breaker<S, E>>,
    classify: C,
}

impl<S, E, C> BreakerLayer<S, E, C> {
    /// `classify` decides whether a result counts as a failure of the dependency.
    pub fn new(breaker: Arc<Breaker<S, E>>, classify: C) -> Self {
        Self { breaker, classify }
    }
}

impl<S, E, C: Clone> Clone for BreakerLayer<S, E, C> {
    fn clone(&self) -> Self {
        Self { breaker: Arc::clone(&self.breaker), classify: self.classify.clone() }
    }
}

impl<Inner, S, E, C: Clone> Layer<Inner> for BreakerLayer<S, E, C> {
    type Service = BreakerService<Inner, S, E, C>;

    fn layer(&self, inner: Inner) -> Self::Service {
        let (breaker, classify) = (Arc::clone(&self.breaker), self.classify.clone());
        BreakerService { inner, breaker, classify }
    }
}

/// A service that is called through a breaker.
#[derive(Debug)]
pub struct BreakerService<Inner, S, E, C> {
    inner: Inner,
    breaker: Arc<Breaker<S, E>>,
    classify: C,
}

impl<Inner: Clone, S, E, C: Clone> Clone for BreakerService<Inner, S, E, C> {
    fn clone(&self) -> Self {
        let (breaker, classify) = (Arc::clone(&self.breaker), self.classify.clone());
        Self { inner: self.inner.clone(), breaker, classify }
    }
}

/// Why a call returned no response.
#[derive(Debug, thiserror::Error)]
pub enum CallError<E> {
    /// The call was not made, because the circuit is open.
    #[error(transparent)]
    CircuitOpen(CircuitOpen),
    /// The call was made and failed.
    #[error(transparent)]
    Failed(E),
}

impl<Inner, Request, S, E, C> Service<Request> for BreakerService<Inner, S, E, C>
where
    Inner: Service<Request, Response: Send, Error: Send, Future: Send> + Clone + Send + 'static,
    Request: Send + 'static,
    S: Store + Send + Sync + 'static,
    E: Environment + Send + Sync + 'static,
    C: Fn(&Result<Inner::Response, Inner::Error>) -> CallOutcome + Clone + Send + 'static,
{
    type Response = Inner::Response;
    type Error = CallError<Inner::Error>;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(CallError::Failed)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // `poll_ready` was called on `self.inner`, so that must make the call; a clone may not be ready.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let (breaker, classify) = (Arc::clone(&self.breaker), self.classify.clone());
        Box::pin(async move {
            // A service may start its work in `call`, so it is called only after the breaker has admitted the call.
            let call = async { inner.call(request).await };
            match breaker.call(classify, call).await {
                Ok(result) => result.map_err(CallError::Failed),
                Err(open) => Err(CallError::CircuitOpen(open)),
            }
        })
    }
}
