//! The functions as deployed: every handler with its ports, wired as in its binary.

use std::marker::PhantomData;
use std::sync::Arc;

use api_gateway::token::Expectations;
use api_gateway::verifier::{Inline, Verifier};
use axum::Router;
use bff::web::HttpAdapter;
use bff::{Origins, Runtime};
use billing::domain::Bill;
use billing::guarded::GuardedProvider;
use billing::payment_service::PaymentService;
use booking::rebuild_source::BookingRows;
use booking::republish_source::BookingEvents;
use circuit_breaker::control::Control;
use contracts::money::Money;
use cqrs::cursor::Cursors;
use jiff::SignedDuration;
use operator_bff::queues::MonitoredQueue;
use outbox::redrive::handle_records;
use pages::open_id::MemoryProvider;
use pages::{Pages, PagesSettings, SignInMethod, Site};
use parking::domain::Slot;
use parking::rebuild_source::SlotRows;
use payment_provider::handlers::provider::{Delays, Provider};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::lambda::{Environment, Failed};
use crate::ports::breakers::{self, BreakerTelemetry, Breakers};
use crate::ports::events::Events;
use crate::ports::messages::{Bus, DeadLetters, Reminders, RepublishQueue};
use crate::ports::remote::{Ledger, OperatorPorts, Remote, Services};
use crate::ports::states::{Committed, States};
use crate::ports::views::BillView;
use crate::transport::FaultyTransport;
use crate::wiring::Wiring;

/// The price of a booking.
pub(crate) const TOTAL: &str = "100.00";
/// The API key with which billing calls the provider.
pub(crate) const PROVIDER_KEY: &str = "a-key-that-is-long-enough";
const CURSOR_KEY: &str = "a-secret-of-this-run";
/// The queue that billing reads, and sends its reminders to.
const BILLING_QUEUE: &str = "billing/Queue";

