//! The demo's story: what happens to a few bookings, told as it happens, with every claim checked.

mod choreographed;
mod money;
mod orchestrated;
mod tale;
pub(crate) mod visitor;

use crate::clock;
use crate::commands::up::Platform;
use crate::failure::Outcome;
use crate::token::{self, Scope};
use crate::ui::Ui;

use money::Money;
use tale::Tale;
use visitor::Visitor;

/// Long enough for the story, and for a look around afterwards.
const TTL_SECONDS: i64 = 3600;

/// Who takes part.
#[derive(Debug)]
struct Cast {
    /// Runs the parking.
    olga: Visitor,
    /// Books, and mostly gets what she wants.
    ann: Visitor,
    /// Books, and mostly does not.
    bob: Visitor,
}

/// Tells the story on a platform that is up; fails at the first thing that does not come true.
pub(crate) async fn tell(platform: &Platform, ui: Ui) -> Outcome {
    let begun = clock::start();
    let visitor = |scope, name: &str| {
        let token =
            token::issue(&platform.keys, &platform.issuer, scope, name, TTL_SECONDS, clock::now())?;
        Visitor::new(&platform.outputs, token)
    };
    let cast = Cast {
        olga: visitor(Scope::Operator, "olga")?,
        ann: visitor(Scope::Customer, "ann")?,
        bob: visitor(Scope::Customer, "bob")?,
    };
    let mut tale = Tale::new(ui);
    let mut money = Money::default();
    let slots = open(&mut tale, &cast).await?;
    orchestrated::a_good_card_books(&mut tale, &mut money, &cast, &slots[0]).await?;
    orchestrated::a_declined_card_leaves_nothing(&mut tale, &mut money, &cast, &slots[1]).await?;
    orchestrated::a_closed_slot_is_paid_back(&mut tale, &mut money, &cast, &slots[2]).await?;
    choreographed::the_first_to_pay_gets_the_slot(&mut tale, &mut money, &cast, &slots[3]).await?;
    money.tell(&mut tale, &cast).await?;
    tale.end(begun.elapsed())
}

/// The operator opens four slots, and a customer sees them.
async fn open(tale: &mut Tale, cast: &Cast) -> Outcome<Vec<String>> {
    tale.chapter("Olga, the operator, opens four slots", "API gateway, BFF, CQRS")?;
    let mut slots = Vec::new();
    for name in ["Harbour 1", "Harbour 2", "Harbour 3", "Harbour 4"] {
        let watch = clock::start();
        let slot = cast.olga.create_slot(name).await?;
        tale.happened(format!("{name} is created"), watch.elapsed())?;
        slots.push(slot);
    }
    let watch = clock::start();
    for slot in &slots {
        cast.olga.slot_becomes(slot, "available").await?;
    }
    tale.happened("the read model shows them all, available", watch.elapsed())?;
    Ok(slots)
}
