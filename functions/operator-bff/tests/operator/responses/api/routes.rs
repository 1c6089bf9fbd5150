//! Preflights, and addresses that no route has.

use super::{api, responses};
use crate::responses::FOREIGN;
use crate::responses::Sender::ProgramWithoutCaller;
use crate::support::{BOOKING, OperatorRequest as _, SLOT, Sent};

#[tokio::test]
async fn preflights() {
    let mut cases = Vec::new();
    for path in [
        "/operator/slots",
        "/operator/slots/{slotId}",
        "/operator/slots/{slotId}/close",
        "/operator/slots/{slotId}/reopen",
        "/operator/bookings",
        "/operator/bookings/{bookingId}/events",
        "/operator/bookings/{bookingId}/saga",
        "/operator/overview",
        "/operator/dead-letters",
        "/operator/dead-letters/{queue}/redrive",
        "/operator/dead-letters/{queue}/discard",
        "/operator/circuit-breakers",
        "/operator/circuit-breakers/{name}",
        "/operator/circuit-breakers/{name}/reset",
        "/operator/services/{service}/republish",
        "/operator/projections/{name}",
        "/operator/projections/{name}/rebuild",
        "/operator/projections/{name}/rollback",
    ] {
        let all = [
            ("slotId", SLOT),
            ("bookingId", BOOKING),
            ("queue", "booking"),
            ("name", "slots"),
            ("service", "booking"),
        ];
        let is_in_path = |(name, _): &(&str, &str)| path.contains(&format!("{{{name}}}"));
        let parameters: Vec<_> = all.into_iter().filter(is_in_path).collect();
        let case = |title: &str| {
            let sent = Sent::new("OPTIONS", path, &parameters);
            api(title, sent).by(ProgramWithoutCaller).down()
        };
        cases.push(case(path));
        cases.push(
            case(&format!("{path} from another origin"))
                .header("Origin", FOREIGN)
                .header("Access-Control-Request-Method", "POST"),
        );
    }
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn no_such_route() {
    let sent = Sent::new;
    insta::assert_snapshot!(
        responses([
            api("an unknown path", sent("GET", "/operator/cars", &[])).down(),
            api("an unknown path, no caller", sent("GET", "/operator/cars", &[]))
                .by(ProgramWithoutCaller)
                .down(),
            api("another method", sent("DELETE", "/operator/slots", &[])).down(),
            api("another method, no caller", sent("DELETE", "/operator/slots", &[]))
                .by(ProgramWithoutCaller)
                .down(),
        ])
        .await
    );
}
