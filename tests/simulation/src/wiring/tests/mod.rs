//! The wiring of the templates as they are.

mod rejected;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Redrive, StreamSource, Wiring};
use crate::{DEFINITIONS, TEMPLATES};

const INFRA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra");

fn platform() -> Wiring {
    Wiring::read(&TEMPLATES, &BTreeMap::new()).expect("the templates are understood")
}

fn rejected(templates: &[(&str, &str)], settings: &[(&str, &str)]) -> String {
    Wiring::read(templates, &map(settings)).expect_err("it is refused").to_string()
}

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

// ---- What is there --------------------------------------------------------------------------------------------------

#[test]
fn every_template_is_read() {
    let files = fs::read_dir(INFRA).expect("there are templates");
    let files = files.map(|it| it.expect("listed").file_name().into_string().expect("a text"));
    let known = TEMPLATES.map(|(stack, _)| format!("{stack}.yaml"));
    assert_eq!(files.collect::<BTreeSet<_>>(), BTreeSet::from(known));
}

#[test]
fn every_function_is_found_with_its_timeout() {
    let platform = platform();
    let found = platform.functions.iter().map(|(name, it)| (name.as_str(), it.timeout.as_secs()));
    let expected = [
        ("billing-breaker", 6),
        ("billing-command", 10),
        ("billing-project", 6),
        ("billing-publish", 30),
        ("billing-query", 6),
        ("billing-react", 15),
        ("booking-command", 6),
        ("booking-project", 6),
        ("booking-publish", 30),
        ("booking-query", 6),
        ("booking-react", 6),
        ("booking-rebuild", 900),
        ("booking-resume", 6),
        ("gateway-authorize", 6),
        ("gateway-docs", 6),
        ("mobile-bff", 15),
        ("operator-bff", 15),
        ("parking-command", 6),
        ("parking-project", 6),
        ("parking-publish", 30),
        ("parking-query", 6),
        ("parking-react", 6),
        ("parking-rebuild", 900),
        ("payment-provider", 15),
        ("web-bff", 15),
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
    assert_eq!(platform.functions["billing-react"].resource, "billing/ReactFunction");
}

#[test]
fn an_asynchronous_invocation_is_retried_twice_unless_it_is_scheduled() {
    for (name, function) in platform().functions {
        // The next scheduled run replaces a failed one.
        let retries = if name == "billing-react" { 0 } else { 2 };
        assert_eq!(function.retries_when_async, retries, "{name}");
        let service = name.strip_suffix("-rebuild");
        let failures = service.map(|service| format!("{service}/RebuildDeadLetters"));
        assert_eq!(function.failures_to, failures, "{name}");
    }
}

#[test]
fn the_visibility_timeout_is_that_of_aws_not_of_the_local_stage() {
    let platform = platform();
    for (name, visible_after_s) in [("billing", 90), ("booking", 36), ("parking", 36)] {
        let queue = &platform.queues[&format!("{name}/Queue")];
        assert_eq!(queue.visibility, Duration::from_secs(visible_after_s), "{name}");
        assert_eq!(queue.delay, Duration::ZERO, "{name}");
        assert_eq!(queue.retention, Duration::from_secs(4 * 86_400), "{name}");
        let dead_letters = format!("{name}/QueueDeadLetters");
        assert_eq!(queue.redrive, Some(Redrive { receives_max: 8, dead_letters }), "{name}");
    }
}

#[test]
fn every_failure_destination_is_an_existing_queue() {
    let platform = platform();
    let failures_to = (platform.queues.values())
        .filter_map(|it| Some(it.redrive.as_ref()?.dead_letters.clone()))
        .chain(platform.functions.values().filter_map(|it| it.failures_to.clone()))
        .chain(platform.rules.iter().filter_map(|it| it.dead_letters.clone()))
        .chain(platform.stream_sources.iter().map(|it| it.failures_to.clone()));
    let failures_to: BTreeSet<String> = failures_to.collect();
    let all = platform.queues.keys().filter(|name| name.ends_with("DeadLetters")).cloned();
    assert_eq!(failures_to, all.collect(), "each is used, and none is missing");
    assert!(failures_to.iter().all(|name| platform.queues[name].redrive.is_none()));
}

#[test]
fn billing_reconciles_due_bills_once_a_minute() {
    let schedules = platform().schedules;
    let [sweep] = schedules.as_slice() else { unreachable!("one schedule: {schedules:?}") };
    assert_eq!(sweep.name, "billing/SweepRule");
    assert_eq!(sweep.every, Duration::from_secs(60));
    assert_eq!(sweep.function, "billing-react");
    assert_eq!(sweep.input, json!({"sweep": "due"}));
}

#[test]
fn every_function_with_dead_letters_reads_a_queue_of_its_own() {
    let wiring = platform();
    let sources = &wiring.queue_sources;
    let found = sources.iter().map(|it| (it.queue.as_str(), it.function.as_str()));
    let expected = [
        ("billing/ProjectQueue", "billing-project"),
        ("billing/PublishQueue", "billing-publish"),
        ("billing/Queue", "billing-react"),
        ("booking/ProjectQueue", "booking-project"),
        ("booking/PublishQueue", "booking-publish"),
        ("booking/Queue", "booking-react"),
        ("booking/RebuildQueue", "booking-rebuild"),
        ("booking/ResumeQueue", "booking-resume"),
        ("parking/ProjectQueue", "parking-project"),
        ("parking/PublishQueue", "parking-publish"),
        ("parking/Queue", "parking-react"),
        ("parking/RebuildQueue", "parking-rebuild"),
    ];
    assert_eq!(found.collect::<BTreeSet<_>>(), BTreeSet::from(expected));
    for source in sources {
        let of_events = source.function.ends_with("-react");
        assert_eq!(source.concurrency_max, if of_events { 10 } else { 2 }, "{}", source.queue);
        let dead_letters = wiring.queues[&source.queue].redrive.clone().map(|it| it.dead_letters);
        let back = dead_letters.as_deref().and_then(|it| wiring.queue_of_dead_letters(it));
        assert_eq!(
            back,
            Some(source.queue.as_str()),
            "they are redriven to the queue that they came from"
        );
    }
}

#[test]
fn an_execution_that_is_timed_out_or_aborted_is_recovered() {
    let platform = platform();
    let [end] = platform.ends.as_slice() else { unreachable!("one rule: {:?}", platform.ends) };
    assert_eq!(end.machines, ["booking/BookingSaga", "booking/BookingSagaUndo"]);
    assert_eq!(end.statuses, ["TIMED_OUT", "ABORTED"]);
    assert_eq!(end.queue, "booking/ResumeQueue");
}

#[test]
fn every_substitution_of_a_machine_resolves_to_a_binary_or_a_queue() {
    let platform = platform();
    let binaries = [
        ("BillingCommandFunctionArn", "billing-command"),
        ("BookingCommandFunctionArn", "booking-command"),
        ("ParkingCommandFunctionArn", "parking-command"),
    ];
    let queues = [("ResumeDeadLettersUrl", "booking/ResumeDeadLetters")];
    for (file, definition) in DEFINITIONS {
        let machine = platform.machines.values().find(|it| it.definition == file);
        let machine = machine.unwrap_or_else(|| unreachable!("no template deploys {file}"));
        assert_eq!(machine.substitutions, map(&binaries));
        assert_eq!(machine.queues, map(&queues));
        let used = definition.split("${").skip(1);
        let used = used.filter_map(|rest| Some(rest.split_once('}')?.0.to_owned()));
        let given = machine.substitutions.keys().chain(machine.queues.keys());
        assert_eq!(used.collect::<BTreeSet<_>>(), given.cloned().collect());
    }
    assert_eq!(platform.machines.len(), DEFINITIONS.len());
}

// ---- From the bus to the queues -------------------------------------------------------------------------------------

#[test]
fn exactly_the_events_that_a_consumer_handles_reach_its_queue_once() {
    let platform = platform();
    assert_eq!(platform.bus.as_deref(), Some("bus/Bus"));
    let invoice = json!({"bookingId": "b", "payment": {"mode": "invoice"}});
    let instant = json!({"bookingId": "b", "payment": {"mode": "instant", "token": "tok_ok"}});
    let none: [&str; 0] = [];
    for (source, kind, data, queues) in [
        ("booking", "BookingCreated", invoice.clone(), &["billing/Queue"][..]),
        ("booking", "BookingCreated", instant.clone(), &["booking/Queue"]),
        ("booking", "BookingReserved", json!({}), &none),
        ("booking", "BookingCompleted", json!({}), &none),
        ("booking", "BookingFailed", json!({}), &["billing/Queue", "parking/Queue"]),
        ("booking", "BookingCancelled", json!({}), &["billing/Queue", "parking/Queue"]),
        ("booking", "BookingCheckedOut", json!({}), &["parking/Queue"]),
        ("parking", "SlotCreated", json!({}), &none),
        ("parking", "SlotBlocked", json!({}), &none),
        ("parking", "SlotUnblocked", json!({}), &none),
        ("parking", "SlotReserved", json!({}), &["booking/Queue"]),
        ("parking", "SlotUnavailable", json!({}), &["booking/Queue"]),
        ("parking", "SlotReleased", json!({}), &none),
        ("parking", "SlotClosed", json!({}), &none),
        ("parking", "SlotReopened", json!({}), &none),
        ("billing", "BillIssued", json!({"mode": "invoice"}), &none),
        ("billing", "BillPaid", json!({"mode": "invoice"}), &["parking/Queue"]),
        ("billing", "BillPaid", json!({"mode": "instant"}), &none),
        ("billing", "BillRefunded", json!({}), &none),
        ("billing", "BillExpired", json!({}), &["booking/Queue"]),
        ("billing", "PaymentDeclined", json!({}), &none),
        // An event of the same name from another source.
        ("parking", "BookingCreated", invoice, &none),
        ("billing", "SlotReserved", json!({}), &none),
    ] {
        let event = json!({
            "source": format!("parkade.{source}"),
            "detail-type": kind,
            "detail": {"type": kind, "data": data},
        });
        let reached = platform.rules_for(&event).map(|rule| rule.queue.as_str());
        assert_eq!(reached.collect::<Vec<_>>(), queues, "{event}");
    }
}

// ---- From the tables to the functions -------------------------------------------------------------------------------

fn record(keys: &Value) -> Value {
    json!({
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "dynamodb": {"Keys": keys, "NewImage": keys, "StreamViewType": "NEW_IMAGE"},
    })
}

fn followers<'a>(platform: &'a Wiring, table: &str) -> Vec<&'a StreamSource> {
    platform.stream_sources.iter().filter(|it| it.table == table).collect()
}

