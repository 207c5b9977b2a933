//! `--watch`: whenever a file changes, the crate is built and the action called
//! again. Files are looked at ten times a second: a crate has few, and looking is the
//! same on every system.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use super::super::super::Context;
use super::super::report;
use super::Test;
use crate::error::{Error, Exit, Result};
use crate::output;

/// How often files are looked at.
const PERIOD: Duration = Duration::from_millis(100);
/// What says that cargo or another tool can make everything in a folder anew
/// (bford.info/cachedir).
const CACHE: &str = "CACHEDIR.TAG";

pub(super) async fn run(context: &Context, test: &Test) -> Result<ExitCode> {
    if !test.call.path.exists() {
        let path = test.call.path.display();
        return Err(Error::refused(format!("there is no `{path}` to watch"))
            .hint("name a folder with a Cargo.toml, or a .wasm file"));
    }
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Ok(Exit::Detached.into()),
        ended = rounds(context, test) => ended,
    }
}

/// Ends only when nobody reads what it says.
async fn rounds(context: &Context, test: &Test) -> Result<ExitCode> {
    let mut sources = Vec::new();
    loop {
        #[expect(
            clippy::disallowed_methods,
            reason = "compared with the times of files, which are the system's"
        )]
        let began = SystemTime::now();
        let mut before = Seen::of(test, &sources);
        match test.once().await {
            Ok(tested) => {
                sources = sources_of(&tested.component);
                before.learn(&sources, began);
                before.accept(&test.call.path.join("Cargo.lock"));
                report::show_item(context.format, &tested.answer)?;
            }
            Err(error) if error.exit() == Exit::Done => return Err(error),
            // Whoever watches is about to mend it.
            Err(error) => {
                error.report();
            }
        }
        output::note("waiting for a change; Ctrl-C ends");
        let changed = change(test, &sources, before).await;
        output::note(&format!("{} changed", changed.display()));
    }
}

/// Waits until a file has changed, and until an editor has done with it.
async fn change(test: &Test, sources: &[PathBuf], before: Seen) -> PathBuf {
    let mut last = Seen::of(test, sources);
    loop {
        let now = Seen::of(test, sources);
        if let (Some(changed), None) = (now.first_change(&before), now.first_change(&last)) {
            return changed;
        }
        last = now;
        tokio::time::sleep(PERIOD).await;
    }
}

/// Files, with what changes when they do.
struct Seen(BTreeMap<PathBuf, Option<(SystemTime, u64)>>);

impl Seen {
    fn of(test: &Test, sources: &[PathBuf]) -> Self {
        let mut seen = Self(BTreeMap::new());
        seen.look(&test.call.path);
        let named = test.call.files().into_iter();
        for file in named.chain(sources.iter().map(PathBuf::as_path)) {
            seen.note(file);
        }
        if let Some(picture) = &test.profile {
            seen.forget(picture);
        }
        seen
    }

    /// The picture that a run writes is no change, by whatever path it is found.
    fn forget(&mut self, picture: &Path) {
        let Ok(place) = picture.canonicalize() else {
            return;
        };
        self.0.retain(|file, _| {
            file.file_name() != picture.file_name()
                || file.canonicalize().ok().as_ref() != Some(&place)
        });
    }

    fn look(&mut self, path: &Path) {
        let Ok(entries) = std::fs::read_dir(path) else {
            return self.note(path);
        };
        if path.join(CACHE).exists() {
            return;
        }
        for entry in entries.flatten() {
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let path = entry.path();
            if hidden {
                continue;
            }
            // A link to a folder may lead back here.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.look(&path);
            } else if !path.is_dir() {
                self.note(&path);
            }
        }
    }

    fn note(&mut self, file: &Path) {
        let state = std::fs::metadata(file).ok();
        let state = state.and_then(|state| Some((state.modified().ok()?, state.len())));
        // What a run writes by itself is no change.
        if !file
            .as_os_str()
            .as_encoded_bytes()
            .ends_with(b".snapshot.json")
        {
            self.0.insert(file.to_owned(), state);
        }
    }

    /// Notes files of which the round has told. Those that were written since it began
    /// may have been read before that: they count as changed.
    fn learn(&mut self, sources: &[PathBuf], began: SystemTime) {
        let unknown = sources.iter().filter(|file| !self.0.contains_key(*file));
        let unknown: Vec<_> = unknown.cloned().collect();
        for file in unknown {
            self.note(&file);
            let state = self.0.get_mut(&file);
            if let Some(state) = state.filter(|s| s.is_some_and(|(at, _)| at >= began)) {
                *state = None;
            }
        }
    }

    /// Notes a file again, if it is there: cargo writes its lock where there is none.
    fn accept(&mut self, file: &Path) {
        if file.is_file() {
            self.note(file);
        }
    }

    fn first_change(&self, before: &Self) -> Option<PathBuf> {
        let mut files = self.0.iter();
        let changed = files.find(|(file, state)| before.0.get(*file) != Some(*state));
        let gone = || before.0.keys().find(|file| !self.0.contains_key(*file));
        changed.map(|(file, _)| file).or_else(gone).cloned()
    }
}

/// The sources of a component after the list that cargo writes beside it: those of
/// other crates too that are no registry's.
fn sources_of(component: &Path) -> Vec<PathBuf> {
    let list = std::fs::read_to_string(component.with_extension("d")).unwrap_or_default();
    let mut sources = Vec::new();
    let mut path = String::new();
    let sources_only = list.split_once(": ").map_or("", |(_, rest)| rest);
    let mut letters = sources_only.lines().next().unwrap_or_default().chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => path.extend(letters.next()),
            ' ' => sources.push(PathBuf::from(std::mem::take(&mut path))),
            letter => path.push(letter),
        }
    }
    sources.push(PathBuf::from(path));
    sources.retain(|source| source.is_file());
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_from_cargos_list() {
        let folder = std::env::temp_dir().join(format!("nebula-sources-{}", std::process::id()));
        let source = folder.join("a b.rs");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&source, "").unwrap();
        let shown = source.display().to_string().replace(' ', "\\ ");
        let list = format!("{}/x.wasm: /nowhere/c.rs {shown}\n", folder.display());
        std::fs::write(folder.join("x.d"), list).unwrap();
        assert_eq!(sources_of(&folder.join("x.wasm")), [source]);
        assert!(sources_of(&folder.join("y.wasm")).is_empty());
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// A round tells of sources that nobody knew before: that is no change, unless they
    /// were written while it went on. Nor is a lock that cargo wrote.
    #[test]
    fn what_a_round_tells_of_is_no_change_unless_it_was_written_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, name).unwrap();
            file
        };
        let (source, lock) = (file("other.rs"), file("Cargo.lock"));
        let written = std::fs::metadata(&source).unwrap().modified().unwrap();
        let now = || {
            let mut seen = Seen(BTreeMap::new());
            seen.note(&source);
            seen.note(&lock);
            seen
        };
        let unknown = now().first_change(&Seen(BTreeMap::new()));
        assert!(unknown.is_some(), "that is what a round would begin for");
        for (began, changed) in [
            (written + Duration::from_secs(1), None),
            (written, Some(source.clone())),
        ] {
            let mut before = Seen(BTreeMap::new());
            before.learn(std::slice::from_ref(&source), began);
            before.accept(&lock);
            before.accept(Path::new("/nowhere/Cargo.lock"));
            assert_eq!(now().first_change(&before), changed);
        }
    }
}
