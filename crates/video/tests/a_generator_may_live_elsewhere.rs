//! The contract of generators, kept by the built-in ones and by one that sees nothing but bytes in a pipe.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::thread;

use video::{
    Frame, Generator, Health, Output, Passthrough, Pool, Reference, Refused, Restyle, Size, Style, builtin,
};

use crate::common::{distance, mean, restyled, scene, size};

/// Counts how often it was woken, and wakes the thread that made it.
struct Count(AtomicUsize, thread::Thread);

impl Count {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(0), thread::current()))
    }

    fn number(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        self.1.unpark();
    }
}

#[test]
fn the_built_in_ones_have_names() {
    assert!(builtin("passthrough").is_some() && builtin("restyle").is_some());
    assert!(builtin("Restyle").is_none() && builtin("").is_none());
}

#[test]
fn one_frame_goes_in_and_comes_out_and_a_second_one_is_refused() {
    let pool = Pool::new();
    for name in ["passthrough", "restyle"] {
        let mut generator = builtin(name).unwrap();
        assert_eq!(generator.health(), Health::Ready);
        let (first, second) = (scene(&pool, size(32, 18), 1), scene(&pool, size(32, 18), 2));
        let count = Count::new();
        let waker = Waker::from(count.clone());
        assert_eq!(generator.poll(&waker), None, "{name}");
        assert_eq!(generator.submit(first.copy()), Ok(()));
        assert_eq!(count.number(), 1, "{name} woke nobody");
        assert_eq!(generator.submit(second.copy()), Err(Refused::Busy(second.copy())), "{name}");
        assert_eq!(generator.poll(&waker), Some(Output::Frame(first)), "{name}");
        assert_eq!(generator.poll(&waker), None, "{name}");
        assert_eq!(generator.submit(second.copy()), Ok(()), "{name}");
        assert_eq!(generator.poll(&waker), Some(Output::Frame(second)), "{name}");
        assert_eq!(count.number(), 2, "{name}");
    }
}

#[test]
fn an_empty_style_is_passthrough() {
    let frame = scene(&Pool::new(), size(32, 18), 1);
    assert!(Style::default().is_passthrough());
    assert!(Style { prompt: " \n".to_owned(), image: None }.is_passthrough());
    assert!(!Style { prompt: "warm".to_owned(), image: None }.is_passthrough());
    assert_eq!(restyled("  ", None, &frame), frame);
    let mut passthrough = Passthrough::new();
    passthrough.set(Style { prompt: "invert".to_owned(), image: None });
    passthrough.submit(frame.copy()).unwrap();
    assert_eq!(passthrough.poll(Waker::noop()), Some(Output::Frame(frame)));
}

#[test]
fn a_style_holds_for_frames_that_come_after_it() {
    let frame = scene(&Pool::new(), size(32, 18), 1);
    let mut restyle = Restyle::new();
    let style = |prompt: &str| Style { prompt: prompt.to_owned(), image: None };
    restyle.set(style("invert"));
    restyle.submit(frame.copy()).unwrap();
    restyle.set(style("mirror"));
    restyle.set(style("grey"));
    assert_eq!(restyle.poll(Waker::noop()), Some(Output::Frame(restyled("invert", None, &frame))));
    restyle.submit(frame.copy()).unwrap();
    assert_eq!(restyle.poll(Waker::noop()), Some(Output::Frame(restyled("grey", None, &frame))));
    restyle.set(Style::default());
    restyle.submit(frame.copy()).unwrap();
    assert_eq!(restyle.poll(Waker::noop()), Some(Output::Frame(frame)));
}

/// What crosses the pipe: bytes.
enum Message {
    Style { prompt: Vec<u8>, image: Option<Vec<u8>> },
    Frame { width: u32, height: u32, timestamp: u64, planes: Vec<u8> },
}

fn to_bytes(frame: &Frame) -> Message {
    let planes = frame.planes().iter().flat_map(|plane| plane.rows().flatten().copied()).collect();
    let size = frame.size();
    Message::Frame { width: size.width(), height: size.height(), timestamp: frame.timestamp(), planes }
}

fn from_bytes(pool: &Pool, (width, height): (u32, u32), timestamp: u64, bytes: &[u8]) -> Frame {
    let mut frame = pool.frame(Size::new(width, height).unwrap(), timestamp);
    let mut rest = bytes;
    for plane in frame.planes_mut() {
        for row in plane.into_rows() {
            let (pixels, after) = rest.split_at(row.len());
            row.copy_from_slice(pixels);
            rest = after;
        }
    }
    frame
}

/// A generator whose work is done by somebody else, who may be slow, skip frames, and die.
struct Remote {
    to: Option<SyncSender<Message>>,
    from: Receiver<Option<Message>>,
    waker: Arc<Mutex<Waker>>,
    pool: Pool,
    /// Styles that found no room yet, newest last: only that one matters.
    waiting: Option<Style>,
    submitted: VecDeque<u64>,
    failed: bool,
}

