//! What answers the requests of actions: closures, and files of recorded responses.
//!
//! - `rule`: such a file: which request it means, and the response.
//! - `recording`: requests that go out, and what came back; `cassette`: that as a file;
//!   `live`: those of native actions. They need the feature `record`.

#[cfg(feature = "record")]
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nebula_action::http::{HttpError, Request, Response};

#[cfg(feature = "record")]
mod cassette;
#[cfg(feature = "record")]
mod live;
#[cfg(feature = "record")]
mod recording;
mod rule;

#[cfg(feature = "record")]
pub use cassette::Exchange;
#[cfg(feature = "record")]
pub use recording::Recording;
pub use rule::{Asked, InvalidRules, Rule, read};
pub(crate) use rule::{has, split};

/// Answers the requests of actions. The first route or rule that means a request
/// answers it. One that nothing means is refused, and remembered. Clones share what
/// they remember.
#[derive(Clone, Default)]
pub struct HttpMock {
    answers: Vec<Answer>,
    seen: Arc<Mutex<Seen>>,
    /// Whether its answers are of a recorded file: then they go on from call to call, as
    /// they were recorded.
    is_recorded: bool,
    #[cfg(feature = "record")]
    live: Option<Arc<live::Live>>,
    /// Where hosts are while it is recorded.
    #[cfg(feature = "record")]
    at: BTreeMap<String, String>,
}

/// What tells a test to record.
const RECORD: &str = "NEBULA_RECORD";

#[derive(Clone)]
enum Answer {
    Route {
        method: String,
        meant: rule::Target,
        respond: Respond,
    },
    Rule(Arc<Rule>),
}

type Respond = Arc<dyn Fn(&Request) -> Result<Response, HttpError> + Send + Sync>;

#[derive(Debug, Default)]
struct Seen {
    /// How often each answer was given.
    given: Vec<u32>,
    /// What nothing answers.
    unexpected: Vec<String>,
}

impl HttpMock {
    /// One that answers nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers requests with this method and address by a closure. A `*` at the end of
    /// the path stands for any rest; parameters that the address names must be there,
    /// others may be.
    ///
    /// # Panics
    /// When the address is not a whole one with a host.
    #[must_use]
    #[track_caller]
    pub fn route(
        mut self,
        method: impl Into<String>,
        url: &str,
        respond: impl Fn(&Request) -> Result<Response, HttpError> + Send + Sync + 'static,
    ) -> Self {
        let meant = rule::Target::parse(url).unwrap_or_else(|why| panic!("a route: {why}"));
        self.answers.push(Answer::Route {
            method: method.into().to_ascii_uppercase(),
            meant,
            respond: Arc::new(respond),
        });
        self
    }

    /// Answers by a file of responses, a cassette, in the form that `nebula action test
    /// --mock-http` reads: a list of `request` and `response`, YAML or JSON.
    ///
    /// # Panics
    /// When it cannot be read; the message names the place.
    #[must_use]
    #[track_caller]
    pub fn cassette(self, file: impl AsRef<std::path::Path>) -> Self {
        let file = file.as_ref();
        let name = file.display();
        let text = std::fs::read(file).unwrap_or_else(|e| panic!("the cassette {name}: {e}"));
        let rules = read(&name.to_string(), &text);
        self.rules(rules.unwrap_or_else(|e| panic!("{e}")))
    }

    /// Answers by a cassette of the test's own, which is recorded: with `NEBULA_RECORD=1` in
    /// the environment requests go out, to the hosts that the action asks for, and what is
    /// answered is written into the file; without it the file answers. Secrets of the
    /// harness are covered in it, and no header of a request is written. What other
    /// routes and rules answer before does not go out.
    ///
    /// The answers go on from call to call of a harness. A file is for one test: another
    /// would write over it.
    ///
    /// # Panics
    /// When there is no file yet, or it cannot be read; when it is to be recorded, without
    /// the feature `record`. A call panics whose requests cannot be recorded.
    #[must_use]
    #[track_caller]
    pub fn recorded(self, file: impl AsRef<std::path::Path>) -> Self {
        let file = file.as_ref();
        if std::env::var_os(RECORD).is_some_and(|told| !told.is_empty() && told != "0") {
            #[cfg(feature = "record")]
            return self.record(file);
            #[cfg(not(feature = "record"))]
            panic!("{RECORD} is set: recording needs the feature `record` of nebula-sdk");
        }
        assert!(
            file.exists(),
            "there is no {} yet: run the test with {RECORD}=1 to record it",
            file.display()
        );
        Self {
            is_recorded: true,
            ..self.cassette(file)
        }
    }

