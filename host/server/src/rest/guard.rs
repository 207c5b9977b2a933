//! Who may use which route. A request is identified once, by its key; each
//! route is mounted together with the role that it needs, and there is no
//! other way to mount one.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::handler::Handler;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use nebula_api::key::Role;
use nebula_api::{Code, Problem};
use nebula_flow::TenantId;

use super::door;
use super::reply::Refusal;
use crate::app::{App, Shared};
use crate::service::keys::{self, Caller, KeyRefused};

/// Where Prometheus looks for figures; outside the API.
pub(crate) const METRICS: &str = "/metrics";
/// Where requests to webhooks are sent; outside the API.
pub(crate) const HOOKS: &str = "/hooks/";

fn is_outside(path: &str) -> bool {
    path == METRICS || path.starts_with(HOOKS)
}

impl Access {
    /// The whole path.
    pub(crate) fn full_path(&self) -> String {
        if is_outside(self.path) {
            self.path.into()
        } else {
            format!("{}{}", nebula_api::PREFIX, self.path)
        }
    }
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Anyone, without a key.
    Nothing,
    /// Whoever proves to know the trigger's secret; no key is asked for.
    Secret,
    /// A key of this role or a higher one.
    Role(Role),
}

/// Anyone.
pub(crate) const ANYONE: Need = Need::Nothing;
/// Who knows a trigger's secret.
pub(crate) const SECRET: Need = Need::Secret;
/// Who may look.
pub(crate) const VIEWER: Need = Need::Role(Role::Viewer);
/// Who may run things.
pub(crate) const OPERATOR: Need = Need::Role(Role::Operator);
/// Who may say what is allowed.
pub(crate) const ADMIN: Need = Need::Role(Role::Admin);

/// One line of the table of who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub(crate) method: &'static str,
    /// Its template; below the API's prefix, unless it stands outside the API.
    pub(crate) path: &'static str,
    /// Who may.
    pub(crate) need: Need,
}

/// Routes, each with who may use it.
#[derive(Default)]
pub(crate) struct Routes {
    /// What serves those of the API, below its prefix.
    pub(crate) api: Router<Arc<Shared>>,
    /// What serves those that others have a fixed place for.
    pub(crate) outside: Router<Arc<Shared>>,
    /// The table of who may do what.
    pub(crate) table: Vec<Access>,
}

/// The route's template, as it travels back to the door, for its figures.
#[derive(Clone)]
pub(crate) struct Template(pub(crate) MatchedPath);

impl Routes {
    /// Mounts a GET.
    pub(crate) fn get<H, T>(self, path: &'static str, need: Need, handler: H) -> Self
    where
        H: Handler<T, Arc<Shared>>,
        T: 'static,
    {
        self.mount(MethodFilter::GET, "GET", path, need, handler)
    }

    /// Mounts a POST.
    pub(crate) fn post<H, T>(self, path: &'static str, need: Need, handler: H) -> Self
    where
        H: Handler<T, Arc<Shared>>,
        T: 'static,
    {
        self.mount(MethodFilter::POST, "POST", path, need, handler)
    }

    /// Mounts a PUT.
    pub(crate) fn put<H, T>(self, path: &'static str, need: Need, handler: H) -> Self
    where
        H: Handler<T, Arc<Shared>>,
        T: 'static,
    {
        self.mount(MethodFilter::PUT, "PUT", path, need, handler)
    }

    /// Mounts a DELETE.
    pub(crate) fn delete<H, T>(self, path: &'static str, need: Need, handler: H) -> Self
    where
        H: Handler<T, Arc<Shared>>,
        T: 'static,
    {
        self.mount(MethodFilter::DELETE, "DELETE", path, need, handler)
    }

    fn mount<H, T>(
        mut self,
        filter: MethodFilter,
        method: &'static str,
        path: &'static str,
        need: Need,
        handler: H,
    ) -> Self
    where
        H: Handler<T, Arc<Shared>>,
        T: 'static,
    {
        let route = on(filter, handler).route_layer(middleware::from_fn_with_state(need, admit));
        if is_outside(path) {
            self.outside = self.outside.route(path, route);
        } else {
            self.api = self.api.route(path, route);
        }
        self.table.push(Access { method, path, need });
        self
    }
}

/// Lets a request to its route if its caller may, and it is no form's.
async fn admit(State(need): State<Need>, request: Request, next: Next) -> Response {
    let template = request.extensions().get::<MatchedPath>().cloned();
    let caller = request.extensions().get::<Caller>();
    let route = template.as_ref().map_or("", MatchedPath::as_str);
    let allowed = allow(need, caller.unwrap_or(&Caller::Anonymous)).and_then(|()| match need {
        // What a sender's program sends is its own affair.
        Need::Secret => Ok(()),
        _ => door::content_type(request.method(), route, request.headers()),
    });
    let mut response = match allowed {
        Err(refusal) => refusal.into_response(),
        Ok(()) => next.run(request).await,
    };
    if let Some(template) = template {
        response.extensions_mut().insert(Template(template));
    }
    response
}

fn allow(need: Need, caller: &Caller) -> Result<(), Refusal> {
    let Need::Role(needed) = need else {
        return Ok(());
    };
    match caller {
        Caller::Anonymous => Err(unauthenticated().into()),
        Caller::Known { role, .. } if *role >= needed => Ok(()),
        Caller::Known { role, .. } => {
            let (role, needed) = (role.name(), needed.name());
            let detail = format!("this needs the role {needed}, and the key has the role {role}");
            let hint = "ask who administers the node for a key of that role";
            Err(Problem::new(Code::Forbidden, detail).hint(hint).into())
        }
    }
}

fn unauthenticated() -> Problem {
    Problem::new(Code::Unauthenticated, "the request has no key")
        .hint("send `Authorization: Bearer <key>`; `nebula key create` makes one")
}

/// Who sends a request. A key that is not good is refused even where none is
/// needed: who sends one means to be someone.
pub(crate) async fn identify(shared: &Arc<Shared>, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(if shared.keys_required {
            Caller::Anonymous
        } else {
            Caller::Known {
                tenant: TenantId::default_tenant(),
                role: Role::Admin,
                key: None,
            }
        });
    };
    let key = value.to_str().ok().and_then(bearer_token);
    let (Some(key), None) = (key, values.next()) else {
        let problem = Problem::new(Code::InvalidKey, "`Authorization` is not that of a key");
        return Err(problem
            .hint("send `Authorization: Bearer <key>`, once")
            .into());
    };
    keys::bearer(shared, key).await.map_err(|refused| {
        let detail = refused.to_string();
        match refused {
            KeyRefused::Trouble(error) => error.into(),
            KeyRefused::Unknown | KeyRefused::Expired { .. } => Problem::new(
                Code::InvalidKey,
                detail,
            )
            .hint("`nebula key create` makes another; `nebula key list` shows those that are good")
            .into(),
        }
    })
}

/// The token of `Bearer <token>`; the scheme's case does not matter (RFC 7235).
fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim_matches(' '))
}

impl FromRequestParts<Arc<Shared>> for App {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        match parts.extensions.get::<Caller>() {
            Some(Caller::Known { tenant, .. }) => Ok(Self::new(Arc::clone(shared), tenant.clone())),
            Some(Caller::Anonymous) | None => Err(unauthenticated().into()),
        }
    }
}
