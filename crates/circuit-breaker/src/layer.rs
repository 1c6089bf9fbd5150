//! A breaker around a tower service.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tower::{Layer, Service};

use crate::breaker::{Breaker, Host, Refused};
use crate::outcome::Outcome;
use crate::store::Store;

/// Puts a breaker around services; all of them, and their clones, are one instance.
#[derive(Debug)]
pub struct BreakerLayer<S, H, C> {
    breaker: Arc<Breaker<S, H>>,
    classify: C,
}

impl<S, H, C> BreakerLayer<S, H, C> {
    /// `classify` tells from a call's result how the one who was called fares.
    pub fn new(breaker: Arc<Breaker<S, H>>, classify: C) -> Self {
        Self { breaker, classify }
    }
}

impl<S, H, C: Clone> Clone for BreakerLayer<S, H, C> {
    fn clone(&self) -> Self {
        Self { breaker: Arc::clone(&self.breaker), classify: self.classify.clone() }
    }
}

impl<Inner, S, H, C: Clone> Layer<Inner> for BreakerLayer<S, H, C> {
    type Service = BreakerService<Inner, S, H, C>;

    fn layer(&self, inner: Inner) -> Self::Service {
        let (breaker, classify) = (Arc::clone(&self.breaker), self.classify.clone());
        BreakerService { inner, breaker, classify }
    }
}

/// A service that is called through a breaker.
#[derive(Debug)]
pub struct BreakerService<Inner, S, H, C> {
    inner: Inner,
    breaker: Arc<Breaker<S, H>>,
    classify: C,
}

impl<Inner: Clone, S, H, C: Clone> Clone for BreakerService<Inner, S, H, C> {
    fn clone(&self) -> Self {
        let (breaker, classify) = (Arc::clone(&self.breaker), self.classify.clone());
        Self { inner: self.inner.clone(), breaker, classify }
    }
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError<E> {
    /// It was not made.
    #[error(transparent)]
    Refused(Refused),
    /// It was made, and failed.
    #[error(transparent)]
    Failed(E),
}

impl<Inner, Request, S, H, C> Service<Request> for BreakerService<Inner, S, H, C>
where
    Inner: Service<Request, Response: Send, Error: Send, Future: Send> + Clone + Send + 'static,
    Request: Send + 'static,
    S: Store + Send + Sync + 'static,
    H: Host + Send + Sync + 'static,
    C: Fn(&Result<Inner::Response, Inner::Error>) -> Outcome + Clone + Send + 'static,
{
    type Response = Inner::Response;
    type Error = CallError<Inner::Error>;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(CallError::Failed)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The one that is ready makes the call; a clone need not be.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let (breaker, classify) = (Arc::clone(&self.breaker), self.classify.clone());
        Box::pin(async move {
            // A service may begin its work when it is called, so it is called once there is leave.
            let call = async { inner.call(request).await };
            match breaker.call(classify, call).await {
                Ok(answer) => answer.map_err(CallError::Failed),
                Err(refused) => Err(CallError::Refused(refused)),
            }
        })
    }
}
