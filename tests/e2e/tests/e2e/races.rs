//! Many customers compete for one slot.

use std::time::Duration;

use futures::future::join_all;
use platform::{Platform, within};
use tokio::time::sleep;

const CUSTOMERS: u64 = 8;
const ROUNDS: usize = 20;
const PAUSE: Duration = Duration::from_millis(12);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_eight_competing_customers_gets_the_slot() {
    let platform = Platform::up();
    let mut customers = Vec::new();
    for _ in 0..CUSTOMERS {
        customers.push(platform.customer().await);
    }
    for round in 0..ROUNDS {
        let slot = platform.slot().await;
        let book = async |place: u64| {
            let customer = &customers[usize::try_from(place).unwrap()];
            sleep(PAUSE * u32::try_from(place).unwrap()).await;
            // Both sagas compete for the slot.
            if place.is_multiple_of(2) {
                return customer.book_instant(&slot, "tok_visa").await;
            }
            let booking = customer.book_invoice(&slot).await;
            let reference = format!("{slot}:{booking}");
            let paid = customer.pay_when_issued(&booking, &reference, "100.00", "tok_visa").await;
            paid.expect(201);
            booking
        };
        let bookings = join_all((0..CUSTOMERS).map(book)).await;

        let (mut completed, mut net) = (0, 0);
        for (customer, booking) in customers.iter().zip(&bookings) {
            let finished = customer.finished(booking).await;
            let reference = format!("{slot}:{booking}");
            if finished["status"] == "completed" {
                completed += 1;
            } else {
                assert_eq!(finished["status"], "failed", "round {round}: {finished}");
                assert_eq!(finished["reason"], "slot_unavailable", "round {round}: {finished}");
                let back = "the payment of a losing customer is refunded";
                within(Duration::from_secs(30), back, async || {
                    (platform.net(&reference).await == 0).then_some(())
                })
                .await;
            }
            net += platform.net(&reference).await;
        }
        assert_eq!((completed, net), (1, 10_000), "round {round} on slot {slot}");
        platform.slot_becomes(&slot, "reserved").await;
    }
}
