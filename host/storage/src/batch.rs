//! One batch from its facts to its answers.

use crate::fail_points::{FailPoints, Place};
use crate::feeds::Feeds;
use crate::figures::Figures;
use crate::request::Request;
use crate::rows::{Facts, Needs, Writes};
use crate::rules;
use crate::trouble::Trouble;

/// What a back end is for the writer.
pub(crate) trait Store {
    /// Reads the rows that are needed, asks what to write, and writes it: all of
    /// it, on disk, or nothing. Until then no other process changes these rows.
    /// It may ask again, if nothing of what was decided before is on disk.
    fn transact<'a>(
        &mut self,
        needs: &Needs,
        decide: &mut dyn FnMut(Facts) -> Writes<'a>,
    ) -> Result<(), Trouble>;
}

/// Runs a batch and answers everyone in it.
pub(crate) fn run(
    store: &mut impl Store,
    requests: Vec<Request>,
    feeds: &Feeds,
    figures: &Figures,
) {
    let needs = Needs::of(&requests);
    let points = FailPoints::of(&requests);
    let mut news = Vec::new();
    points.pass(Place::Begun);
    let done = store.transact(&needs, &mut |facts| {
        let decided = rules::decide(&requests, facts);
        news = decided.news;
        points.pass(Place::Decided);
        decided.writes
    });
    match done {
        Ok(()) => {
            points.pass(Place::Committed);
            figures.written(requests.len());
            for item in news {
                feeds.publish(item);
            }
            for request in requests {
                request.settle(None);
            }
            points.pass(Place::Told);
        }
        // Damage is in the rows of some requests only: alone, the others succeed.
        Err(Trouble::Damaged(_)) if requests.len() > 1 => {
            for request in requests {
                run(store, vec![request], feeds, figures);
            }
        }
        Err(trouble) => {
            tracing::error!(
                requests = requests.len(),
                ?trouble,
                "a batch could not be stored"
            );
            for request in requests {
                request.settle(Some(&trouble));
            }
        }
    }
}
