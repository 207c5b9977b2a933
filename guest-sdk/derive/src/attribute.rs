//! What `#[action(…)]` says, checked.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{DeriveInput, Error, LitStr, Result, Token, parenthesized};

const KEYS: &str =
    "id, name, version, description, category, credentials(…), hosts(…), resources(…), trigger";

/// What `#[action(…)]` says.
#[derive(Debug, Default)]
pub(crate) struct Attribute {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) credentials: Vec<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) resources: Vec<Asked>,
    pub(crate) trigger: bool,
}

/// A resource that an action asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// By name and kind: `db = "sql"`.
    Plain(String, String),
    /// By its type: `Orders`.
    Typed(TokenStream),
}

impl PartialEq for Asked {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one, is), Self::Plain(other, other_is)) => one == other && is == other_is,
            (Self::Typed(one), Self::Typed(other)) => one.to_string() == other.to_string(),
            _ => false,
        }
    }
}

impl Attribute {
    /// Reads and checks the attribute of an item.
    pub(crate) fn of(item: &DeriveInput) -> Result<Self> {
        let mut found = Self::default();
        let mut seen = Vec::new();
        for attribute in item.attrs.iter().filter(|a| a.path().is_ident("action")) {
            attribute.parse_nested_meta(|meta| found.read(&meta, &mut seen))?;
        }
        if found.id.is_empty() {
            let message = "an action needs an id: `#[action(id = \"weather.fetch\")]`";
            return Err(Error::new_spanned(&item.ident, message));
        }
        Ok(found)
    }

    fn read(&mut self, meta: &ParseNestedMeta<'_>, seen: &mut Vec<String>) -> Result<()> {
        let key = meta
            .path
            .get_ident()
            .map(ToString::to_string)
            .unwrap_or_default();
        if seen.contains(&key) {
            return Err(meta.error(format!("`{key}` is given twice")));
        }
        match key.as_str() {
            "id" => self.id = text(meta, check_id)?,
            "name" => self.name = Some(text(meta, check_line)?),
            "version" => self.version = Some(text(meta, check_version)?),
            "description" => self.description = Some(text(meta, |_| Ok(()))?),
            "category" => self.category = Some(text(meta, check_line)?),
            "credentials" => self.credentials = texts(meta, check_credential)?,
            "hosts" => self.hosts = texts(meta, check_host)?,
            "resources" => self.resources = kinds(meta)?,
            "trigger" => self.trigger = alone(meta)?,
            _ => return Err(meta.error(format!("unknown key; the keys are {KEYS}"))),
        }
        seen.push(key);
        Ok(())
    }
}

type Check = fn(&str) -> std::result::Result<(), &'static str>;

/// `key = "text"`.
fn text(meta: &ParseNestedMeta<'_>, check: Check) -> Result<String> {
    checked(&meta.value()?.parse()?, check)
}

/// `key`.
fn alone(meta: &ParseNestedMeta<'_>) -> Result<bool> {
    if meta.input.is_empty() || meta.input.peek(Token![,]) {
        Ok(true)
    } else {
        Err(meta.error("`trigger` stands alone: it says that the action is one"))
    }
}

/// `key("text", …)`.
fn texts(meta: &ParseNestedMeta<'_>, check: Check) -> Result<Vec<String>> {
    let content;
    parenthesized!(content in meta.input);
    let list = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
    let mut values = Vec::new();
    for item in &list {
        let value = checked(item, check)?;
        if values.contains(&value) {
            return Err(Error::new(item.span(), "it is listed twice"));
        }
        values.push(value);
    }
    Ok(values)
}

/// `key(name = "kind", Type, …)`.
fn kinds(meta: &ParseNestedMeta<'_>) -> Result<Vec<Asked>> {
    let mut kinds: Vec<Asked> = Vec::new();
    meta.parse_nested_meta(|resource| {
        let asked = if resource.input.peek(Token![=]) {
            let name = resource.path.get_ident().map(ToString::to_string);
            let name = name.filter(|name| is_name(name, "_"));
            let name = name.ok_or_else(|| resource.error(RESOURCE_NAME))?;
            Asked::Plain(name, text(&resource, check_kind)?)
        } else {
            let last = resource
                .path
                .segments
                .last()
                .map(|last| last.ident.to_string());
            if last.is_none_or(|last| is_name(&last, "_")) {
                return Err(resource.error(
                    "what kind of resource is it? Write `name = \"sql\"`, or the type of one with \
                     `#[derive(Resource)]`",
                ));
            }
            Asked::Typed(resource.path.to_token_stream())
        };
        let is_twice = kinds.iter().any(|other| match (other, &asked) {
            (Asked::Plain(one, _), Asked::Plain(other, _)) => one == other,
            (one, other) => one == other,
        });
        if is_twice {
            return Err(resource.error("it is listed twice"));
        }
        kinds.push(asked);
        Ok(())
    })?;
    Ok(kinds)
}

/// What a resource may be called.
const RESOURCE_NAME: &str = "a resource's name is `[a-z][a-z0-9_]*`";

/// Refuses what is no name of a resource.
pub(crate) fn check_resource(name: &str) -> std::result::Result<(), &'static str> {
    if is_name(name, "_") && name.len() <= 63 {
        Ok(())
    } else {
        Err(RESOURCE_NAME)
    }
}

pub(crate) fn checked(literal: &LitStr, check: Check) -> Result<String> {
    let value = literal.value();
    check(&value).map_err(|message| Error::new(literal.span(), message))?;
    Ok(value)
}

