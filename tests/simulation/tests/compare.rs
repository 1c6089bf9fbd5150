//! Both sagas end every scenario in the same way, and the docs page shows the measured figures.

use simulation::compare::{Prices, compare, table};

#[test]
fn every_scenario_ends_as_expected_with_both_sagas() {
    for result in compare() {
        let (scenario, saga) = (result.scenario, result.saga);
        assert!(
            result.violations.is_empty(),
            "{}{scenario}, {saga}: {:#?}",
            result.log,
            result.violations
        );
    }
}

#[test]
fn the_page_shows_the_measured_figures() {
    let page = include_str!("../../../docs/patterns/sagas-compared.md");
    let table = table(&compare(), &Prices::listed());
    assert!(
        page.contains(&table),
        "docs/patterns/sagas-compared.md is out of date; `cargo xtask simulate --compare` prints\n{table}"
    );
}