/// Handles one invocation in an execution environment.
pub(crate) async fn handle(
    environment: &Environment,
    function: &str,
    payload: &[u8],
) -> Result<Vec<u8>, Failed> {
    let transport = &environment.transport;
    let (now, new_id) = (|| transport.now(), || transport.new_id());
    let remote = Remote(transport);
    match function {
        "booking-command" => {
            use booking::handlers::command;
            respond(command::handle(&Events(transport), read(payload)?, now(), new_id).await)
        }
        "booking-query" => {
            use booking::handlers::query;
            let (view, cursors) = (&environment.bookings, Cursors::new(CURSOR_KEY));
            let request = read(payload)?;
            respond(query::handle(view, view.generations(), &cursors, request, now()).await)
        }
        "booking-project" => {
            use booking::handlers::project;
            let (views, throttle) = (environment.bookings.generations(), &environment.throttle);
            let (store, dead_letters) = (Events(transport), DeadLetters(transport));
            let project = async |records| {
                project::handle(&store, views, &dead_letters, throttle, now, records).await
            };
            write(&handle_records(read(payload)?, &dead_letters, project).await)
        }
        "booking-publish" => {
            use booking::handlers::publish;
            let (events, trigger) = (Events(transport), read(payload)?);
            let source = &BookingEvents(&events);
            let (bus, republish_queue, dead_letters) =
                (Bus(transport), RepublishQueue(transport), DeadLetters(transport));
            write(&publish::handle(source, &bus, &republish_queue, &dead_letters, trigger).await)
        }
        "booking-react" => {
            use booking::handlers::react;
            let (store, dead_letters) = (Events(transport), DeadLetters(transport));
            write(&react::handle(&store, &remote, &dead_letters, read(payload)?, now, new_id).await)
        }
        "booking-rebuild" => {
            use booking::handlers::rebuild;
            let (views, source) = (environment.bookings.generations(), Events(transport));
            let (command, worker) = (read(payload)?, transport.name.as_str());
            let (source, letters) = (BookingRows(&source), DeadLetters(transport));
            respond(rebuild::handle(views, &source, &letters, command, worker, now).await)
        }
        "booking-resume" => {
            use booking::handlers::resume;
            write(&resume::handle(&remote, &DeadLetters(transport), read(payload)?).await)
        }
        "parking-command" => {
            use parking::handlers::command;
            respond(command::handle(&States(transport), read(payload)?, now(), new_id).await)
        }
        "parking-query" => {
            use parking::handlers::query;
            let (view, cursors) = (&environment.slots, Cursors::new(CURSOR_KEY));
            let request = read(payload)?;
            respond(query::handle(view, view.generations(), &cursors, request, now()).await)
        }
        "parking-project" => {
            use parking::handlers::project;
            let (views, throttle) = (environment.slots.generations(), &environment.throttle);
            let dead_letters = DeadLetters(transport);
            let project =
                async |records| project::handle(views, &dead_letters, throttle, now, records).await;
            write(&handle_records(read(payload)?, &dead_letters, project).await)
        }
        "parking-publish" => {
            use parking::handlers::publish;
            let (source, trigger) = (&Committed::<Slot>(transport, PhantomData), read(payload)?);
            let (bus, republish_queue, dead_letters) =
                (Bus(transport), RepublishQueue(transport), DeadLetters(transport));
            write(&publish::handle(source, &bus, &republish_queue, &dead_letters, trigger).await)
        }
        "parking-react" => {
            use parking::handlers::react;
            let (store, dead_letters) = (States(transport), DeadLetters(transport));
            write(&react::handle(&store, &dead_letters, read(payload)?, now, new_id).await)
        }
        "parking-rebuild" => {
            use parking::handlers::rebuild;
            let (views, source) = (environment.slots.generations(), States(transport));
            let (command, worker) = (read(payload)?, transport.name.as_str());
            let (source, letters) = (SlotRows(&source), DeadLetters(transport));
            respond(rebuild::handle(views, &source, &letters, command, worker, now).await)
        }
        "billing-command" => {
            use billing::handlers::command;
            let breaker = Arc::clone(&environment.breaker);
            let provider = GuardedProvider { provider: remote, breaker };
            let store = States(transport);
            let service = PaymentService { store, provider, now, new_id, total: total() };
            respond(command::handle(&service, read(payload)?).await)
        }
        "billing-breaker" => {
            use billing::handlers::breaker;
            let breakers = Breakers(Arc::clone(transport));
            let control = Control::new(breakers, BreakerTelemetry(Arc::clone(transport)));
            respond(breaker::handle(&control, read(payload)?).await)
        }
        "billing-query" => {
            use billing::handlers::query;
            respond(query::handle(&BillView(transport), read(payload)?).await)
        }
        "billing-project" => {
            use billing::handlers::project;
            let (view, dead_letters) = (BillView(transport), DeadLetters(transport));
            let project = async |records| project::handle(&view, &dead_letters, records).await;
            write(&handle_records(read(payload)?, &dead_letters, project).await)
        }
        "billing-publish" => {
            use billing::handlers::publish;
            let (source, trigger) = (&Committed::<Bill>(transport, PhantomData), read(payload)?);
            let (bus, republish_queue, dead_letters) =
                (Bus(transport), RepublishQueue(transport), DeadLetters(transport));
            write(&publish::handle(source, &bus, &republish_queue, &dead_letters, trigger).await)
        }
        "billing-react" => {
            use billing::handlers::react;
            let breaker = Arc::clone(&environment.breaker);
            let provider = GuardedProvider { provider: remote, breaker };
            let store = States(transport);
            let service = PaymentService { store, provider, now, new_id, total: total() };
            let due_after = SignedDuration::try_from(transport.world.plan.bill_due)
                .unwrap_or(SignedDuration::from_secs(900));
            let reminders = Reminders { transport, queue: BILLING_QUEUE };
            let (letters, trigger) = (DeadLetters(transport), read(payload)?);
            respond(
                react::handle(&service, &remote, &reminders, &letters, due_after, trigger).await,
            )
        }
        "payment-provider" | "mobile-bff" | "web-bff" | "operator-bff" => {
            let routes = environment.routes.clone().expect("it serves HTTP");
            let Ok(response) = api_gateway::lambda::respond(routes, read(payload)?).await;
            write(&response)
        }
        other => Err(Failed::new("ResourceNotFoundException", other)),
    }
}

