//! A client with a bearer token, and its requests.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Platform, Reply, eventually};

/// A client with a bearer token.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The platform that it calls.
    pub platform: Platform,
    /// The token, without `Bearer`.
    pub token: String,
}

impl Caller {
    /// Sends a GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], None).await
    }

    /// Sends a POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, &[], Some(body.to_string())).await
    }

    /// Sends a POST with a new idempotency key.
    pub async fn post_once(&self, path: &str, body: &Value) -> Reply {
        self.post_with_key(path, &Uuid::new_v4().to_string(), body).await
    }

    /// Sends a POST with this idempotency key.
    pub async fn post_with_key(&self, path: &str, key: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, &[("idempotency-key", key)], Some(body.to_string())).await
    }

    /// Sends any request, with headers in addition to the token.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Reply {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    /// The same, for cases in which there may be no response.
    ///
    /// # Errors
    ///
    /// If there is no complete response.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Reply, reqwest::Error> {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        self.platform.try_send(method, path, &all, body).await
    }

    /// Books a slot and pays by card (instant); returns the booking's id.
    pub async fn book_instant(&self, slot: &str, token: &str) -> String {
        self.book(slot, json!({ "mode": "instant", "token": token })).await
    }

    /// Books a slot to be paid by invoice; returns the booking's id.
    pub async fn book_invoice(&self, slot: &str) -> String {
        self.book(slot, json!({ "mode": "invoice" })).await
    }

    async fn book(&self, slot: &str, payment: Value) -> String {
        let request = json!({ "slotId": slot, "payment": payment });
        let accepted = self.post_once("/mobile/bookings", &request).await.expect(202);
        assert_eq!(accepted["status"], "pending");
        accepted["bookingId"].as_str().unwrap().to_owned()
    }

    /// The booking, as soon as the view contains it.
    pub async fn booking(&self, booking: &str) -> Value {
        let path = format!("/mobile/bookings/{booking}");
        eventually(&format!("booking {booking} is in the view"), async || {
            let reply = self.get(&path).await;
            (reply.status != 404).then(|| reply.expect(200))
        })
        .await
    }

    /// Waits until the booking is final.
    pub async fn finished(&self, booking: &str) -> Value {
        eventually(&format!("booking {booking} is final"), async || {
            let found = self.booking(booking).await;
            (found["status"] != "pending").then_some(found)
        })
        .await
    }

    /// Waits until the booking's bill has this status.
    pub async fn bill_becomes(&self, booking: &str, status: &str) -> Value {
        eventually(&format!("bill of {booking} is {status}"), async || {
            let found = self.booking(booking).await;
            (found["bill"]["status"] == status).then(|| found["bill"].clone())
        })
        .await
    }

    /// Pays a bill or a part of it, after waiting until it is issued.
    pub async fn pay_when_issued(
        &self,
        booking: &str,
        reference: &str,
        amount: &str,
        token: &str,
    ) -> Reply {
        eventually(&format!("bill of {booking} is issued"), async || {
            let found = self.booking(booking).await;
            (!found["bill"].is_null()).then_some(())
        })
        .await;
        self.pay(reference, amount, token).await
    }

    /// Pays a bill, or a part of it.
    pub async fn pay(&self, reference: &str, amount: &str, token: &str) -> Reply {
        let path = format!("/mobile/bills/{reference}/payments");
        self.post_once(&path, &json!({ "amount": amount, "token": token })).await
    }

    /// Cancels a booking.
    pub async fn cancel(&self, booking: &str) -> Reply {
        self.send(Method::POST, &format!("/mobile/bookings/{booking}/cancel"), &[], None).await
    }

    /// Checks out of a booking.
    pub async fn check_out(&self, booking: &str) -> Reply {
        self.send(Method::POST, &format!("/mobile/bookings/{booking}/check-out"), &[], None).await
    }
}
