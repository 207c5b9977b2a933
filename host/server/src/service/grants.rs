//! Grants: which hosts an action may reach, by an operator's word.

use nebula_api::Page;
use nebula_api::access::{Grant, GrantKey, GrantsQuery};
use nebula_egress::HostRule;
use nebula_egress::host::Authority;
use nebula_flow::ActionId;
use nebula_flow::grant;
use nebula_flow::ports::Kind;

use super::{Error, Result, paging};
use crate::app::App;

/// Methods of a grant.
const MAX_METHODS: usize = 16;

/// A page of grants by action and host.
pub(crate) async fn list(app: &App, query: GrantsQuery) -> Result<Page<Grant>> {
    let limit = paging::limit(query.limit)?;
    let prefix = match &query.action {
        Some(action) => format!("{}/", ActionId::new(action)?),
        None => String::new(),
    };
    let after = query.cursor.as_deref();
    let found = app
        .records
        .list(Kind::Grant, &app.tenant, &prefix, after, limit + 1)
        .await?;
    let items = found
        .into_iter()
        .map(|(key, record)| {
            let grant: grant::Grant = serde_json::from_slice(&record.value)
                .map_err(|_| Error::Damaged(format!("grant `{key}` is not one")))?;
            Ok(wire(grant))
        })
        .collect::<Result<_>>()?;
    Ok(paging::page(items, limit, |g: &Grant| {
        key(&g.action, &g.host)
    }))
}

/// Adds a grant, in place of the one for that action and host if there is one.
/// Says whether it is new.
pub(crate) async fn add(app: &App, request: Grant) -> Result<(Grant, bool)> {
    let grant = check(request)?;
    let version = grant::put_grant(&*app.records, &app.tenant, &grant).await?;
    Ok((wire(grant), version == 1))
}

/// Removes a grant.
pub(crate) async fn remove(app: &App, grant: GrantKey) -> Result<()> {
    let action = ActionId::new(&grant.action)?;
    let host = one_spelling(&grant.host, "/host")?;
    if app
        .records
        .remove(Kind::Grant, &app.tenant, &key(action.as_str(), &host))
        .await?
    {
        Ok(())
    } else {
        Err(Error::GrantNotFound {
            action: grant.action,
            host: grant.host,
        })
    }
}

fn key(action: &str, host: &str) -> String {
    format!("{action}/{host}")
}

pub(super) fn wire(grant: grant::Grant) -> Grant {
    // One that was stored before schemes were has none; its rule has.
    let rule = read(
        &grant.host,
        &grant.schemes,
        &grant.methods,
        grant.at.as_deref(),
    );
    Grant {
        action: grant.action.to_string(),
        host: grant.host,
        schemes: rule.map_or(grant.schemes, |rule| rule.schemes()),
        at: grant.at,
        methods: grant.methods,
    }
}

/// The egress reads a grant here as it does for each request, so that nothing
/// is stored that it would read otherwise.
fn check(request: Grant) -> Result<grant::Grant> {
    let refuse = |pointer: &str, message: String| Error::InvalidBody {
        pointer: pointer.into(),
        message,
    };
    let action = ActionId::new(&request.action).map_err(|e| refuse("/action", e.to_string()))?;
    if request.methods.len() > MAX_METHODS || request.schemes.len() > MAX_METHODS {
        let message = format!("a grant has at most {MAX_METHODS} methods and two schemes");
        return Err(refuse("/methods", message));
    }
    let at = request.at.as_deref();
    let rule = read(&request.host, &request.schemes, &request.methods, at)?;
    if let Some(what) = rule.internal() {
        let host = rule.host();
        let message = format!(
            "{host} is {what}, which is never reached by its name alone: say where it is, \
             `nebula grant {action} {host} --at URL`"
        );
        return Err(refuse("/at", message));
    }
    Ok(grant::Grant {
        action,
        host: rule.host(),
        schemes: rule.schemes(),
        at: request.at,
        methods: rule.methods(),
    })
}