    /// Records a cassette, whatever the environment says.
    #[cfg(feature = "record")]
    #[must_use]
    pub fn record(self, file: impl AsRef<std::path::Path>) -> Self {
        let file = file.as_ref().to_owned();
        Self {
            is_recorded: true,
            live: Some(Arc::new(live::Live::new(file))),
            ..self
        }
    }

    /// While it is recorded, this host (`host` or `host:port`) is at another address, such
    /// as `http://127.0.0.1:8080`.
    #[cfg(feature = "record")]
    #[must_use]
    pub fn recorded_at(mut self, host: &str, url: impl Into<String>) -> Self {
        self.at.insert(host.to_ascii_lowercase(), url.into());
        self
    }

    /// Writes what was recorded so far, without these secrets.
    ///
    /// # Panics
    /// When it cannot be recorded.
    #[track_caller]
    pub(crate) fn keep(&self, secrets: impl IntoIterator<Item = String>) {
        #[cfg(feature = "record")]
        if let Some(live) = &self.live
            && let Err(why) = live.write(secrets)
        {
            panic!("{} was not recorded: {why}", live.file.display());
        }
        #[cfg(not(feature = "record"))]
        drop(secrets);
    }

    /// Answers by rules that were read already.
    #[must_use]
    pub fn rules(mut self, rules: Vec<Rule>) -> Self {
        let rules = rules.into_iter().map(|rule| Answer::Rule(Arc::new(rule)));
        self.answers.extend(rules);
        self
    }

    /// What was asked and nothing answers, as `GET https://api.example/v1`.
    #[must_use]
    pub fn unexpected(&self) -> Vec<String> {
        self.seen().unexpected.clone()
    }

    /// The hosts that its routes and rules name.
    #[cfg(feature = "embedded")]
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.answers.iter().map(|answer| match answer {
            Answer::Route { meant, .. } => meant.host(),
            Answer::Rule(rule) => rule.host(),
        })
    }

    /// Forgets what it remembers: each answer may be given as often as at first, but for
    /// recorded ones.
    pub(crate) fn fresh(&self) -> Self {
        let seen = match self.is_recorded {
            true => {
                self.seen().unexpected.clear();
                Arc::clone(&self.seen)
            }
            false => Arc::default(),
        };
        Self {
            seen,
            ..self.clone()
        }
    }

    /// The answer to a request.
    pub(crate) fn answer(&self, request: &Request) -> Result<Response, HttpError> {
        let Some(index) = self.choose(request) else {
            #[cfg(feature = "record")]
            if let Some(live) = &self.live {
                return live.answer(request, &self.at);
            }
            let what = format!("{} {}", request.method, request.url);
            let message = format!("nothing answers {what}: give the HTTP mock a route or a rule");
            self.seen().unexpected.push(what);
            return Err(HttpError::Denied(message));
        };
        match &self.answers[index] {
            Answer::Route { respond, .. } => respond(request),
            Answer::Rule(rule) if request.timeout.is_some_and(|time| time < rule.delay()) => {
                let message = format!("{rule} answers after {:?}", rule.delay());
                Err(HttpError::Timeout(message))
            }
            Answer::Rule(rule) => {
                let mut response = Response::new(rule.status()).with_body(rule.body());
                for (name, value) in rule.headers() {
                    response = response.with_header(name, value);
                }
                Ok(response)
            }
        }
    }

    /// The first answer that is meant and not used up.
    fn choose(&self, request: &Request) -> Option<usize> {
        let (host, path) = rule::split(&request.url)?;
        let headers = |name: &str| {
            let mut headers = request.headers.iter();
            let found = headers.find(|(n, _)| n.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        let asked = Asked {
            method: &request.method,
            host: &host,
            path,
            header: &headers,
            body: &request.body,
        };
        let mut seen = self.seen();
        seen.given.resize(self.answers.len(), 0);
        let index = self
            .answers
            .iter()
            .zip(&seen.given)
            .position(|(a, given)| match a {
                Answer::Route { method, meant, .. } => {
                    *method == request.method && meant.matches(&asked)
                }
                Answer::Rule(rule) => {
                    rule.times().is_none_or(|times| *given < times) && rule.matches(&asked)
                }
            })?;
        seen.given[index] += 1;
        Some(index)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for HttpMock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpMock({} answers)", self.answers.len())
    }
}
