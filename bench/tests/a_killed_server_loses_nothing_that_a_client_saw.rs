//! `kill -9` at random moments, on the binary of this build. `cargo xtask crash` does the same for longer.

use bench::crash::{self, Options};

const ROUNDS: u32 = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_kills() {
    let binary = bench::binary_of_this_build().unwrap();
    let directory = tempfile::tempdir().unwrap().keep();
    let seed = fastrand::u64(..);
    println!("seed {seed}; the data is kept in {} if this fails", directory.display());
    let options = Options { binary, directory: directory.clone(), rounds: ROUNDS, seed };
    let report = crash::run(&options, |_| {}).await.unwrap();
    assert_eq!(report.wrong, Vec::<String>::new());
    assert_eq!(report.rounds, ROUNDS);
    // A run in which nobody heard anything would have proved nothing.
    assert!(report.messages > 12 && report.events > 100, "{report:?}");
    std::fs::remove_dir_all(directory).unwrap();
}
