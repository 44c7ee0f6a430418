//! What a session keeps, counted by the allocator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use realtime::{FromPeer, Input, MediaEvent, Session, ToPeer};
use support::{patient, png, start};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came; the counters change nothing about it.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// Gives the session a frame, performs what it says by forgetting it, and says by how much memory grew meanwhile.
fn give(session: &mut Session, frame: String) -> usize {
    let before = live();
    PEAK.store(before, Ordering::Relaxed);
    session.handle(Instant::now(), Input::Peer(FromPeer::Text(frame)));
    while session.poll().is_some() {}
    PEAK.load(Ordering::Relaxed) - before
}

/// One test: the counters are of the whole process.
#[test]
fn what_a_session_keeps_does_not_grow_with_what_it_is_sent() {
    let mut session = Session::new(Instant::now(), start(), patient());
    let candidate = |n: usize| {
        let pad = "x".repeat(800);
        format!(
            r#"{{"type":"ice-candidate","candidate":{{"candidate":"candidate:{n} 1 udp 1 192.0.2.1 4000 typ host {pad}"}}}}"#
        )
    };
    let flood = |session: &mut Session, count: usize| {
        for n in 0..count {
            give(session, candidate(n));
            give(session, format!(r#"{{"type":"prompt","prompt":"{}"}}"#, "p".repeat(60_000)));
            give(session, format!(r#"{{"type":"set_image","image_data":"{}"}}"#, png()));
            give(session, format!(r#"{{"type":"unheard-of-{n}","x":"{}"}}"#, "y".repeat(1_000)));
            give(session, "{".repeat(1_000));
        }
    };
    // Before the offer, between offer and answer, and after.
    let empty = live();
    for stage in 0..3 {
        flood(&mut session, 100);
        let after_some = live();
        flood(&mut session, 500);
        assert!(live() <= after_some, "stage {stage}: {} bytes more", live() - after_some);
        assert!(after_some - empty < 64 * 1_024 + 2 * (64 << 10), "stage {stage}: {}", after_some - empty);
        match stage {
            0 => _ = give(&mut session, r#"{"type":"offer","sdp":"v=0"}"#.to_owned()),
            1 => {
                let event = MediaEvent::Answered("v=0".to_owned());
                session.handle(Instant::now(), Input::Peer(FromPeer::Media { pc: 1, event }));
                let mut candidates = 0;
                while let Some(output) = session.poll() {
                    if matches!(output, realtime::Output::Peer(ToPeer::AddCandidate { .. })) {
                        candidates += 1;
                    }
                }
                assert_eq!(candidates, 64);
            }
            _ => {}
        }
    }

    // Reading a frame costs no more than its text, whatever is in it.
    let size = 1 << 20;
    let numbers = "0,".repeat(size / 2);
    for frame in [
        format!(r#"{{"type":"prompt","x":[{numbers}0],"prompt":"p"}}"#),
        format!(r#"{{"x":[{numbers}0],"type":"set_image"}}"#),
        format!(r#"{{"type":"nothing","x":[{numbers}0]}}"#),
        format!(r#"[{numbers}0]"#),
        format!(r#"{{"type":"offer","sdp":[{numbers}0]}}"#),
        format!(r#"{{"type":"{numbers}"}}"#),
        format!(r#"{{"type":"ice-candidate","candidate":{{"candidate":"{numbers}"}}}}"#),
        "[".repeat(size),
    ] {
        let grown = give(&mut session, frame);
        assert!(grown <= size + (64 << 10), "{grown} bytes for a frame of {size}");
    }
}
