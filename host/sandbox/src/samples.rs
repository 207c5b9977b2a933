//! Where a call burns its fuel, function by function.
//!
//! A guest asks for the epoch at the entry of each function and in each round of a
//! loop. For a call that is profiled its deadline is always past, so that each of
//! these is a place to look: what fuel is left, and which functions are under way.
//! What was burned since the look before belongs to the stack of that look. Nothing
//! is changed by looking but the time that the call takes, and a profile of a call
//! that is repeated is the same to the unit.
//!
//! A guest's count of its fuel is in the store whenever it enters or leaves a
//! function, and in a register between. As long as it does not move, no function was
//! entered or left, and the stack is the one that was seen.
//!
//! To walk a stack takes microseconds. Where calls of functions are many, only each
//! second, fourth, … stack is looked at, and what it burned counts so many times; a
//! function that goes round in a loop is looked at in any case, and counts as it is.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use wasmtime::{AsContext, FrameInfo, WasmBacktrace};

/// Frames of a stack that are seen, from the innermost on.
pub(crate) const FRAMES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(199);
/// Stacks that are looked at before half of them are passed by.
const LOOKS: u32 = 20_000;
/// Rounds of loops after which a function that was passed by is looked at.
const ROUNDS: u32 = 64;

/// The fuel that a call burned, by what was under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// Each stack of functions, the outermost first, and the units of fuel that its
    /// last one burned itself. A function has the name that the component's name
    /// section gives it, or its number.
    pub stacks: Vec<(Vec<String>, u64)>,
}

/// Looks at a guest.
#[derive(Debug)]
pub(crate) struct Sampler {
    names: HashMap<String, u32>,
    burned: HashMap<Vec<u32>, u64>,
    /// The stack that burns now, unless it was passed by, and how often it counts.
    stack: Option<(Vec<u32>, u64)>,
    /// Fuel at the last look.
    left: u64,
    rounds: u32,
    looks: u32,
    /// Every so many stacks one is looked at.
    every: u64,
    passed: u64,
}

impl Sampler {
    /// Of a call that begins with so much fuel.
    pub(crate) fn new(fuel: u64) -> Self {
        Self {
            names: HashMap::new(),
            burned: HashMap::new(),
            stack: None,
            left: fuel,
            rounds: 0,
            looks: 0,
            every: 1,
            passed: 0,
        }
    }

    /// A look at a guest that has so much fuel left.
    pub(crate) fn look(&mut self, left: u64, store: impl AsContext) {
        if left == self.left && (self.stack.is_some() || self.looks > 0) {
            self.rounds += 1;
            if self.rounds == ROUNDS && self.every > 1 {
                self.stack = Some((self.walk(store), 1));
            }
            return;
        }
        self.count(left);
        self.rounds = 0;
        self.passed += 1;
        if self.passed >= self.every {
            self.passed = 0;
            self.stack = Some((self.walk(store), self.every));
            self.looks += 1;
            if self.looks.is_multiple_of(LOOKS) {
                self.every *= 2;
            }
        }
    }

    /// What the call burned, at its end.
    pub(crate) fn end(mut self, left: u64) -> Profile {
        self.count(left);
        let mut names = vec![String::new(); self.names.len()];
        for (name, number) in self.names {
            if let Some(place) = names.get_mut(number as usize) {
                *place = name;
            }
        }
        let named = |stack: Vec<u32>| {
            let functions = stack
                .iter()
                .filter_map(|number| names.get(*number as usize));
            functions.cloned().collect()
        };
        let burned = self.burned.into_iter();
        let mut stacks: Vec<(Vec<String>, u64)> =
            burned.map(|(stack, fuel)| (named(stack), fuel)).collect();
        stacks.sort_unstable();
        Profile { stacks }
    }

    fn count(&mut self, left: u64) {
        let burned = self.left.saturating_sub(left);
        self.left = left;
        if let Some((stack, times)) = self.stack.take() {
            *self.burned.entry(stack).or_default() += burned.saturating_mul(times);
        }
    }

    fn walk(&mut self, store: impl AsContext) -> Vec<u32> {
        let trace = WasmBacktrace::force_capture(store);
        let frames = trace.frames().iter().rev();
        frames.map(|frame| self.number(frame)).collect()
    }

    fn number(&mut self, frame: &FrameInfo) -> u32 {
        let unnamed;
        let name = match frame.func_name() {
            Some(name) => name,
            None => {
                unnamed = format!("function {}", frame.func_index());
                &unnamed
            }
        };
        if let Some(number) = self.names.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.insert(name.to_owned(), number);
        number
    }
}
