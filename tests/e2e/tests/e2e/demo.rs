//! `cargo xtask demo` on the running platform: the ids that it prints, and what it suggests to do with them.

use platform::{Platform, xtask};
use reqwest::Method;
use uuid::Uuid;

/// What stands between the heading and the next empty line.
fn section<'a>(printed: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = printed.lines().skip_while(|it| *it != heading).skip(1);
    lines.take_while(|it| !it.is_empty()).map(str::trim).collect()
}

async fn stdout(arguments: &[&str]) -> String {
    let output = xtask().args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_demo_prints_the_ids_of_its_bookings_and_suggests_commands_and_pages_that_work() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let printed = stdout(&["demo"]).await;
    let end_of = |line: &&str| line.rsplit(' ').next().unwrap().to_owned();
    let bookings: Vec<String> = section(&printed, "The bookings").iter().map(end_of).collect();
    assert_eq!(bookings.len(), 5, "{printed}");
    for id in &bookings {
        id.parse::<Uuid>().unwrap();
        assert!(printed.contains(&format!("booking is {id}")), "{printed}");
    }

    let suggested = section(&printed, "What to try next");
    let trace = suggested.iter().find_map(|it| it.strip_prefix("cargo xtask trace ")).unwrap();
    assert_eq!(trace, bookings[1], "Bob's booking, whose card is declined");
    let traced = stdout(&["trace", trace]).await;
    let first = format!("Booking {trace}: BookingFailed: payment_declined, saga failed");
    assert_eq!(traced.lines().next(), Some(&*first));

    let page = suggested.iter().find(|it| it.contains("/web/bookings/")).unwrap();
    assert_eq!(*page, format!("{}/web/bookings/{}", platform.api(), bookings[0]));
    let pages = suggested.iter().filter(|it| it.starts_with("http"));
    let places = section(&printed, "Where it is").into_iter().filter(|it| it.contains("pages"));
    let addresses: Vec<String> = pages.copied().chain(places).map(|it| end_of(&it)).collect();
    assert_eq!(addresses.len(), 4, "{printed}");
    for address in addresses {
        let shown = platform.send(Method::GET, &address, &[("accept", "text/html")], None).await;
        assert_eq!(shown.status, 200, "{address}");
        assert!(shown.text.contains("Sign in"), "{address}: {}", shown.text);
    }
}
