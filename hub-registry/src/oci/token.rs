//! What a registry wants to see before it answers: a user's name and password,
//! or a token, which it or somebody else makes for them (the "Token
//! Authentication Specification" of the distribution project). A token's
//! answer has a cap, and the password goes to nobody but whom the registry names.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use oci_distribution::RegistryOperation;
use oci_distribution::client::{Client, ClientConfig, ClientProtocol};
use oci_distribution::secrets::RegistryAuth;
use oci_distribution::token_cache::RegistryTokenType;
use reqwest::{Response, StatusCode, header};
use serde::Deserialize;
use url::Url;

use super::ask::{ACCEPT_JSON, Question, show};
use super::error::RegistryError;
use super::remote::{AGENT, Remote};
use crate::package::PackageName;

/// Bytes of the answer that has a token; those of the large registries have 5 KiB.
const MAX_ANSWER: u64 = 64 << 10;
/// How long a token is good for that does not say it: the specification's word.
const LIFE: Duration = Duration::from_secs(60);
/// However long it says.
const MAX_LIFE: Duration = Duration::from_secs(600);
/// Tokens that are kept.
const KEPT: usize = 256;

/// Tokens by scope.
#[derive(Default)]
pub(super) struct Kept(Mutex<HashMap<String, Token>>);

struct Token {
    auth: RegistryAuth,
    /// What pushes with it, once something did.
    client: Option<Client>,
    until: Option<Instant>,
}

/// Where a registry has tokens made.
struct Challenge {
    realm: Url,
    service: Option<String>,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(alias = "access_token")]
    token: String,
    expires_in: Option<u64>,
}

impl Kept {
    fn with<T>(&self, scope: &str, read: impl FnOnce(&mut Token) -> T) -> Option<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        all.retain(|_, token| token.until.is_none_or(|until| now < until));
        all.get_mut(scope).map(read)
    }

    fn put(&self, scope: &str, token: Token) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(scope.to_owned(), token);
    }
}

impl Remote {
    /// What is shown first: a token for this scope, if there is one, else who
    /// asks.
    pub(super) fn shown(&self, scope: Option<&str>) -> RegistryAuth {
        let kept = scope.and_then(|scope| self.kept.with(scope, |token| token.auth.clone()));
        kept.unwrap_or_else(|| self.auth.clone())
    }

    /// The token that an answer asks for; none if it asks for something else.
    pub(super) async fn token(
        &self,
        scope: Option<&str>,
        answer: &Response,
    ) -> Result<Option<RegistryAuth>, RegistryError> {
        let Some(challenge) = self.challenge(answer)? else {
            return Ok(None);
        };
        let wire = self.have_made(&challenge, scope).await?;
        let auth = RegistryAuth::Bearer(wire.token);
        if let Some(scope) = scope {
            let life = wire.expires_in.map_or(LIFE, Duration::from_secs);
            let token = Token {
                auth: auth.clone(),
                client: None,
                // It must still be good when what is pushed with it has come.
                until: Some(Instant::now() + life.min(MAX_LIFE) * 5 / 6),
            };
            self.kept.put(scope, token);
        }
        Ok(Some(auth))
    }

    fn challenge(&self, answer: &Response) -> Result<Option<Challenge>, RegistryError> {
        let values = answer.headers().get_all(header::WWW_AUTHENTICATE);
        for value in values.iter().filter_map(|value| value.to_str().ok()) {
            let Ok(challenges) = http_auth::parse_challenges(value) else {
                continue;
            };
            let bearer = |c: &&http_auth::ChallengeRef<'_>| c.scheme.eq_ignore_ascii_case("bearer");
            let Some(challenge) = challenges.iter().find(bearer) else {
                continue;
            };
            let parameter = |wanted: &str| {
                let mut all = challenge.params.iter();
                all.find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                    .map(|(_, value)| value.to_unescaped())
            };
            let realm = parameter("realm").unwrap_or_default();
            let realm = realm.parse::<Url>().map_err(|_| RegistryError::Nonsense {
                registry: self.registry.host().to_owned(),
                reason: "where it has tokens made is no address".into(),
            })?;
            self.fence
                .allows(&realm)
                .map_err(|error| RegistryError::Elsewhere {
                    registry: self.registry.host().to_owned(),
                    reason: error.to_string(),
                })?;
            return Ok(Some(Challenge {
                realm,
                service: parameter("service"),
            }));
        }
        Ok(None)
    }

