//! Everything about one booking: its events, its saga, its state at an earlier version, its money, its dead-letter messages.

use bff::compose::{Part, Report};
use contracts::billing::Bill;
use contracts::booking::{
    Booking, BookingAtVersion, BookingStatus, History, HistoryEvent, PaymentMode,
};
use contracts::id::BookingId;
use contracts::parking::Slot;
use jiff::Timestamp;
use maud::{Markup, PreEscaped, html};
use pages::format::{badge, money, short, time, until};
use pages::{Page, PageContext};

use super::{dead_letters, degraded_notice, labels};
use crate::queues::DeadLetterDto;
use crate::workflow::{ExecutionStatus, SagaDto, Step, StepStatus};

/// Under way, it changes by the second; later, money may still be on its way back.
const REFRESH_AFTER: (u32, u32) = (1, 5);
/// Width of the picture, in its own units.
const WIDTH: i64 = 1_000;
/// What is shorter can still be seen.
const BAR_MIN: i64 = 8;

/// What the page shows, as far as it is known.
#[derive(Debug)]
pub struct BookingDetail<'a> {
    /// The booking's id.
    pub booking_id: BookingId,
    /// The booking, as its view has it.
    pub booking: Option<&'a Booking>,
    /// All its events.
    pub history: Option<&'a History>,
    /// The version that is requested.
    pub version: Option<u64>,
    /// Its state at that version.
    pub at_version: Option<&'a BookingAtVersion>,
    /// Its saga; `None` if there is none.
    pub saga: &'a Part<Option<SagaDto>>,
    /// Its slot.
    pub slot: Option<&'a Slot>,
    /// Its bill; `None` if there is none.
    pub bill: &'a Part<Option<Bill>>,
    /// Dead-letter messages that name it.
    pub dead_letters: &'a [DeadLetterDto],
    /// Which parts are missing.
    pub report: &'a Report,
    /// The current time.
    pub now: Timestamp,
}

/// The page.
#[must_use]
pub fn render(context: &PageContext, detail: &BookingDetail<'_>) -> String {
    let id = detail.booking_id.to_string();
    let title = format!("Booking …{}", short(&id));
    let status = detail.booking.map(|it| it.status);
    let main = html! {
        p .crumb { a href=(context.link("room/bookings")) { "Bookings" } }
        div .head { h1 { (title) } @if let Some(status) = status { (labels::badge(labels::booking(status))) } }
        (degraded_notice(detail.report))
        (facts(detail))
        @if let Some(Some(saga)) = detail.saga.value() { (picture(saga, detail.now)) }
        @if let Some(history) = detail.history { (events(context, &id, detail, history)) }
        (bill(detail))
        @if !detail.dead_letters.is_empty() {
            section aria-labelledby="letters" {
                h2 #letters { "Dead letters that name it" }
                @for message in detail.dead_letters { (dead_letters::card(message, html! {})) }
                p { a href=(context.link("room/dead-letters")) { "To all dead letters" } }
            }
        }
    };
    let is_live = status.is_none_or(|it| it == BookingStatus::Pending);
    let refresh_after = Some(if is_live { REFRESH_AFTER.0 } else { REFRESH_AFTER.1 });
    Page { context, title: &title, refresh_after, main }.render()
}

fn facts(detail: &BookingDetail<'_>) -> Markup {
    html! {
        dl .card {
            dt { "Id" } dd { code { (detail.booking_id) } }
            @if let Some(booking) = detail.booking {
                dt { "Customer" } dd { (booking.customer.0) }
                dt { "Paid by" } dd { (labels::mode(booking.mode)) }
                @if let Some(reason) = booking.reason { dt { "Reason" } dd { (labels::reason(reason)) } }
                dt { "Slot" }
                dd {
                    @if let Some(slot) = detail.slot { (slot.name) " " (labels::badge(labels::slot(slot.status))) }
                    @else { code { (booking.slot_id) } }
                }
                dt { "Created" } dd { (time(booking.created_at)) }
                dt { "Last change" } dd { (time(booking.updated_at)) ", version " (booking.version) }
            }
        }
    }
}

