//! The shape of the repository: who may see whom, what every file owes its reader, what is drawn.

#[test]
fn dependencies_point_in_one_direction() {
    let wrong = xtask::direction::violations(&xtask::root()).unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_source_file_is_short_and_says_what_it_is_for() {
    let untidy = xtask::tidy::untidy_sources(&xtask::root()).unwrap();
    assert!(untidy.is_empty(), "{untidy:#?}");
}

#[test]
fn the_life_of_an_order_names_only_what_exists() {
    let missing = xtask::tidy::missing_symbols(&xtask::root()).unwrap();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_saga_diagrams_show_the_state_machines_as_they_are() {
    for (path, text) in xtask::diagrams::render_all(&xtask::root()).unwrap() {
        let drawn = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(drawn, text, "{}: run `cargo xtask diagrams`", path.display());
    }
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let broken = xtask::promises::broken(&xtask::root()).unwrap();
    assert!(broken.is_empty(), "{broken:#?}");
}
