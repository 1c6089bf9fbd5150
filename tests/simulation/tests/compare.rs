//! The scenarios come to the same end over both sagas, and the page tells of them what is so.

use simulation::compare::{Prices, compare, table};

#[test]
fn every_scenario_ends_as_it_must_over_both_sagas() {
    for played in compare() {
        let (scenario, saga) = (played.scenario, played.saga);
        assert!(
            played.broken.is_empty(),
            "{}{scenario}, {saga}: {:#?}",
            played.story,
            played.broken
        );
    }
}

#[test]
fn the_page_shows_what_is_measured() {
    let page = include_str!("../../../docs/patterns/sagas-compared.md");
    let table = table(&compare(), &Prices::listed());
    assert!(
        page.contains(&table),
        "docs/patterns/sagas-compared.md is out of date; `cargo xtask simulate --compare` prints\n{table}"
    );
}
