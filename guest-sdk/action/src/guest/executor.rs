//! Polls futures on `wasi:io/poll`: while one request waits, the others of a
//! `join!` go on.

use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::Future;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};

use super::bindings::wasi::io::poll::{self, Pollable};

static REACTOR: Only = Only(RefCell::new(Reactor {
    next: 0,
    waiting: Vec::new(),
    block: None,
}));

/// What one thread has.
struct Only(RefCell<Reactor>);

#[expect(unsafe_code, reason = "a component has one thread")]
// SAFETY: there is no other thread to share it with.
unsafe impl Sync for Only {}

/// What futures wait for.
struct Reactor {
    next: u32,
    waiting: Vec<Waiting>,
    /// [`Reactor::block`], which only what waits names: a component that never waits
    /// contains no code for it.
    block: Option<fn(&mut Self) -> Vec<Waker>>,
}

struct Waiting {
    id: u32,
    pollable: Rc<Pollable>,
    waker: Waker,
}

/// Whether the future was woken since it was last polled.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a future to its end.
///
/// # Panics
/// When it waits for something that is not the host's: nothing would ever wake
/// it, and the call ends at once instead of at its deadline.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(woken.clone());
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        while !woken.0.swap(false, Ordering::Relaxed) {
            assert!(park(), "the action waits for something that never happens");
        }
    }
}

/// Blocks until something that is waited for is ready, and wakes it. False if
/// nothing is.
fn park() -> bool {
    let ready = {
        let mut reactor = REACTOR.0.borrow_mut();
        let block = reactor.block;
        block.map_or_else(Vec::new, |block| block(&mut reactor))
    };
    // Outside the borrow: a waker may run any code.
    let any = !ready.is_empty();
    ready.into_iter().for_each(Waker::wake);
    any
}

impl Reactor {
    fn block(&mut self) -> Vec<Waker> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let pollables: Vec<&Pollable> = self.waiting.iter().map(|w| &*w.pollable).collect();
        let mut ready = poll::poll(&pollables);
        ready.sort_unstable();
        ready
            .into_iter()
            .rev()
            .map(|index| self.waiting.swap_remove(index as usize).waker)
            .collect()
    }
}

/// Waits until a pollable is ready.
pub(super) fn ready(pollable: Pollable) -> impl Future<Output = ()> {
    Ready {
        pollable: Rc::new(pollable),
        id: None,
    }
}

struct Ready {
    pollable: Rc<Pollable>,
    id: Option<u32>,
}

impl Future for Ready {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.pollable.ready() {
            return Poll::Ready(());
        }
        let (id, pollable, waker) = (self.id, self.pollable.clone(), cx.waker().clone());
        let mut reactor = REACTOR.0.borrow_mut();
        let reactor = &mut *reactor;
        reactor.block = Some(Reactor::block);
        if let Some(known) = reactor.waiting.iter_mut().find(|w| Some(w.id) == id) {
            known.waker = waker;
            return Poll::Pending;
        }
        reactor.next += 1;
        self.id = Some(reactor.next);
        reactor.waiting.push(Waiting {
            id: reactor.next,
            pollable,
            waker,
        });
        Poll::Pending
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let mut reactor = REACTOR.0.borrow_mut();
            reactor.waiting.retain(|w| w.id != id);
        }
    }
}
