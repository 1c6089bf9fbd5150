//! Files, addresses that no other route takes, and preflights.

use ::pages::assets::{ICON, SCRIPT};
use operator_bff::views::STYLE;

use super::{page, responses};
use crate::responses::FOREIGN;
use crate::responses::Sender::{Customer, OperatorByBearer, SignedOut};
use crate::support::{BOOKING, OperatorRequest as _, SLOT, Sent};

fn file(path: &str) -> Sent {
    let name = path.trim_start_matches("assets/");
    Sent::new("GET", "/operator/assets/{name}", &[("name", name)])
}

#[tokio::test]
async fn files() {
    let case = |title: &str, sent| page(title, sent).by(SignedOut).down();
    insta::assert_snapshot!(
        responses([
            case("the style sheet", file(STYLE.path())),
            case("the script", file(SCRIPT.path())),
            case("the icon", file(ICON.path())),
            case("everything is known", file(SCRIPT.path())).header("If-None-Match", "*"),
            case("another version", file("script.000000000000.js")),
            case("another version, a program", file("script.000000000000.js")).json(),
            case("a parameter, a program", file(SCRIPT.path()).query("v", "1")).json(),
        ])
        .await
    );
}

#[tokio::test]
async fn no_such_route() {
    let at = |method: &str| Sent::new(method, "/operator/{proxy+}", &[("proxy+", "nope/nope")]);
    let case = |title: &str, sent: Sent| page(title, sent).down();
    insta::assert_snapshot!(
        responses([
            case("GET", at("GET")),
            case("GET, signed out", at("GET")).by(SignedOut),
            case("GET, signed out, a program", at("GET")).by(SignedOut).json(),
            case("GET, a customer", at("GET")).by(Customer),
            case("GET, in the console", {
                Sent::new("GET", "/operator/{proxy+}", &[("proxy+", "room/nope")])
            }),
            case("HEAD, signed out", at("HEAD")).by(SignedOut),
            case("POST, signed out", at("POST")).by(SignedOut),
            case("POST, signed out, a program", at("POST")).by(SignedOut).json(),
            case("POST", at("POST")).fields(&[]),
            case("DELETE, by bearer token, a program", at("DELETE")).by(OperatorByBearer).json(),
            case("another method of a page", Sent::new("DELETE", "/operator/room/slots", &[])),
            case("another method of a page, a program", {
                Sent::new("DELETE", "/operator/room/slots", &[])
            })
            .by(OperatorByBearer)
            .json(),
        ])
        .await
    );
}

#[tokio::test]
async fn preflights() {
    let mut cases = Vec::new();
    for path in [
        "/operator",
        "/operator/sign-in",
        "/operator/signed-in",
        "/operator/sign-out",
        "/operator/assets/{name}",
        "/operator/room/bookings",
        "/operator/room/bookings/{bookingId}",
        "/operator/room/slots",
        "/operator/room/slots/{slotId}/close",
        "/operator/room/slots/{slotId}/reopen",
        "/operator/room/dead-letters",
        "/operator/room/dead-letters/{queue}/redrive",
        "/operator/room/dead-letters/{queue}/discard",
        "/operator/room/circuit-breakers",
        "/operator/room/circuit-breakers/{name}",
        "/operator/room/circuit-breakers/{name}/reset",
        "/operator/room/projections",
        "/operator/room/projections/{name}/rebuild",
        "/operator/room/projections/{name}/rollback",
        "/operator/{proxy+}",
    ] {
        let all = [
            ("slotId", SLOT),
            ("bookingId", BOOKING),
            ("queue", "booking"),
            ("name", "slots"),
            ("proxy+", "nope"),
        ];
        let is_in_path = |(name, _): &(&str, &str)| path.contains(&format!("{{{name}}}"));
        let parameters: Vec<_> = all.into_iter().filter(is_in_path).collect();
        let sent = || Sent::new("OPTIONS", path, &parameters);
        let case = |title: &str| page(title, sent()).by(SignedOut).down();
        cases.push(case(path));
        cases.push(
            case(&format!("{path} from another origin"))
                .header("Origin", FOREIGN)
                .header("Access-Control-Request-Method", "POST"),
        );
    }
    insta::assert_snapshot!(responses(cases).await);
}