    async fn have_made(
        &self,
        challenge: &Challenge,
        scope: Option<&str>,
    ) -> Result<Wire, RegistryError> {
        let host = self.registry.host();
        let mut url = challenge.realm.clone();
        let asked = [("service", challenge.service.as_deref()), ("scope", scope)];
        for (name, value) in asked {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let request = self.http.get(url).header(header::ACCEPT, ACCEPT_JSON);
        let response = show(request, &self.auth).send().await;
        let response = response.map_err(|error| RegistryError::of_request(host, &error))?;
        let status = response.status();
        let answer = self.read(response, "a token", MAX_ANSWER).await?;
        match status {
            StatusCode::OK => {
                // Never the answer's own text, which may hold the token.
                let read = serde_json::from_slice(&answer.bytes);
                read.map_err(|_| RegistryError::Nonsense {
                    registry: host.to_owned(),
                    reason: "its answer has no token that reads".into(),
                })
            }
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(RegistryError::Unauthorized {
                    registry: host.to_owned(),
                })
            }
            status => {
                let text = String::from_utf8_lossy(&answer.bytes);
                Err(RegistryError::of_status(host, status.as_u16(), &text))
            }
        }
    }

    /// The library's client that pushes a package. It is given what it shows, so
    /// that it never has a token made itself, whose answer it would read whole.
    pub(super) async fn pusher(&self, name: &PackageName) -> Result<Client, RegistryError> {
        let scope = self.scope(name, "pull,push");
        if let Some(Some(client)) = self.kept.with(&scope, |token| token.client.clone()) {
            return Ok(client);
        }
        // Who may do something there is asked first, as the specification has it.
        let question = Question::get("/v2/".into(), Some(scope.clone()), ACCEPT_JSON, "greeting");
        let greeted = self.retry(|| self.ask(&question)).await?;
        greeted.ok_or_else(|| self.missing("/v2/".into()))?;
        let auth = self.shown(Some(&scope));
        let client = self.client(name, &auth).await;
        let kept = self
            .kept
            .with(&scope, |token| token.client = Some(client.clone()));
        if kept.is_none() {
            let token = Token {
                auth,
                client: Some(client.clone()),
                until: None,
            };
            self.kept.put(&scope, token);
        }
        Ok(client)
    }

    async fn client(&self, name: &PackageName, auth: &RegistryAuth) -> Client {
        let protocol = if self.registry.is_plain() {
            ClientProtocol::Http
        } else {
            ClientProtocol::Https
        };
        let client = Client::new(ClientConfig {
            protocol,
            use_monolithic_push: true,
            read_timeout: Some(self.patience.silence),
            connect_timeout: Some(self.patience.connect),
            user_agent: AGENT,
            ..ClientConfig::default()
        });
        let host = self.registry.host();
        match auth {
            RegistryAuth::Anonymous => {}
            RegistryAuth::Bearer(_) => client.store_auth_if_needed(host, auth).await,
            RegistryAuth::Basic(user, password) => {
                client.store_auth_if_needed(host, auth).await;
                let reference = self.registry.tagged(name, "x");
                for operation in [RegistryOperation::Pull, RegistryOperation::Push] {
                    let basic = RegistryTokenType::Basic(user.clone(), password.clone());
                    client.tokens.insert(&reference, operation, basic).await;
                }
            }
        }
        client
    }
}