/// What a function serves over HTTP, as its binary puts it together; nothing for one that takes other events.
pub(crate) fn routes(
    function: &str,
    transport: &Arc<FaultyTransport>,
    services: &Arc<bff::guarded::Guarded<Services, Breakers, BreakerTelemetry>>,
) -> Option<Router> {
    let shared = || Arc::clone(transport);
    let (of_now, of_ids, of_secrets) = (shared(), shared(), shared());
    let now = move || of_now.now();
    let new_id = move || of_ids.new_id();
    // Two ids make a secret of the length that there must be at least.
    let new_secret = move || format!("{}{}", of_secrets.new_id(), of_secrets.new_id());
    let runtime = Runtime::new(now.clone(), new_id.clone(), new_secret);
    match function {
        "payment-provider" => {
            let roles = Vec::new();
            let (issuer, audience) = ("none".to_owned(), "none".to_owned());
            let expectations = Expectations { issuer, audience, roles };
            let operators = Verifier::new(Inline("{}".to_owned()), expectations);
            let (ledger, key) = (Ledger::new(transport), PROVIDER_KEY.to_owned());
            Some(Provider::new(ledger, key, operators, Delays::default(), now).router())
        }
        "mobile-bff" => {
            let app = mobile_bff::App::new(Arc::clone(services), mobile_services());
            let adapter = HttpAdapter::new(mobile_bff::PROBLEMS, Origins::Any, new_id);
            Some(adapter.without_catching_panics().wrap(mobile_bff::router(app)))
        }
        "web-bff" => {
            let pages = pages(&web_bff::views::SITE, &runtime);
            let adapter = web_bff::adapter(&runtime).without_catching_panics();
            let app = web_bff::App::new(Arc::clone(services), web_services(), runtime);
            Some(web_bff::service(&pages, app, adapter))
        }
        "operator-bff" => {
            let pages = pages(&operator_bff::views::SITE, &runtime);
            let breakers = BreakerTelemetry(Arc::clone(transport));
            let breakers = Control::new(Breakers(Arc::clone(transport)), breakers);
            let config = operator(&transport.world.platform.wiring);
            let adapter = operator_bff::adapter(Origins::Any, &runtime).without_catching_panics();
            let (workflow, queues) = (OperatorPorts(shared()), OperatorPorts(shared()));
            let services = Arc::clone(services);
            let app = operator_bff::App::new(services, workflow, queues, breakers, config, runtime);
            Some(operator_bff::service(&pages, app, adapter))
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

/// The functions that a backend calls through circuit breakers, by the names of the breakers.
pub(crate) fn guarded(function: &str) -> Vec<(&'static str, String)> {
    let owned = |(name, at): (&'static str, &str)| (name, at.to_owned());
    match function {
        "mobile-bff" => mobile_services().guarded().map(owned).into(),
        "web-bff" => web_services().guarded().map(owned).into(),
        "operator-bff" => operator_services().guarded().map(owned).into(),
        _ => Vec::new(),
    }
}

/// Without an identity provider, as on a stage where none is configured: only bearer tokens are accepted.
fn pages(site: &'static Site, runtime: &Runtime) -> Pages<Inline, MemoryProvider> {
    let (issuer, audience) = ("none".to_owned(), "none".to_owned());
    let expectations = Expectations { issuer, audience, roles: Vec::new() };
    let keys = Inline("{\"keys\":[]}".to_owned());
    let settings =
        PagesSettings { keys, expectations, sign_in: SignInMethod::None, is_https: true };
    Pages::with_provider(site, settings, MemoryProvider::default(), runtime.clone())
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

/// The name of a function's queue in the operator API: the function, or the service whose events it consumes.
pub(crate) fn name_of_queue(function: &str) -> &str {
    function.strip_suffix("-react").unwrap_or(function)
}

fn operator(wiring: &Wiring) -> operator_bff::config::Config {
    let machine = |name: &str| {
        let arn = format!("arn:aws:states:us-east-1:000000000000:stateMachine:{name}");
        arn.parse().expect("it is one")
    };
    let queues = wiring.queue_sources.iter().map(|it| MonitoredQueue {
        name: name_of_queue(&it.function).to_owned(),
        url: it.queue.clone(),
        dead_letters_url: String::new(),
    });
    operator_bff::config::Config {
        services: operator_services(),
        origins: Origins::Any,
        booking_saga: machine("booking-saga"),
        booking_saga_compensation: machine("booking-saga-undo"),
        queues: queues.collect(),
        breakers_table: String::new(),
        breaker: breakers::settings(5_000),
    }
}

/// The price of a booking.
pub(crate) fn total() -> Money {
    TOTAL.parse().expect("it is money")
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Failed> {
    // As the runtime does if a handler cannot parse its payload.
    serde_json::from_slice(payload).map_err(|error| Failed::new("serde_json", error.to_string()))
}

fn write(response: &impl Serialize) -> Result<Vec<u8>, Failed> {
    serde_json::to_vec(response).map_err(|error| Failed::new("serde_json", error.to_string()))
}

fn respond<T: Serialize>(
    response: Result<T, service_error::ServiceError>,
) -> Result<Vec<u8>, Failed> {
    write(&response?)
}
