//! The functions as they are deployed: every handler with its ports, as its binary wires it.

use std::marker::PhantomData;
use std::sync::Arc;

use api_gateway::token::Expectations;
use api_gateway::verifier::{Inline, Verifier};
use axum::Router;
use bff::Origins;
use bff::pages::provider::OneToken;
use bff::pages::sign_in::{Door, SignIn};
use bff::pages::{Fresh, Front, Site};
use bff::web::HttpAdapter;
use billing::desk::Desk;
use billing::domain::Bill;
use billing::guarded::Guarded;
use booking::rebuild_source::BookingRows;
use booking::republish_source::BookingEvents;
use circuit_breaker::control::Control;
use contracts::money::Money;
use cqrs::cursor::Cursors;
use jiff::SignedDuration;
use operator_bff::handlers::bff::Backend;
use operator_bff::queues::Watched;
use outbox::redrive::handle_records;
use parking::domain::Slot;
use parking::rebuild_source::SlotRows;
use payment_provider::handlers::provider::{Delays, Provider};
use serde::Serialize;
use serde::de::DeserializeOwned;
use web_bff::handlers::bff::{PROBLEMS, Web};
use web_bff::response_cache::ResponseCache;

use crate::lambda::{Environment, Failed};
use crate::line::Line;
use crate::ports::breakers::{self, Breakers, Told};
use crate::ports::events::Events;
use crate::ports::far::{Far, Ledger, Services};
use crate::ports::messages::{Bus, DeadLetters, Reminders, RepublishQueue};
use crate::ports::states::{Committed, States};
use crate::ports::views::BillView;
use crate::wiring::Wiring;

/// What a booking costs.
pub(crate) const TOTAL: &str = "100.00";
/// What billing shows to the provider.
pub(crate) const PROVIDER_KEY: &str = "a-key-that-is-long-enough";
const CURSOR_KEY: &str = "a-secret-of-this-day";
/// The queue that billing reads, and writes its reminders to.
const BILLING_QUEUE: &str = "billing/Queue";

