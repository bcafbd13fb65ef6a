//! Connections in memory: two ways of bytes that come in pieces, late, or not at all.
//!
//! What happens on a line follows from its dice. Both ends are those of one thread; the locks are for the types.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use ovsdb_testkit::differential::dice::Dice;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How a line carries bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Bytes that are on their way at most, in each direction.
    pub(crate) capacity: usize,
    /// Most bytes taken at once.
    pub(crate) piece: usize,
    /// After how many pieces of a hundred there is a pause, and how long it may be.
    pub(crate) pauses: u32,
    pub(crate) pause_ms_max: usize,
}

impl Pace {
    /// Of a line on which nothing goes wrong.
    pub(crate) const CALM: Pace = Pace {
        capacity: 64 << 10,
        piece: 64 << 10,
        pauses: 0,
        pause_ms_max: 1,
    };
}

/// One direction.
#[derive(Default)]
struct Way {
    bytes: VecDeque<u8>,
    carried: u64,
    /// The writer will add nothing more.
    is_finished: bool,
    /// Nobody reads any more.
    is_deserted: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Way {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
    }
}

struct State {
    ways: [Way; 2],
    pace: Pace,
    dice: Dice,
    /// The way, and after how many of its bytes the line breaks.
    breaks: Option<(usize, u64)>,
    is_broken: bool,
    /// Whether a broken line looks like one that the peer has closed.
    looks_closed: bool,
}

/// A line, for whoever looks after it.
#[derive(Clone)]
pub(crate) struct Line(Arc<Mutex<State>>);

impl Line {
    /// A line and its two ends.
    pub(crate) fn new(
        mut dice: Dice,
        pace: Pace,
        breaks: Option<(usize, u64)>,
    ) -> (Line, End, End) {
        let looks_closed = dice.chance(50);
        let line = Line(Arc::new(Mutex::new(State {
            ways: Default::default(),
            pace,
            dice,
            breaks,
            is_broken: false,
            looks_closed,
        })));
        let ends = [0, 1].map(|side| End {
            read: ReadEnd {
                line: line.clone(),
                way: 1 - side,
                pause: None,
            },
            write: WriteEnd {
                line: line.clone(),
                way: side,
                pause: None,
            },
        });
        let [a, b] = ends;
        (line, a, b)
    }

    /// Nothing goes wrong from now on.
    pub(crate) fn calm(&self) {
        self.0.lock().breaks = None;
        self.set_pace(Pace::CALM);
    }

    /// Carries bytes so from now on. Pauses that have begun come to their end.
    pub(crate) fn set_pace(&self, pace: Pace) {
        let mut state = self.0.lock();
        state.pace = pace;
        state.ways.iter_mut().for_each(Way::wake);
    }

    /// Breaks now.
    pub(crate) fn cut(&self) {
        let mut state = self.0.lock();
        state.is_broken = true;
        state.ways.iter_mut().for_each(Way::wake);
    }

    /// Whether one of those at its ends has left, or it is broken, whoever knows of it.
    #[allow(dead_code, reason = "one of the two tests that have this network asks")]
    pub(crate) fn is_over(&self) -> bool {
        let state = self.0.lock();
        let mut ways = state.ways.iter();
        state.is_broken || ways.any(|way| way.is_finished || way.is_deserted)
    }

    /// Whether both of those at its ends have left.
    #[allow(dead_code, reason = "one of the two tests that have this network asks")]
    pub(crate) fn is_left(&self) -> bool {
        let state = self.0.lock();
        let mut ways = state.ways.iter();
        ways.all(|way| way.is_finished && way.is_deserted)
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.0.lock().is_broken
    }
}

impl State {
    fn pause(&mut self) -> Option<Pin<Box<Sleep>>> {
        if self.pace.pauses == 0 || !self.dice.chance(self.pace.pauses) {
            return None;
        }
        let length = 1 + self.dice.below(self.pace.pause_ms_max);
        let length = Duration::from_millis(length as u64);
        Some(Box::pin(tokio::time::sleep(length)))
    }

    fn piece(&mut self, most: usize) -> usize {
        let most = most.min(self.pace.piece);
        match self.pace.piece {
            1 => most,
            _ if most > 1 && self.dice.chance(20) => 1 + self.dice.below(most),
            _ => most,
        }
    }
}

/// One end of a line.
pub(crate) struct End {
    pub(crate) read: ReadEnd,
    pub(crate) write: WriteEnd,
}

/// What arrives at an end.
pub(crate) struct ReadEnd {
    line: Line,
    way: usize,
    pause: Option<Pin<Box<Sleep>>>,
}

/// What leaves from an end.
pub(crate) struct WriteEnd {
    line: Line,
    way: usize,
    pause: Option<Pin<Box<Sleep>>>,
}

fn rest(pause: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<()> {
    if let Some(sleep) = pause {
        ready!(sleep.as_mut().poll(cx));
        *pause = None;
    }
    Poll::Ready(())
}

impl AsyncRead for ReadEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(rest(&mut self.pause, cx));
        let this = &mut *self;
        let mut state = this.line.0.lock();
        let state = &mut *state;
        if state.is_broken {
            return Poll::Ready(match state.looks_closed {
                true => Ok(()),
                false => Err(io::ErrorKind::ConnectionReset.into()),
            });
        }
        let waiting = state.ways[this.way].bytes.len();
        if waiting == 0 {
            let way = &mut state.ways[this.way];
            if way.is_finished {
                return Poll::Ready(Ok(()));
            }
            way.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = state.piece(waiting.min(buf.remaining()));
        let way = &mut state.ways[this.way];
        for byte in way.bytes.drain(..count) {
            buf.put_slice(&[byte]);
        }
        if let Some(writer) = way.writer.take() {
            writer.wake();
        }
        this.pause = state.pause();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WriteEnd {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(rest(&mut self.pause, cx));
        let this = &mut *self;
        let mut state = this.line.0.lock();
        let state = &mut *state;
        if state.is_broken || state.ways[this.way].is_deserted {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let waiting = state.ways[this.way].bytes.len();
        let free = state.pace.capacity.saturating_sub(waiting);
        if free == 0 {
            state.ways[this.way].writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut count = state.piece(free.min(bytes.len()));
        let way = &mut state.ways[this.way];
        if let Some((broken, after)) = state.breaks
            && broken == this.way
            && way.carried + count as u64 >= after
        {
            count = (after - way.carried) as usize;
            state.is_broken = true;
        }
        way.bytes.extend(&bytes[..count]);
        way.carried += count as u64;
        if state.is_broken {
            state.ways.iter_mut().for_each(Way::wake);
            return Poll::Ready(match count {
                0 => Err(io::ErrorKind::BrokenPipe.into()),
                _ => Ok(count),
            });
        }
        if let Some(reader) = way.reader.take() {
            reader.wake();
        }
        this.pause = state.pause();
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}

impl WriteEnd {
    /// Nothing more will be written.
    pub(crate) fn finish(&self) {
        let mut state = self.line.0.lock();
        let way = &mut state.ways[self.way];
        way.is_finished = true;
        way.wake();
    }
}

impl Drop for WriteEnd {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Drop for ReadEnd {
    fn drop(&mut self) {
        let mut state = self.line.0.lock();
        let way = &mut state.ways[self.way];
        way.is_deserted = true;
        way.wake();
    }
}