/// The saga's steps on one line of time.
fn picture(saga: &SagaDto, now: Timestamp) -> Markup {
    let begin = saga.steps.first().map_or(now, |it| it.started_at);
    let end = saga.steps.iter().map(|it| it.ended_at.unwrap_or(now)).max().unwrap_or(now);
    let whole = end.duration_since(begin);
    html! {
        section aria-labelledby="saga" {
            div .head {
                h2 #saga { "Saga" } (badge(labels::execution(saga.status)))
                span .hint { (saga.steps.len()) " steps in " (labels::took(whole)) }
            }
            table .list.saga {
                thead { tr {
                    th scope="col" { "Step" } th scope="col" { "Outcome" } th scope="col" { "Took" } th scope="col" { "When" }
                } }
                tbody { @for step in &saga.steps { (row(step, begin, end, now)) } }
            }
            @if let Some(error) = &saga.error {
                p { "Ended with " strong { (error) } @if let Some(cause) = &saga.cause { ": " (cause) } }
            }
        }
    }
}

fn row(step: &Step, begin: Timestamp, end: Timestamp, now: Timestamp) -> Markup {
    let ended = step.ended_at.unwrap_or(now);
    let from = step.started_at.duration_since(begin);
    let took = ended.duration_since(step.started_at);
    html! {
        tr {
            td { (step.name) }
            td {
                (badge(labels::step(step.status)))
                @if step.attempts > 1 { " " span .hint { (step.attempts) " tries" } }
                @if let Some(error) = &step.error {
                    div .hint { (error) @if let Some(why) = &step.detail { ": " (why) } }
                }
            }
            td { (labels::took(took)) }
            td { (bar(step.status, begin, end, step.started_at, ended, &labels::took(from))) }
        }
    }
}

/// A bar from a step's beginning to its end, on the time of the whole saga.
fn bar(
    status: StepStatus,
    begin: Timestamp,
    end: Timestamp,
    from: Timestamp,
    to: Timestamp,
    after: &str,
) -> Markup {
    let whole = end.duration_since(begin).as_millis().max(1);
    let at = |time: Timestamp| {
        let passed = time.duration_since(begin).as_millis().max(0);
        i64::try_from(passed * i128::from(WIDTH) / whole).unwrap_or(WIDTH).min(WIDTH)
    };
    let x = at(from).min(WIDTH - BAR_MIN);
    let width = (at(to) - x).max(BAR_MIN);
    let kind = match status {
        StepStatus::Running => "running",
        StepStatus::Succeeded => "succeeded",
        StepStatus::Failed => "failed",
    };
    // All of it is numbers and words of ours.
    html! {
        svg .bar viewBox=(format!("0 0 {WIDTH} 10")) preserveAspectRatio="none" role="img" aria-label=(format!("started after {after}")) {
            (PreEscaped(format!(
                "<rect class=\"track\" width=\"{WIDTH}\" height=\"10\"/><rect class=\"{kind}\" x=\"{x}\" width=\"{width}\" height=\"10\"/>"
            )))
        }
    }
}

fn events(
    context: &PageContext,
    id: &str,
    detail: &BookingDetail<'_>,
    history: &History,
) -> Markup {
    let last = history.events.last().map_or(0, |it| it.version);
    let page = context.link(&format!("room/bookings/{id}"));
    let chosen = detail.version.unwrap_or(last);
    html! {
        section aria-labelledby="events" {
            h2 #events { "Events" }
            p .hint { "Each event is published under its id after it is stored." }
            table .list {
                thead { tr {
                    th scope="col" { "Version" } th scope="col" { "Event" } th scope="col" { "Data" } th scope="col" { "When" }
                } }
                tbody { @for event in &history.events { (self::event(&page, event, chosen)) } }
            }
            @if last > 0 {
                form .inline method="get" action=(page) {
                    div {
                        label for="version" { "State at version" }
                        input #version type="range" name="version" min="1" max=(last) step="1" value=(chosen) list="versions";
                        datalist #versions { @for event in &history.events { option value=(event.version) label=(event.version) {} } }
                    }
                    button .quiet type="submit" { "Show" }
                }
            }
            (at_version(detail))
        }
    }
}

