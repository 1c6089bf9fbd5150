//! `GET /web/bookings`: the customer's bookings.

use bff::memory::Reply;
use serde_json::json;

use crate::responses::{access, all_down, case, responses, without_bookings, without_parking};
use crate::support::{Routes as _, Sent, rejected};

fn get() -> Sent {
    Sent::get("/web/bookings")
}

#[tokio::test]
async fn who_may_see_them() {
    insta::assert_snapshot!(responses(access::page(get)).await);
}

#[tokio::test]
async fn what_is_requested() {
    let bad = |title: &str, name: &str, value: &str| {
        case(title, get().query(name, value)).with(all_down).json()
    };
    insta::assert_snapshot!(
        responses([
            case("from a cursor", get().query("cursor", "b1").query("limit", "1")),
            case("with a slash at the end", get().path("/web/bookings/")),
            case("a limit of 0", get().query("limit", "0")).with(all_down),
            bad("a limit of 0, a program", "limit", "0"),
            bad("a limit of 101, a program", "limit", "101"),
            bad("a limit that is no number, a program", "limit", "x"),
            bad("an empty limit, a program", "limit", ""),
            bad("an empty cursor, a program", "cursor", ""),
            bad("to resume, a program", "resume", "form"),
            case("a parameter twice, a program", get().twice("limit", ["1", "2"])).json(),
            case("a cursor of another list", get().query("cursor", "zzz"))
                .with(|_, _| rejected("validation", "cursor is not one of ours")),
            case("a cursor of another list, a program", get().query("cursor", "zzz"))
                .with(|_, _| rejected("validation", "cursor is not one of ours"))
                .json(),
            case("everything is known", get()).header("If-None-Match", "*"),
        ])
        .await
    );
}

#[tokio::test]
async fn what_is_missing() {
    insta::assert_snapshot!(
        responses([
            case("no bookings", get()).with(|_, _| Reply::Response(json!({"items": []}))),
            case("no more bookings", get().query("cursor", "b9"))
                .with(|_, _| Reply::Response(json!({"items": []}))),
            case("parking is down", get()).with(without_parking),
            case("booking is down", get()).with(without_bookings),
            case("booking is down, a program", get()).with(without_bookings).json(),
        ])
        .await
    );
}
