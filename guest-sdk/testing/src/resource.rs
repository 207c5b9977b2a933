//! Stand-ins for what actions reach.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use nebula_action::ResourceError;
use nebula_action::http::{HttpError, Request, Response};
use nebula_action::native::{KvRequest, KvStore, Mail, SqlAnswer, SqlStatement};

/// A stand-in for something that an action reaches, such as a mail server or a
/// database. It sees every request, statement and message of the action first, and answers
/// those that are its own.
pub trait MockResource: Default + Send + 'static {
    /// The answer, if the request is for what this stands in for; none unless it says
    /// otherwise.
    fn answer(&mut self, request: &Request) -> Option<Result<Response, HttpError>> {
        let _ = request;
        None
    }

    /// The answer, if the statement is for what this stands in for; none unless it says
    /// otherwise.
    fn sql(&mut self, statement: &SqlStatement) -> Option<Result<SqlAnswer, ResourceError>> {
        let _ = statement;
        None
    }

    /// Takes the message, or says why not, if it is for what this stands in for; none
    /// unless it says otherwise.
    fn smtp(&mut self, mail: &Mail) -> Option<Result<(), ResourceError>> {
        let _ = mail;
        None
    }

    /// The error that a request to values by key is answered with. Without one they
    /// answer, which need no stand-in: a harness keeps them in memory
    /// ([`MockResourceManager::values`]).
    fn kv(&mut self, request: &KvRequest) -> Option<ResourceError> {
        let _ = request;
        None
    }
}

/// Holds the stand-ins, one of each type. Clones hold the same ones.
#[derive(Clone, Default)]
pub struct MockResourceManager {
    held: Vec<Arc<Mutex<dyn Held>>>,
    values: Arc<Mutex<BTreeMap<String, KvStore>>>,
}

/// A stand-in whose type is forgotten.
trait Held: Send {
    fn answer(&mut self, request: &Request) -> Option<Result<Response, HttpError>>;
    fn sql(&mut self, statement: &SqlStatement) -> Option<Result<SqlAnswer, ResourceError>>;
    fn smtp(&mut self, mail: &Mail) -> Option<Result<(), ResourceError>>;
    fn kv(&mut self, request: &KvRequest) -> Option<ResourceError>;
    fn any(&mut self) -> &mut dyn Any;
}

impl<R: MockResource> Held for R {
    fn answer(&mut self, request: &Request) -> Option<Result<Response, HttpError>> {
        MockResource::answer(self, request)
    }

    fn sql(&mut self, statement: &SqlStatement) -> Option<Result<SqlAnswer, ResourceError>> {
        MockResource::sql(self, statement)
    }

    fn smtp(&mut self, mail: &Mail) -> Option<Result<(), ResourceError>> {
        MockResource::smtp(self, mail)
    }

    fn kv(&mut self, request: &KvRequest) -> Option<ResourceError> {
        MockResource::kv(self, request)
    }

    fn any(&mut self) -> &mut dyn Any {
        self
    }
}

impl MockResourceManager {
    /// Holds a stand-in of this type, as its `Default` makes it. One that it has
    /// already stays as it is.
    pub fn register<R: MockResource>(&mut self) {
        if self.with(|_: &mut R| ()).is_none() {
            self.held.push(Arc::new(Mutex::new(R::default())));
        }
    }

    /// Looks at the stand-in of this type, or changes it; none if it has none.
    pub fn with<R: MockResource, T>(&self, look: impl FnOnce(&mut R) -> T) -> Option<T> {
        for held in &self.held {
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(resource) = held.any().downcast_mut() {
                return Some(look(resource));
            }
        }
        None
    }

    /// The values by key of this name, in memory: the name that a node binds, or else that
    /// the action asks for.
    #[must_use]
    pub fn values(&self, name: &str) -> KvStore {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.entry(name.to_owned()).or_default().clone()
    }

    /// The answer of the first that has one.
    pub(crate) fn answer(&self, request: &Request) -> Option<Result<Response, HttpError>> {
        self.first(|held| held.answer(request))
    }
}

impl MockResourceManager {
    /// The answer of the first database that has one.
    pub(crate) fn sql(&self, statement: &SqlStatement) -> Result<SqlAnswer, ResourceError> {
        let answer = self.first(|held| held.sql(statement));
        answer.unwrap_or_else(|| Err(nothing("database", &statement.resource, "sql")))
    }

    /// Whether the first mail server that has an answer takes a message.
    pub(crate) fn smtp(&self, mail: &Mail) -> Result<(), ResourceError> {
        let answer = self.first(|held| held.smtp(mail));
        answer.unwrap_or_else(|| Err(nothing("mail server", &mail.resource, "smtp")))
    }

    /// Whether a request goes to the values in memory.
    pub(crate) fn kv(&self, request: &KvRequest) -> Result<(), ResourceError> {
        self.first(|held| held.kv(request)).map_or(Ok(()), Err)
    }

    fn first<T>(&self, mut ask: impl FnMut(&mut dyn Held) -> Option<T>) -> Option<T> {
        self.held.iter().find_map(|held| {
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            ask(&mut *held)
        })
    }
}

fn nothing(what: &str, name: &str, method: &str) -> ResourceError {
    ResourceError::Unbound(format!(
        "nothing stands in for the {what} `{name}`: implement `MockResource::{method}` and give it to \
         the harness"
    ))
}

impl fmt::Debug for MockResourceManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MockResourceManager({} resources)", self.held.len())
    }
}
