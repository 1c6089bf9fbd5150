//! The demo: books slots through both sagas on a running platform, and checks every result.

mod choreographed;
mod money;
mod orchestrated;
mod reporter;

use crate::api_client::ApiClient;
use crate::clock;
use crate::deploy::Outputs;
use crate::failure::Result;
use crate::keys::Keys;
use crate::token::{self, Issuer, Scope};
use crate::ui::Ui;

use money::Money;
use reporter::Reporter;

/// Long enough for the demo.
const TTL_SECONDS: i64 = 3600;

/// The callers of the demo.
#[derive(Debug)]
struct Actors {
    /// The operator.
    olga: ApiClient,
    /// The customer whose bookings mostly succeed.
    ann: ApiClient,
    /// The customer whose bookings fail.
    bob: ApiClient,
}

/// A booking that the demo made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DemoBooking {
    /// Who booked what, and how it was paid.
    pub(crate) what: &'static str,
    pub(crate) id: String,
}

/// Runs the demo and returns its bookings.
///
/// # Errors
///
/// At the first check that fails.
pub(crate) async fn run(
    outputs: &Outputs,
    keys: &Keys,
    issuer: &Issuer,
    ui: Ui,
) -> Result<Vec<DemoBooking>> {
    let started = clock::start();
    let client = |scope, name: &str| {
        let token = token::issue(keys, issuer, scope, name, TTL_SECONDS, clock::now())?;
        ApiClient::new(outputs, token)
    };
    let actors = Actors {
        olga: client(Scope::Operator, "olga")?,
        ann: client(Scope::Customer, "ann")?,
        bob: client(Scope::Customer, "bob")?,
    };
    let mut reporter = Reporter::new(ui);
    let mut money = Money::default();
    let (out, cash) = (&mut reporter, &mut money);
    let slots = create_slots(out, &actors).await?;
    orchestrated::a_good_card_books(out, cash, &actors, &slots[0]).await?;
    orchestrated::a_declined_card_is_compensated(out, cash, &actors, &slots[1]).await?;
    orchestrated::a_closed_slot_is_refunded(out, cash, &actors, &slots[2]).await?;
    choreographed::the_first_to_pay_gets_the_slot(out, cash, &actors, &slots[3]).await?;
    money.report(out, &actors).await?;
    reporter.finish(started.elapsed())?;
    Ok(money.bookings())
}

/// The operator creates four slots, and the read model shows them.
async fn create_slots(reporter: &mut Reporter, actors: &Actors) -> Result<Vec<String>> {
    reporter.section("Olga, the operator, creates four slots", "API gateway, BFF, CQRS")?;
    let mut slots = Vec::new();
    for name in ["Harbour 1", "Harbour 2", "Harbour 3", "Harbour 4"] {
        let watch = clock::start();
        let slot = actors.olga.create_slot(name).await?;
        reporter.passed(format!("{name} is created"), watch.elapsed())?;
        slots.push(slot);
    }
    let watch = clock::start();
    for slot in &slots {
        actors.olga.slot_becomes(slot, "available").await?;
    }
    reporter.passed("the read model shows all four as available", watch.elapsed())?;
    Ok(slots)
}