fn is_name(text: &str, extra: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || extra.contains(c))
}

pub(crate) fn check_id(id: &str) -> std::result::Result<(), &'static str> {
    if id.len() <= 128 && id.contains('.') && id.split('.').all(|segment| is_name(segment, "_-")) {
        Ok(())
    } else {
        Err(
            "an action id is two or more segments of `[a-z][a-z0-9_-]*` joined by dots, e.g. `weather.fetch`",
        )
    }
}

fn check_line(text: &str) -> std::result::Result<(), &'static str> {
    if text.is_empty() || text.contains('\n') {
        Err("one line of text is needed")
    } else {
        Ok(())
    }
}

fn check_version(version: &str) -> std::result::Result<(), &'static str> {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<&str> = core.split('.').collect();
    let number = |n: &&str| n.parse::<u64>().is_ok_and(|value| value.to_string() == **n);
    if numbers.len() == 3 && numbers.iter().all(number) {
        Ok(())
    } else {
        Err("a version is semver, e.g. `1.2.0`")
    }
}

fn check_credential(name: &str) -> std::result::Result<(), &'static str> {
    if is_name(name, "_-") {
        Ok(())
    } else {
        Err("a credential's name is `[a-z][a-z0-9_-]*`")
    }
}

pub(crate) fn check_kind(kind: &str) -> std::result::Result<(), &'static str> {
    if matches!(kind, "sql" | "smtp" | "kv") {
        Ok(())
    } else {
        Err(
            "the kinds of resources are `sql`, a database, `smtp`, a mail server, and `kv`, values by key",
        )
    }
}

fn check_host(host: &str) -> std::result::Result<(), &'static str> {
    let (name, port) = host
        .split_once(':')
        .map_or((host, None), |(name, port)| (name, Some(port)));
    let named = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c));
    if host == "*" || named && port.is_none_or(|port| port.parse::<u16>().is_ok()) {
        Ok(())
    } else {
        Err("a host is `host` or `host:port` in lower case, without scheme and path, or `*`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn refusal(item: &DeriveInput) -> String {
        Attribute::of(item).expect_err("refused").to_string()
    }

    #[test]
    fn everything_can_be_said() {
        let item: DeriveInput = parse_quote! {
            #[action(id = "weather.fetch", name = "Weather", version = "1.2.0-rc.1", description = "It.", category = "web")]
            #[action(credentials("weather_api"), hosts("api.weather.example", "localhost:8080"))]
            #[action(resources(db = "sql", log_2 = "kv", shop::Orders), trigger)]
            struct Fetch;
        };
        let found = Attribute::of(&item).expect("reads");
        assert_eq!(found.credentials, ["weather_api"]);
        assert_eq!(found.hosts, ["api.weather.example", "localhost:8080"]);
        let plain = |name: &str, kind: &str| Asked::Plain(name.to_owned(), kind.to_owned());
        let orders = Asked::Typed(quote::quote!(shop::Orders));
        assert_eq!(
            found.resources,
            [plain("db", "sql"), plain("log_2", "kv"), orders]
        );
        assert_eq!(found.version.as_deref(), Some("1.2.0-rc.1"));
        assert!(found.trigger);
    }

    #[test]
    fn mistakes_are_named() {
        let cases: [(DeriveInput, &str); 14] = [
            (
                parse_quote!(
                    #[action(id = "a.b", trigger = "yes")]
                    struct A;
                ),
                "`trigger` stands alone",
            ),
            (
                parse_quote!(
                    struct A;
                ),
                "an action needs an id",
            ),
            (
                parse_quote!(
                    #[action(id = "fetch")]
                    struct A;
                ),
                "an action id is two or more segments",
            ),
            (
                parse_quote!(
                    #[action(id = "a.b", id = "a.c")]
                    struct A;
                ),
                "`id` is given twice",
            ),
            (
                parse_quote!(
                    #[action(id = "a.b", host("x"))]
                    struct A;
                ),
                "unknown key; the keys are id",
            ),
            (
                parse_quote!(
                    #[action(id = "a.b", version = "1.0")]
                    struct A;
                ),
                "a version is semver",
            ),
            (
                parse_quote!(
                    #[action(id = "a.b", hosts("https://x"))]
                    struct A;
                ),
                "a host is `host`",
            ),
            (
                parse_quote!(
                    #[action(id = "a.b", hosts("x", "x"))]
                    struct A;
                ),
                "it is listed twice",
            ),
            (
                parse_quote!(
                    #[action(id = "a.b", credentials("API KEY"))]
                    struct A;
                ),
                "a credential's name",
            ),
            (
                parse_quote!(
                    #[action(id = "a.b", resources(db = "mongo"))]
                    struct A;
                ),
                "the kinds of resources are",
            ),
            (
                parse_quote!(
                    #[action(id = "a.b", resources(Db = "sql"))]
                    struct A;
                ),
                "a resource's name",
            ),
            (
                parse_quote!(
                    #[action(id = "a.b", resources(db = "sql", db = "sql"))]
                    struct A;
                ),
                "it is listed twice",
            ),
            (
                parse_quote!(
                    #[action(id = "a.b", resources(db))]
                    struct A;
                ),
                "what kind of resource is it?",
            ),
            (
                parse_quote!(
                    #[action(id = "a.b", resources(Orders, Orders))]
                    struct A;
                ),
                "it is listed twice",
            ),
        ];
        for (item, message) in &cases {
            assert!(refusal(item).starts_with(message), "{}", refusal(item));
        }
    }
}
