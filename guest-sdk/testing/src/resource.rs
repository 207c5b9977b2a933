//! Stand-ins for what actions reach.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use nebula_action::ResourceError;
use nebula_action::http::{HttpError, Request, Response};
use nebula_action::native::{SqlAnswer, SqlStatement};

/// A stand-in for something that an action reaches, such as a mail server or a
/// database. It sees every request and statement of the action first, and answers those
/// that are its own.
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
}

/// Holds the stand-ins, one of each type. Clones hold the same ones.
#[derive(Clone, Default)]
pub struct MockResourceManager {
    held: Vec<Arc<Mutex<dyn Held>>>,
}

/// A stand-in whose type is forgotten.
trait Held: Send {
    fn answer(&mut self, request: &Request) -> Option<Result<Response, HttpError>>;
    fn sql(&mut self, statement: &SqlStatement) -> Option<Result<SqlAnswer, ResourceError>>;
    fn any(&mut self) -> &mut dyn Any;
}

impl<R: MockResource> Held for R {
    fn answer(&mut self, request: &Request) -> Option<Result<Response, HttpError>> {
        MockResource::answer(self, request)
    }

    fn sql(&mut self, statement: &SqlStatement) -> Option<Result<SqlAnswer, ResourceError>> {
        MockResource::sql(self, statement)
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

    /// The answer of the first that has one.
    pub(crate) fn answer(&self, request: &Request) -> Option<Result<Response, HttpError>> {
        self.held.iter().find_map(|held| {
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            held.answer(request)
        })
    }
}

impl MockResourceManager {
    /// The answer of the first database that has one.
    pub(crate) fn sql(&self, statement: &SqlStatement) -> Result<SqlAnswer, ResourceError> {
        let answer = self.held.iter().find_map(|held| {
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            held.sql(statement)
        });
        answer.unwrap_or_else(|| {
            let name = &statement.resource;
            Err(ResourceError::Unbound(format!(
                "nothing stands in for the database `{name}`: implement `MockResource::sql` and \
                 give it to the harness"
            )))
        })
    }
}

impl fmt::Debug for MockResourceManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MockResourceManager({} resources)", self.held.len())
    }
}
