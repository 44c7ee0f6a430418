//! `kill -9` at random moments while realtime sessions run, on the binary of this build. `cargo xtask crash --sessions`
//! does the same for longer.

use bench::crash::{Options, sessions};

const ROUNDS: u32 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_kills() {
    let binary = bench::binary_of_this_build().unwrap();
    let directory = tempfile::tempdir().unwrap().keep();
    let seed = fastrand::u64(..);
    println!("seed {seed}; the data is kept in {} if this fails", directory.display());
    let options = Options { binary, directory: directory.clone(), rounds: ROUNDS, seed };
    let report = sessions::run(&options, |_| {}).await.unwrap();
    assert_eq!(report.wrong, Vec::<String>::new());
    // And the one in which nobody is disturbed, which alone has seconds to see.
    assert_eq!(report.rounds, ROUNDS + 1);
    assert!(report.connections >= 4 && report.ticks > 0 && report.refused > 0, "{report:?}");
    std::fs::remove_dir_all(directory).unwrap();
}