fn read(host: &str, schemes: &[String], methods: &[String], at: Option<&str>) -> Result<HostRule> {
    HostRule::new(host, schemes, methods, at).map_err(|invalid| Error::InvalidBody {
        pointer: format!("/{}", invalid.field()),
        message: invalid.to_string(),
    })
}

/// The one spelling of `host` or `host:port`; whatever else it is, is refused.
pub(crate) fn one_spelling(text: &str, pointer: &str) -> Result<String> {
    match Authority::parse(text) {
        Ok(authority) => Ok(authority.to_string()),
        Err(reason) => Err(Error::InvalidBody {
            pointer: pointer.into(),
            message: format!(
                "not a host: {reason}; write `api.example.com` or `api.example.com:8443`, \
                 without scheme and path"
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_a_name_or_an_address_with_an_optional_port() {
        for (host, spelled) in [
            ("API.example.com.", "api.example.com"),
            ("api.example.com:8443", "api.example.com:8443"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("::1", "[::1]"),
            ("[0:0::1]:8080", "[::1]:8080"),
            ("localhost", "localhost"),
            ("x_y.z", "x_y.z"),
        ] {
            assert_eq!(one_spelling(host, "").expect(host), spelled);
        }
        for host in [
            "",
            "*",
            "http://a",
            "a/b",
            "a:b",
            "a:",
            "a:0",
            "a:99999",
            "u@a",
            "a b",
            "a\r\nb",
            "ä.de",
            ":80",
            "127.1",
            "0x7f.1",
            "*.example",
        ] {
            assert!(one_spelling(host, "").is_err(), "{host}");
        }
    }

    fn asked(host: &str) -> Grant {
        Grant {
            action: "test.echo".into(),
            host: host.into(),
            schemes: Vec::new(),
            at: None,
            methods: Vec::new(),
        }
    }

    #[test]
    fn a_grant_is_https_unless_it_says_http_or_where_the_host_is() {
        let schemes = |grant: Grant| check(grant).expect("is granted").schemes;
        assert_eq!(schemes(asked("api.example")), ["https"]);
        let at = Grant {
            at: Some("http://127.0.0.1:9".into()),
            ..asked("api.example")
        };
        assert_eq!(schemes(at), ["http", "https"]);
        let http = Grant {
            schemes: vec!["http".into()],
            ..asked("api.example")
        };
        assert_eq!(schemes(http), ["http"]);
    }

    #[test]
    fn an_internal_host_is_granted_only_with_its_address() {
        for host in ["127.0.0.1:80", "[::1]", "localhost:8080", "169.254.169.254"] {
            let Err(Error::InvalidBody { pointer, message }) = check(asked(host)) else {
                panic!("{host} is granted");
            };
            assert_eq!(pointer, "/at");
            assert!(message.contains(&format!("`nebula grant test.echo {host} --at URL`")));
            let at = Grant {
                at: Some("http://127.0.0.1:9".into()),
                ..asked(host)
            };
            assert!(check(at).is_ok(), "{host}");
        }
    }

    #[test]
    fn addresses_are_urls_without_a_path() {
        let pointer = |at: &str| {
            let grant = Grant {
                at: Some(at.into()),
                ..asked("a.example")
            };
            match check(grant) {
                Err(Error::InvalidBody { pointer, .. }) => Some(pointer),
                _ => None,
            }
        };
        for at in [
            "http://127.0.0.1:8080",
            "https://x.example",
            "http://[::1]:1/",
        ] {
            assert_eq!(pointer(at), None, "{at}");
        }
        for at in [
            "",
            "127.0.0.1:80",
            "ftp://a",
            "http://",
            "http://a/b",
            "http://a?x",
            "http://u:p@a",
            "file:///etc",
        ] {
            assert_eq!(pointer(at).as_deref(), Some("/at"), "{at}");
        }
    }
}