#[test]
fn each_write_model_has_a_projector_and_a_publisher() {
    let platform = platform();
    assert_eq!(platform.stream_sources.len(), 6);
    for (service, table) in [("billing", "Bills"), ("booking", "Bookings"), ("parking", "Slots")] {
        let followers = followers(&platform, &format!("{service}/{table}Table"));
        let found = followers.iter().map(|it| (it.function.clone(), it.failures_to.clone()));
        let expected = [("project", "Project"), ("publish", "Publish")].map(|(role, resource)| {
            (format!("{service}-{role}"), format!("{service}/{resource}DeadLetters"))
        });
        assert_eq!(found.collect::<Vec<_>>(), expected);
        for source in followers {
            assert_eq!((source.batch_max, source.retries_max), (100, 10_000), "{source:?}");
            assert_eq!(source.record_age_max, Duration::from_secs(12 * 3_600), "{source:?}");
            assert!(source.bisects, "{source:?}");
        }
    }
}

#[test]
fn records_of_other_items_than_states_are_filtered_out() {
    let platform = platform();
    for table in ["billing/BillsTable", "parking/SlotsTable"] {
        for source in followers(&platform, table) {
            let part = |part: &str| record(&json!({"id": {"S": "1"}, "part": {"S": part}}));
            assert!(source.passes(&part("state")), "{}", source.function);
            for other in ["bar#booking-1", "state#", ""] {
                assert!(!source.passes(&part(other)), "{} gets {other}", source.function);
            }
            // Keys without their types are not the keys of a record.
            assert!(!source.passes(&record(&json!({"id": "1", "part": "state"}))));
        }
    }
}