/// Carries out one call in an execution environment.
pub(crate) async fn handle(
    environment: &Environment,
    function: &str,
    payload: &[u8],
) -> Result<Vec<u8>, Failed> {
    let line = &environment.line;
    let (now, new_id) = (|| line.now(), || line.new_id());
    let far = Far(line);
    match function {
        "booking-command" => {
            use booking::handlers::command;
            answer(command::handle(&Events(line), read(payload)?, now(), new_id).await)
        }
        "booking-query" => {
            use booking::handlers::query;
            let (view, cursors) = (&environment.bookings, Cursors::new(CURSOR_KEY));
            let asked = read(payload)?;
            answer(query::handle(view, view.generations(), &cursors, asked, now()).await)
        }
        "booking-project" => {
            use booking::handlers::project;
            let (views, throttle) = (environment.bookings.generations(), &environment.throttle);
            let (store, dead_letters) = (Events(line), DeadLetters(line));
            let project = async |records| {
                project::handle(&store, views, &dead_letters, throttle, now, records).await
            };
            write(&handle_records(read(payload)?, &dead_letters, project).await)
        }
        "booking-publish" => {
            use booking::handlers::publish;
            let (events, trigger) = (Events(line), read(payload)?);
            let source = &BookingEvents(&events);
            let (bus, republish_queue, dead_letters) =
                (Bus(line), RepublishQueue(line), DeadLetters(line));
            write(&publish::handle(source, &bus, &republish_queue, &dead_letters, trigger).await)
        }
        "booking-react" => {
            use booking::handlers::react;
            let (store, dead_letters) = (Events(line), DeadLetters(line));
            write(&react::handle(&store, &far, &dead_letters, read(payload)?, now, new_id).await)
        }
        "booking-rebuild" => {
            use booking::handlers::rebuild;
            let (views, source) = (environment.bookings.generations(), Events(line));
            let (command, worker) = (read(payload)?, line.name.as_str());
            let (source, letters) = (BookingRows(&source), DeadLetters(line));
            answer(rebuild::handle(views, &source, &letters, command, worker, now).await)
        }
        "booking-resume" => {
            use booking::handlers::resume;
            write(&resume::handle(&far, &DeadLetters(line), read(payload)?).await)
        }
        "parking-command" => {
            use parking::handlers::command;
            answer(command::handle(&States(line), read(payload)?, now(), new_id).await)
        }
        "parking-query" => {
            use parking::handlers::query;
            let (view, cursors) = (&environment.slots, Cursors::new(CURSOR_KEY));
            let asked = read(payload)?;
            answer(query::handle(view, view.generations(), &cursors, asked, now()).await)
        }
        "parking-project" => {
            use parking::handlers::project;
            let (views, throttle) = (environment.slots.generations(), &environment.throttle);
            let dead_letters = DeadLetters(line);
            let project =
                async |records| project::handle(views, &dead_letters, throttle, now, records).await;
            write(&handle_records(read(payload)?, &dead_letters, project).await)
        }
        "parking-publish" => {
            use parking::handlers::publish;
            let (source, trigger) = (&Committed::<Slot>(line, PhantomData), read(payload)?);
            let (bus, republish_queue, dead_letters) =
                (Bus(line), RepublishQueue(line), DeadLetters(line));
            write(&publish::handle(source, &bus, &republish_queue, &dead_letters, trigger).await)
        }
        "parking-react" => {
            use parking::handlers::react;
            let (store, dead_letters) = (States(line), DeadLetters(line));
            write(&react::handle(&store, &dead_letters, read(payload)?, now, new_id).await)
        }
        "parking-rebuild" => {
            use parking::handlers::rebuild;
            let (views, source) = (environment.slots.generations(), States(line));
            let (command, worker) = (read(payload)?, line.name.as_str());
            let (source, letters) = (SlotRows(&source), DeadLetters(line));
            answer(rebuild::handle(views, &source, &letters, command, worker, now).await)
        }
        "billing-command" => {
            use billing::handlers::command;
            let provider = Guarded { provider: far, breaker: Arc::clone(&environment.breaker) };
            let desk = Desk { store: States(line), provider, now, new_id, total: total() };
            answer(command::handle(&desk, read(payload)?).await)
        }
        "billing-breaker" => {
            use billing::handlers::breaker;
            let breakers = Breakers(Arc::clone(line));
            let control = Control::new(breakers, Told(Arc::clone(line)));
            answer(breaker::handle(&control, read(payload)?).await)
        }
        "billing-query" => {
            use billing::handlers::query;
            answer(query::handle(&BillView(line), read(payload)?).await)
        }
        "billing-project" => {
            use billing::handlers::project;
            let (view, dead_letters) = (BillView(line), DeadLetters(line));
            let project = async |records| project::handle(&view, &dead_letters, records).await;
            write(&handle_records(read(payload)?, &dead_letters, project).await)
        }
        "billing-publish" => {
            use billing::handlers::publish;
            let (source, trigger) = (&Committed::<Bill>(line, PhantomData), read(payload)?);
            let (bus, republish_queue, dead_letters) =
                (Bus(line), RepublishQueue(line), DeadLetters(line));
            write(&publish::handle(source, &bus, &republish_queue, &dead_letters, trigger).await)
        }
        "billing-react" => {
            use billing::handlers::react;
            let provider = Guarded { provider: far, breaker: Arc::clone(&environment.breaker) };
            let desk = Desk { store: States(line), provider, now, new_id, total: total() };
            let due_after = SignedDuration::try_from(line.world.plan.bill_due)
                .unwrap_or(SignedDuration::from_secs(900));
            let reminders = Reminders { line, queue: BILLING_QUEUE };
            let (letters, trigger) = (DeadLetters(line), read(payload)?);
            answer(react::handle(&desk, &far, &reminders, &letters, due_after, trigger).await)
        }
        "payment-provider" | "mobile-bff" => {
            let routes = environment.routes.clone().expect("it serves HTTP");
            let Ok(answer) = api_gateway::lambda::respond(routes, read(payload)?).await;
            write(&answer)
        }
        "web-bff" => {
            let secret = || line.new_id().to_string();
            let fresh = Fresh { now: now(), id: new_id, secret };
            write(&web(&environment.services).handle(read(payload)?, fresh).await)
        }
        "operator-bff" => {
            let (services, breakers) = (&environment.services, Breakers(Arc::clone(line)));
            let breakers = Control::new(breakers, Told(Arc::clone(line)));
            let (config, event) = (operator(&line.world.platform.wiring), read(payload)?);
            let (breakers, config, workflow, queues) = (&breakers, &config, &far, &far);
            let backend = Backend { services, workflow, queues, breakers, config };
            let secret = || line.new_id().to_string();
            let fresh = Fresh { now: now(), id: new_id, secret };
            write(&backend.handle(&front(&operator_bff::pages::SITE), event, fresh).await)
        }
        other => Err(Failed::new("ResourceNotFoundException", other)),
    }
}

