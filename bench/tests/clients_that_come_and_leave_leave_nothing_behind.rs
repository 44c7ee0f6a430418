//! Clients come and leave in all ways, at the binary of this build. `cargo xtask soak` does the same for longer.

use std::collections::BTreeSet;

use bench::soak::{self, Options, Way};

#[tokio::test(flavor = "multi_thread")]
async fn forty_clients_after_the_warm_up() {
    let binary = bench::binary_of_this_build().unwrap();
    let directory = tempfile::tempdir().unwrap().keep();
    let seed = fastrand::u64(..);
    println!("seed {seed}; the data are kept in {} if this fails", directory.display());
    let options = Options { binary, directory: directory.clone(), visits: 40, per_minute: 240, seed };
    let report = soak::run(&options, |line| println!("{line}")).await.unwrap();
    assert_eq!(report.wrong, Vec::<String>::new());
    // A run in which nobody came would have proved nothing.
    let ways: BTreeSet<Way> = report.visits.keys().copied().collect();
    assert_eq!(ways, BTreeSet::from(Way::ALL));
    assert!(report.settled >= 40 && report.steady.0 >= 5, "{report:?}");
    std::fs::remove_dir_all(directory).unwrap();
}