#[test]
fn every_commit_of_a_booking_passes_the_filters() {
    let commit = record(&json!({"stream": {"S": "booking-1"}, "version": {"N": "1"}}));
    for source in followers(&platform(), "booking/BookingsTable") {
        assert!(source.filters.is_empty() && source.passes(&commit), "{}", source.function);
    }
}

// ---- Settings -------------------------------------------------------------------------------------------------------

#[test]
fn a_setting_replaces_a_default() {
    let template = "
Parameters:
  Hidden: {Type: Number, Default: 20}
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties: {VisibilityTimeout: !Ref Hidden}
";
    for (settings, seconds) in [(&[][..], 20), (&[("Hidden", "45")], 45)] {
        let wiring = Wiring::read(&[("s", template)], &map(settings)).expect("read");
        assert_eq!(wiring.queues["s/Queue"].visibility, Duration::from_secs(seconds));
    }
}

#[test]
fn an_unused_setting_and_the_local_stage_are_rejected() {
    let unknown = rejected(&TEMPLATES, &[("BillDueSecond", "1")]);
    assert_eq!(unknown, "BillDueSecond: no template has such a parameter");
    let local = rejected(&TEMPLATES, &[("Stage", "local")]);
    assert_eq!(local, "Stage: the wiring is read as for AWS");
    let other = Wiring::read(&TEMPLATES, &map(&[("Stage", "production")])).expect("read");
    assert_eq!(other, platform(), "all stages on AWS are wired alike");
}