fn event(page: &str, event: &HistoryEvent, chosen: u64) -> Markup {
    let is_chosen = event.version == chosen;
    html! {
        tr {
            td { a href=(format!("{page}?version={}", event.version)) aria-current=[is_chosen.then_some("true")] { (event.version) } }
            td { strong { (event.kind) } }
            td {
                details { summary { "Data" span .sr { " of version " (event.version) } }
                    dl {
                        @if let Some(data) = event.data.as_object() {
                            @for (name, value) in data { dt { (name) } dd { code { (plain(value)) } } }
                        }
                        dt { "id" } dd { code { (event.id) } }
                        dt { "Causation ID" } dd { code { (event.causation_id) } }
                        dt { "Correlation ID" } dd { code { (event.correlation_id) } }
                    }
                }
            }
            td { (time(event.occurred_at)) }
        }
    }
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn at_version(detail: &BookingDetail<'_>) -> Markup {
    let Some(version) = detail.version else { return html! {} };
    html! {
        div .card role="status" {
            h3 { "At version " (version) }
            @if let Some(booking) = detail.at_version {
                dl {
                    dt { "State" } dd { (labels::badge(labels::booking(booking.status))) }
                    dt { "Paid by" } dd { (labels::mode(booking.mode)) }
                    @if let Some(reason) = booking.reason { dt { "Reason" } dd { (labels::reason(reason)) } }
                }
            } @else { p { "There is no such version." } }
        }
    }
}

/// Why there is no bill, by the saga's own history: a bill that is missing says nothing of what the saga has tried.
fn no_bill(is_instant: bool, saga: &Part<Option<SagaDto>>) -> String {
    const PAYMENT: &str = "AuthorisePayment";
    const REFUND: &str = "RefundPayment";
    if !is_instant {
        return "No bill is recorded yet.".to_owned();
    }
    let Some(saga) = saga.value() else {
        return "No bill is recorded. The saga’s history is currently unavailable, so it is unknown whether a payment was tried."
            .to_owned();
    };
    let Some(saga) = saga else {
        return "No bill is recorded: the saga has not started.".to_owned();
    };
    let last = |name: &str| saga.steps.iter().rev().find(|step| step.name == name);
    let Some(step) = last(PAYMENT) else {
        return match saga.status {
            ExecutionStatus::Running | ExecutionStatus::PendingRedrive => {
                format!("No bill is recorded yet: the saga has not reached {PAYMENT}.")
            }
            ExecutionStatus::Succeeded
            | ExecutionStatus::Failed
            | ExecutionStatus::TimedOut
            | ExecutionStatus::Aborted => {
                format!("No bill is recorded: the saga ended before {PAYMENT}.")
            }
        };
    };
    let tries = match step.attempts {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    let tried = match step.status {
        StepStatus::Running => {
            format!("No bill is recorded yet: {PAYMENT} is running, tried {tries}.")
        }
        StepStatus::Succeeded => {
            format!("{PAYMENT} succeeded; billing’s view does not show the bill yet.")
        }
        StepStatus::Failed => {
            let why = step.detail.as_deref().or(step.error.as_deref());
            let why = why.map(|it| format!(" ({it})")).unwrap_or_default();
            format!("{PAYMENT} was tried {tries} and failed{why}. No bill is recorded.")
        }
    };
    let refund = match last(REFUND).map(|step| step.status) {
        None => "",
        Some(StepStatus::Running) => " RefundPayment is running.",
        Some(StepStatus::Succeeded) => {
            " RefundPayment succeeded: no money is held, and billing rejects any later charge."
        }
        Some(StepStatus::Failed) => " RefundPayment failed: check the payment provider’s ledger.",
    };
    format!("{tried}{refund}")
}

fn bill(detail: &BookingDetail<'_>) -> Markup {
    let is_instant = detail.booking.is_some_and(|it| it.mode == PaymentMode::Instant);
    html! {
        section aria-labelledby="money" {
            h2 #money { "Money" }
            @match detail.bill.value() {
                None => p { "Billing is currently unavailable." },
                Some(None) => p { (no_bill(is_instant, detail.saga)) },
                Some(Some(bill)) => {
                    dl .card {
                        dt { "Bill" } dd { (badge(labels::bill(bill.status))) }
                        dt { "Total" } dd { (money(&bill.total.to_string())) }
                        dt { "Paid, less refunds" } dd { (money(&bill.paid.to_string())) }
                        @if let Some(due) = bill.due_at { dt { "Due" } dd { (until(due, detail.now)) } }
                    }
                    @if !bill.payments.is_empty() {
                        table .list {
                            thead { tr {
                                th scope="col" { "Payment" } th scope="col" { "Outcome" } th scope="col" { "Amount" } th scope="col" { "Requested" }
                            } }
                            tbody { @for payment in &bill.payments {
                                tr {
                                    td { code { "…" (short(&payment.payment_id.to_string())) } }
                                    td {
                                        (badge(labels::payment(payment.status)))
                                        @if let Some(reason) = &payment.reason { " " span .hint { (reason) } }
                                    }
                                    td { (money(&payment.amount.to_string())) }
                                    td { (time(payment.requested_at)) }
                                }
                            } }
                        }
                    }
                }
            }
        }
    }
}
