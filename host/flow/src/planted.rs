//! Bugs that are planted on purpose, to see whether the torture harness catches
//! them (`torture --planted`, `docs/durability.md`).
//!
//! With the feature `planted-bugs`, which only the whole-house tests ask for,
//! `NEBULA_PLANT=timer-early` gives the program that bug. Without it [`is`] is
//! always false, and nothing of the bugs is compiled. Each stands where the code
//! asks `planted::is(Bug::…)`.

macro_rules! bugs {
    ($($(#[doc = $doc:literal])+ $bug:ident = $name:literal,)+) => {
        /// A mistake that a durable engine can make.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug {
            $($(#[doc = $doc])+ $bug,)+
        }

        impl Bug {
            /// Every bug.
            pub const ALL: &[Self] = &[$(Self::$bug),+];

            /// Its name in `NEBULA_PLANT`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$bug => $name,)+
                }
            }
        }
    };
}

bugs! {
    /// A submission is answered when it is queued, not when it is on disk.
    ReplyBeforeCommit = "reply-before-commit",
    /// Readers, streams and who waits are shown events that are not on disk yet.
    ShownBeforeCommit = "shown-before-commit",
    /// An effect starts before it is on disk that its attempt has started.
    EffectBeforeCommit = "effect-before-commit",
    /// One batch in fifty is answered and never written.
    CommitSkipped = "commit-skipped",
    /// A batch is two transactions: first the executions, then their events.
    CommitTorn = "commit-torn",
    /// The key of a start or a signal is not looked at, so that a repeat is
    /// another request.
    KeyIgnored = "key-ignored",
    /// A message is taken out of the inbox and becomes no event.
    MessageLost = "message-lost",
    /// A message that became an event stays in the inbox, and the next to load
    /// the execution takes it again.
    MessageTwice = "message-twice",
    /// When a waiting execution is due is not written down.
    WakeLost = "wake-lost",
    /// A wait is over after half its time.
    TimerEarly = "timer-early",
    /// A failed attempt is tried again at once, not when it is due.
    RetryEarly = "retry-early",
    /// A failed attempt is not counted.
    RetryUncounted = "retry-uncounted",
    /// A step completes twice.
    CompletedTwice = "completed-twice",
    /// The last item of a map is never begun.
    ItemLost = "item-lost",
}

#[cfg(not(feature = "planted-bugs"))]
mod ground {
    use super::Bug;

    /// Whether the program has this bug.
    #[must_use]
    pub const fn is(_: Bug) -> bool {
        false
    }
}

#[cfg(feature = "planted-bugs")]
mod ground {
    use std::sync::OnceLock;

    use super::Bug;

    /// Whether the program has this bug.
    ///
    /// # Panics
    /// When `NEBULA_PLANT` names none.
    #[must_use]
    pub fn is(bug: Bug) -> bool {
        static PLANTED: OnceLock<Option<Bug>> = OnceLock::new();
        let read = || {
            let name = std::env::var("NEBULA_PLANT").ok()?;
            let found = Bug::ALL.iter().find(|bug| bug.name() == name);
            Some(*found.unwrap_or_else(|| panic!("no bug `{name}` can be planted")))
        };
        *PLANTED.get_or_init(read) == Some(bug)
    }
}

pub use ground::is;