impl Remote {
    /// The worker dies after so many frames, and skips every fifth.
    fn new(lives: u64) -> Self {
        let (to, inbox) = sync_channel::<Message>(3);
        let (outbox, from) = channel();
        let waker = Arc::new(Mutex::new(Waker::noop().clone()));
        let notify = waker.clone();
        thread::spawn(move || {
            let pool = Pool::new();
            let mut style = Style::default();
            let mut frames = 0;
            while frames < lives {
                let Ok(message) = inbox.recv() else { break };
                match message {
                    Message::Style { prompt, image } => {
                        let prompt = String::from_utf8(prompt).unwrap();
                        style = Style { prompt, image: image.map(|file| Reference::read(file).unwrap()) };
                        continue;
                    }
                    Message::Frame { width, height, timestamp, planes } => {
                        frames += 1;
                        let frame = from_bytes(&pool, (width, height), timestamp, &planes);
                        let drawn = restyled(&style.prompt, style.image.clone(), &frame);
                        let answer = (frames % 5 != 0).then(|| to_bytes(&drawn));
                        outbox.send(answer).unwrap();
                    }
                }
                notify.lock().unwrap().wake_by_ref();
            }
            drop((inbox, outbox));
            notify.lock().unwrap().wake_by_ref();
        });
        Self {
            to: Some(to),
            from,
            waker,
            pool: Pool::new(),
            waiting: None,
            submitted: VecDeque::new(),
            failed: false,
        }
    }

    fn send(&mut self, message: Message) -> bool {
        match self.to.as_ref().map(|to| to.try_send(message)) {
            Some(Ok(())) => true,
            Some(Err(TrySendError::Full(_))) => false,
            Some(Err(TrySendError::Disconnected(_))) | None => {
                self.failed = true;
                false
            }
        }
    }
}

impl Generator for Remote {
    fn set(&mut self, style: Style) {
        self.waiting = Some(style);
    }

    fn submit(&mut self, frame: Frame) -> Result<(), Refused> {
        if let Some(style) = self.waiting.take() {
            let image = style.image.as_ref().map(|image| image.file().to_vec());
            if !self.send(Message::Style { prompt: style.prompt.clone().into_bytes(), image }) {
                self.waiting = Some(style);
                return Err(if self.failed { Refused::Failed(frame) } else { Refused::Busy(frame) });
            }
        }
        if self.send(to_bytes(&frame)) {
            self.submitted.push_back(frame.timestamp());
            return Ok(());
        }
        Err(if self.failed { Refused::Failed(frame) } else { Refused::Busy(frame) })
    }

    fn poll(&mut self, waker: &Waker) -> Option<Output> {
        self.waker.lock().unwrap().clone_from(waker);
        match self.from.try_recv() {
            Ok(Some(Message::Frame { width, height, timestamp, planes })) => {
                assert_eq!(self.submitted.pop_front(), Some(timestamp));
                Some(Output::Frame(from_bytes(&self.pool, (width, height), timestamp, &planes)))
            }
            Ok(Some(Message::Style { .. })) => panic!("a worker sends no style"),
            Ok(None) => self.submitted.pop_front().map(|timestamp| Output::Dropped { timestamp }),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.failed = true;
                None
            }
        }
    }

    fn health(&self) -> Health {
        if self.failed { Health::Failed("the worker has gone".to_owned()) } else { Health::Ready }
    }
}

/// A driver without a runtime: it sends what it can, drops what is refused, and sleeps until it is woken.
#[test]
fn a_worker_behind_a_pipe_keeps_the_same_contract() {
    let pool = Pool::new();
    let mut generator: Box<dyn Generator> = Box::new(Remote::new(30));
    let waker = Waker::from(Count::new());
    let (mut time, mut accepted, mut refused) = (0, Vec::new(), 0);
    let mut outputs = Vec::new();
    while generator.health() == Health::Ready {
        if time == 0 || time == 20 {
            let prompt = if time == 0 { "invert" } else { "" };
            generator.set(Style { prompt: prompt.to_owned(), image: None });
        }
        match generator.submit(scene(&pool, size(64, 36), time)) {
            Ok(()) => accepted.push(time),
            Err(Refused::Busy(frame)) => {
                assert_eq!(frame, scene(&pool, size(64, 36), time));
                refused += 1;
            }
            Err(Refused::Failed(_)) => {}
        }
        time += 1;
        while let Some(output) = generator.poll(&waker) {
            outputs.push(output);
        }
        if refused % 3 == 2 && generator.health() == Health::Ready {
            // Woken when there is an answer, or when the worker has gone.
            thread::park_timeout(std::time::Duration::from_millis(5));
        }
    }
    assert_eq!(generator.health(), Health::Failed("the worker has gone".to_owned()));
    assert!(matches!(generator.submit(scene(&pool, size(64, 36), 0)), Err(Refused::Failed(_))));
    assert_eq!(outputs.len(), 30);
    for (index, (output, time)) in outputs.iter().zip(accepted).enumerate() {
        let before = scene(&pool, size(64, 36), time);
        match output {
            Output::Dropped { timestamp } => {
                assert_eq!((index % 5, *timestamp), (4, before.timestamp()));
            }
            Output::Frame(frame) => {
                let inverted = (mean(before.planes()[0]) - mean(frame.planes()[0])).abs() > 1.0;
                assert_eq!(frame.timestamp(), before.timestamp());
                assert_eq!(inverted, time < 20, "frame {time}");
                assert_eq!(distance(frame, &before) == 0, time >= 20);
            }
        }
    }
}