/// What a function serves over HTTP, as its binary puts it together; nothing for one that takes other events.
pub(crate) fn routes(
    function: &str,
    line: &Arc<Line>,
    services: &Arc<bff::guarded::Guarded<Services, Breakers, Told>>,
) -> Option<Router> {
    let (of_now, of_ids) = (Arc::clone(line), Arc::clone(line));
    let (now, new_id) = (move || of_now.now(), move || of_ids.new_id());
    match function {
        "payment-provider" => {
            let roles = Vec::new();
            let (issuer, audience) = ("nobody".to_owned(), "nobody".to_owned());
            let expectations = Expectations { issuer, audience, roles };
            let operators = Verifier::new(Inline("{}".to_owned()), expectations);
            let (ledger, key) = (Ledger::new(line), PROVIDER_KEY.to_owned());
            Some(Provider::new(ledger, key, operators, Delays::default(), now).router())
        }
        "mobile-bff" => {
            let app = mobile_bff::App::new(Arc::clone(services), mobile_services());
            let adapter = HttpAdapter::new(mobile_bff::PROBLEMS, Origins::Any, new_id);
            Some(adapter.without_catching_panics().wrap(mobile_bff::router(app)))
        }
        _ => None,
    }
}

fn mobile_services() -> mobile_bff::config::Services {
    mobile_bff::config::Services {
        booking_command: "booking-command".to_owned(),
        booking_query: "booking-query".to_owned(),
        parking_command: "parking-command".to_owned(),
        parking_query: "parking-query".to_owned(),
        billing_command: "billing-command".to_owned(),
        billing_query: "billing-query".to_owned(),
    }
}

/// The functions that a backend leaves alone when they do not answer, by the names of their breakers.
pub(crate) fn guarded(function: &str) -> Vec<(&'static str, String)> {
    let owned = |(name, at): (&'static str, &str)| (name, at.to_owned());
    match function {
        "mobile-bff" => mobile_services().guarded().map(owned).into(),
        "web-bff" => web_services().guarded().map(owned).into(),
        "operator-bff" => operator_services().guarded().map(owned).into(),
        _ => Vec::new(),
    }
}

/// Without a provider, as on a stage that nobody has told of one: bearer tokens are all that opens it.
fn web<S>(services: S) -> Web<S, Inline, OneToken> {
    let front = front(&web_bff::pages::SITE);
    Web { services, at: web_services(), front, cache: ResponseCache::default() }
}

fn front(site: &'static Site) -> Front<Inline, OneToken> {
    let (issuer, audience) = ("nobody".to_owned(), "nobody".to_owned());
    let expectations = Expectations { issuer, audience, roles: Vec::new() };
    let keys = Inline("{\"keys\":[]}".to_owned());
    let verifier = Verifier::new(keys, expectations.clone());
    let door = Door::new(site, "prod", expectations, SignIn::Nowhere);
    Front { site, problems: PROBLEMS, verifier, provider: OneToken::default(), door }
}

fn web_services() -> web_bff::config::Services {
    web_bff::config::Services {
        booking_command: "booking-command".to_owned(),
        booking_query: "booking-query".to_owned(),
        parking_query: "parking-query".to_owned(),
        billing_command: "billing-command".to_owned(),
        billing_query: "billing-query".to_owned(),
    }
}

fn operator_services() -> operator_bff::config::Services {
    operator_bff::config::Services {
        booking_command: "booking-command".to_owned(),
        booking_query: "booking-query".to_owned(),
        booking_rebuild: "booking-rebuild".to_owned(),
        parking_command: "parking-command".to_owned(),
        parking_query: "parking-query".to_owned(),
        parking_rebuild: "parking-rebuild".to_owned(),
        billing_query: "billing-query".to_owned(),
        billing_breaker: "billing-breaker".to_owned(),
    }
}

/// The queue of a function, as operators call it: by the function, or by the service whose events it reacts to.
pub(crate) fn name_of_queue(function: &str) -> &str {
    function.strip_suffix("-react").unwrap_or(function)
}

fn operator(wiring: &Wiring) -> operator_bff::config::Config {
    let machine = |name: &str| {
        let arn = format!("arn:aws:states:us-east-1:000000000000:stateMachine:{name}");
        arn.parse().expect("it is one")
    };
    let queues = wiring.queue_sources.iter().map(|it| Watched {
        name: name_of_queue(&it.function).to_owned(),
        url: it.queue.clone(),
        dead_letters_url: String::new(),
    });
    operator_bff::config::Config {
        services: operator_services(),
        origins: Origins::Any,
        booking_saga: machine("booking-saga"),
        booking_saga_undo: machine("booking-saga-undo"),
        queues: queues.collect(),
        breakers_table: String::new(),
        breaker: breakers::settings(5_000),
    }
}

/// What a booking costs.
pub(crate) fn total() -> Money {
    TOTAL.parse().expect("it is money")
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Failed> {
    // As the runtime does with what a handler can't read.
    serde_json::from_slice(payload).map_err(|error| Failed::new("serde_json", error.to_string()))
}

fn write(answer: &impl Serialize) -> Result<Vec<u8>, Failed> {
    serde_json::to_vec(answer).map_err(|error| Failed::new("serde_json", error.to_string()))
}

fn answer<T: Serialize>(answer: Result<T, service_error::ServiceError>) -> Result<Vec<u8>, Failed> {
    write(&answer?)
}
