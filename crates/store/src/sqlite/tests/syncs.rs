//! Disks made by hand: what waits for them, and what becomes of a store whose disk has failed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use super::*;
use crate::{Attribute, Compaction, Global};

#[tokio::test]
async fn streams_do_not_wait_for_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    let (release, released) = mpsc::channel();
    let (store, _) = Sqlite::open_with(dir.path(), move |_| {
        released.recv().unwrap();
        Ok(())
    })
    .unwrap();
    store.begin_turn(beginning("sealing", "t1")).await.unwrap();
    let mut sealed = store.seal(sealing("sealing", "t1"));
    store.begin_turn(beginning("streaming", "t2")).await.unwrap();
    for seq in 2..100 {
        journal(&store, "streaming", "t2", vec![says(seq, 2, "x")]).await.unwrap();
    }
    assert_eq!(futures_util::poll!(&mut sealed), std::task::Poll::Pending);
    release.send(()).unwrap();
    assert_eq!(sealed.await, Ok(Sealed { last_seq: 1 }));
}

#[tokio::test]
async fn what_has_to_outlive_a_power_cut_waits_for_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (release, released) = mpsc::channel();
    let (store, _) = Sqlite::open_with(dir.path(), move |_| {
        released.recv().unwrap();
        Ok(())
    })
    .unwrap();
    let (store, c) = (&store, id("c"));
    let message = |id: &str| QueuedMessage {
        id: id.to_owned(),
        text: "?".to_owned(),
        queued_at: 1,
        client_message_id: None,
    };
    let mut enqueued = store.enqueue(&c, message("a"));
    let mut dequeued = store.dequeue(&c, vec!["a".to_owned()]);
    let mut set = store.set(&c, 1, Setting::Cwd(None));
    let mut closed = store.close(&c);
    let mut kept = store.set_attribute(&c, 1, Attribute::Todos, Some("[]".to_owned()));
    let mut kept_once = store.set_global(Global::SystemPrompt, None);
    let mut compacted = store.compact(Compaction {
        conversation: c.clone(),
        archive: id("archive"),
        summary: "summary".to_owned(),
        keep_from: None,
        last_seq: 0,
    });
    let mut deleted = store.delete(&id("archive"));
    store.begin_turn(beginning("c", "t")).await.unwrap();
    let mut sealed = store.seal(sealing("c", "t"));
    // Answered when all of them are committed.
    store.begin_turn(beginning("d", "t2")).await.unwrap();
    assert!(futures_util::poll!(&mut enqueued).is_pending());
    assert!(futures_util::poll!(&mut dequeued).is_pending());
    assert!(futures_util::poll!(&mut set).is_pending());
    assert!(futures_util::poll!(&mut closed).is_pending());
    assert!(futures_util::poll!(&mut kept).is_pending());
    assert!(futures_util::poll!(&mut kept_once).is_pending());
    assert!(futures_util::poll!(&mut compacted).is_pending());
    assert!(futures_util::poll!(&mut deleted).is_pending());
    assert!(futures_util::poll!(&mut sealed).is_pending());
    // One sync for those that were committed when it began, at most one each.
    for _ in 0..9 {
        release.send(()).unwrap();
    }
    assert_eq!(enqueued.await, Ok(vec![message("a")]));
    assert_eq!(dequeued.await, Ok(vec![message("a")]));
    assert_eq!(set.await, Ok(()));
    assert_eq!(closed.await, Ok(true));
    assert_eq!(kept.await, Ok(()));
    assert_eq!(kept_once.await, Ok(()));
    assert_eq!(compacted.await, Ok(()));
    assert_eq!(deleted.await, Ok(true));
    assert_eq!(sealed.await, Ok(Sealed { last_seq: 2 }));
}

#[tokio::test]
async fn many_seals_share_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    let syncs = Arc::new(AtomicUsize::new(0));
    let (release, released) = mpsc::channel();
    let counter = Arc::clone(&syncs);
    let (store, _) = Sqlite::open_with(dir.path(), move |_| {
        if counter.fetch_add(1, Ordering::SeqCst) == 0 {
            released.recv().unwrap();
        }
        Ok(())
    })
    .unwrap();
    for number in 0..33 {
        store.begin_turn(beginning(&format!("c{number}"), &format!("t{number}"))).await.unwrap();
    }
    let seals: Vec<_> =
        (0..33).map(|number| store.seal(sealing(&format!("c{number}"), &format!("t{number}")))).collect();
    // Answered after all of them are committed.
    store.begin_turn(beginning("last", "last")).await.unwrap();
    release.send(()).unwrap();
    for seal in seals {
        seal.await.unwrap();
    }
    assert!(syncs.load(Ordering::SeqCst) <= 2, "{syncs:?} syncs");
}

#[tokio::test]
async fn after_a_sync_has_failed_nothing_is_written_until_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let failing = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&failing);
    let (store, _) = Sqlite::open_with(dir.path(), move |_| match fails.load(Ordering::SeqCst) {
        true => Err(io::Error::from_raw_os_error(5)),
        false => Ok(()),
    })
    .unwrap();
    store.begin_turn(beginning("c", "t1")).await.unwrap();
    store.seal(sealing("c", "t1")).await.unwrap();
    store.begin_turn(beginning("c", "t2")).await.unwrap();
    failing.store(true, Ordering::SeqCst);
    let error = store.seal(sealing("c", "t2")).await.unwrap_err();
    assert_eq!(
        error,
        Error::Io(
            "data could not be brought to the disk (Input/output error (os error 5)); nothing more is written until \
             the server is restarted and has checked what the disk holds"
                .to_owned()
        )
    );
    failing.store(false, Ordering::SeqCst);
    assert_eq!(store.begin_turn(beginning("d", "t3")).await, Err(error.clone()));
    assert_eq!(store.begin_turn(beginning("c", "t4")).await, Err(error.clone()));
    assert_eq!(store.seal(sealing("c", "t2")).await, Err(error.clone()));
    assert_eq!(store.set(&id("c"), 1, Setting::Cwd(None)).await, Err(error.clone()));
    assert_eq!(store.delete(&id("d")).await, Err(error));
    assert_eq!(history(&store, "c").await.len(), 2);
    drop(store);
    assert!(Files::of(dir.path()).wal.exists(), "the WAL is left for the restart to check");

    let (store, _) = Sqlite::open(dir.path()).unwrap();
    store.begin_turn(beginning("c", "t5")).await.unwrap();
    store.seal(sealing("c", "t5")).await.unwrap();
    assert_eq!(history(&store, "c").await.len(), 3);
}
