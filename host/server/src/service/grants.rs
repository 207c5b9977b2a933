//! Grants: which hosts an action may reach, by an operator's word.

use nebula_api::Page;
use nebula_api::access::{Grant, GrantKey, GrantsQuery};
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
    let host = grant.host.to_ascii_lowercase();
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

fn wire(grant: grant::Grant) -> Grant {
    Grant {
        action: grant.action.to_string(),
        host: grant.host,
        at: grant.at,
        methods: grant.methods,
    }
}

fn check(request: Grant) -> Result<grant::Grant> {
    let refuse = |pointer: &str, message: String| Error::InvalidBody {
        pointer: pointer.into(),
        message,
    };
    let action = ActionId::new(&request.action).map_err(|e| refuse("/action", e.to_string()))?;
    check_host(&request.host, "/host")?;
    if let Some(at) = &request.at {
        check_address(at)?;
    }
    if request.methods.len() > MAX_METHODS {
        return Err(refuse(
            "/methods",
            format!("a grant has at most {MAX_METHODS} methods"),
        ));
    }
    let mut methods = Vec::with_capacity(request.methods.len());
    for (i, method) in request.methods.iter().enumerate() {
        if method.is_empty()
            || method.len() > 20
            || !method.bytes().all(|b| b.is_ascii_alphabetic())
        {
            return Err(refuse(
                &format!("/methods/{i}"),
                "not the name of an HTTP method".into(),
            ));
        }
        methods.push(method.to_ascii_uppercase());
    }
    Ok(grant::Grant {
        action,
        host: request.host.to_ascii_lowercase(),
        at: request.at,
        methods,
    })
}

/// Refuses what is not `host` or `host:port`.
pub(crate) fn check_host(text: &str, pointer: &str) -> Result<()> {
    let valid = text.parse::<http::uri::Authority>().is_ok_and(|authority| {
        let host = authority.host();
        let name = host.trim_start_matches('[').trim_end_matches(']');
        !text.contains('@')
            && !name.is_empty()
            && host.len() <= 253
            && (name.parse::<std::net::IpAddr>().is_ok()
                || name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')))
            && (authority.port_u16().is_some_and(|p| p != 0) || !ends_with_port(text, host))
    });
    if valid {
        return Ok(());
    }
    Err(Error::InvalidBody {
        pointer: pointer.into(),
        message:
            "not a host: write `api.example.com` or `api.example.com:8443`, without scheme and path"
                .into(),
    })
}

fn ends_with_port(text: &str, host: &str) -> bool {
    text.len() > host.len()
}

fn check_address(at: &str) -> Result<()> {
    let valid = at.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri
                .authority()
                .is_some_and(|a| check_host(a.as_str(), "/at").is_ok())
            && matches!(uri.path(), "" | "/")
            && uri.query().is_none()
    });
    if valid {
        return Ok(());
    }
    Err(Error::InvalidBody {
        pointer: "/at".into(),
        message:
            "not an address: write `http://127.0.0.1:8080` or `https://host:port`, without a path"
                .into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_a_name_or_an_address_with_an_optional_port() {
        for host in [
            "api.example.com",
            "api.example.com:8443",
            "127.0.0.1:80",
            "[::1]:8080",
            "localhost",
            "x_y.z",
        ] {
            assert!(check_host(host, "").is_ok(), "{host}");
        }
        for host in [
            "", "*", "http://a", "a/b", "a:b", "a:", "a:0", "a:99999", "u@a", "a b", "a\r\nb",
            "ä.de", ":80",
        ] {
            assert!(check_host(host, "").is_err(), "{host}");
        }
    }

    #[test]
    fn addresses_are_urls_without_a_path() {
        for at in [
            "http://127.0.0.1:8080",
            "https://x.example",
            "http://[::1]:1/",
        ] {
            assert!(check_address(at).is_ok(), "{at}");
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
            assert!(check_address(at).is_err(), "{at}");
        }
    }
}
