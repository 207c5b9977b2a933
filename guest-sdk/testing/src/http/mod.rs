//! What answers the requests of actions: closures, and files of recorded responses.
//!
//! - `rule`: such a file: which request it means, and the response.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nebula_action::http::{HttpError, Request, Response};

mod rule;

pub use rule::{Asked, InvalidRules, Rule, read};
pub(crate) use rule::{has, split};

/// Answers the requests of actions. The first route or rule that means a request
/// answers it. One that nothing means is refused, and remembered. Clones share what
/// they remember.
#[derive(Clone, Default)]
pub struct HttpMock {
    answers: Vec<Answer>,
    seen: Arc<Mutex<Seen>>,
}

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

    /// Forgets what it remembers: each answer may be given as often as at first.
    pub(crate) fn fresh(&self) -> Self {
        Self {
            answers: self.answers.clone(),
            seen: Arc::default(),
        }
    }

    /// The answer to a request.
    pub(crate) fn answer(&self, request: &Request) -> Result<Response, HttpError> {
        let Some(index) = self.choose(request) else {
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
