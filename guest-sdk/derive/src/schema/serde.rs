//! What `#[serde(…)]` and `#[schema(…)]` say. What would change a value's form
//! in a way that cannot be seen from here needs `#[schema(with = "Type")]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, DeriveInput, Error, Expr, Ident, LitStr, Result, Token, Type};

use super::case::{Case, Rules};
use super::tables;

/// What a missing value is.
#[derive(Default)]
pub(super) enum Fallback {
    #[default]
    None,
    /// `Default::default()`.
    Trait,
    /// What a function gives.
    Path(Expr),
}

/// Names that are given, for the two directions.
#[derive(Default)]
pub(super) struct Rename {
    written: Option<String>,
    read: Option<String>,
}

/// Of a struct or an enum.
#[derive(Default)]
pub(super) struct ContainerAttributes {
    pub(super) rename: Rename,
    pub(super) rename_all: Rules,
    pub(super) rename_all_fields: Rules,
    pub(super) default: Fallback,
    pub(super) deny_unknown_fields: bool,
    pub(super) tag: Option<String>,
    pub(super) content: Option<String>,
    pub(super) untagged: bool,
    pub(super) transparent: bool,
    pub(super) with: Option<Type>,
}

/// Of a field or a variant.
#[derive(Default)]
pub(super) struct MemberAttributes {
    pub(super) rename: Rename,
    pub(super) aliases: Vec<String>,
    pub(super) rename_all: Rules,
    pub(super) default: Fallback,
    pub(super) skip_serializing: bool,
    pub(super) skip_deserializing: bool,
    pub(super) skip_serializing_if: Option<Expr>,
    pub(super) flatten: bool,
    pub(super) untagged: bool,
    pub(super) other: bool,
    /// Serde reads it by a function of its own.
    pub(super) read_with: bool,
    /// Serde writes it by a function of its own.
    pub(super) written_with: bool,
    pub(super) with: Option<Type>,
}

/// A text as it stands between the quotes of JSON.
pub(super) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

impl Rename {
    /// The table of names of something that is called `written` and `read`
    /// where nothing else is said.
    pub(super) fn table(&self, written: &str, read: &str, aliases: &[String]) -> TokenStream {
        let tables = tables();
        let written = json(self.written.as_deref().unwrap_or(written));
        let read = json(self.read.as_deref().unwrap_or(read));
        let aliases = aliases
            .iter()
            .map(|alias| json(alias))
            .filter(|alias| *alias != read);
        quote!(#tables::Names { written: #written, read: &[#read, #(#aliases),*] })
    }

    /// The same, where both are called the same.
    pub(super) fn names(&self, name: &str, aliases: &[String]) -> TokenStream {
        self.table(name, name, aliases)
    }

    /// The name under which it is read, if it is given one.
    pub(super) fn read_name(&self) -> Option<&str> {
        self.read.as_deref()
    }

    fn set(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let (written, read) = directions(meta)?;
        self.written = written.map(|text| text.value()).or(self.written.take());
        self.read = read.map(|text| text.value()).or(self.read.take());
        Ok(())
    }
}

impl ContainerAttributes {
    pub(super) fn of(item: &DeriveInput) -> Result<Self> {
        let mut found = Self::default();
        let mut foreign = Vec::new();
        each(&item.attrs, "serde", |meta| found.read(meta, &mut foreign))?;
        each(&item.attrs, "schema", |meta| with(meta, &mut found.with))?;
        needs_with(&foreign, found.with.as_ref())?;
        Ok(found)
    }

    /// The name among the definitions.
    pub(super) fn name(&self, ident: &Ident) -> String {
        let name = self.rename.read.clone().unwrap_or_else(|| unraw(ident));
        let plain = |c: char| {
            if c.is_alphanumeric() || "_-.".contains(c) {
                c
            } else {
                '_'
            }
        };
        name.chars().map(plain).collect()
    }

    fn read(&mut self, meta: &ParseNestedMeta<'_>, foreign: &mut Vec<Error>) -> Result<()> {
        match key(meta).as_str() {
            "rename" => self.rename.set(meta)?,
            "rename_all" => rules(meta, &mut self.rename_all)?,
            "rename_all_fields" => rules(meta, &mut self.rename_all_fields)?,
            "default" => self.default = default(meta)?,
            "deny_unknown_fields" => self.deny_unknown_fields = true,
            "tag" => self.tag = Some(meta.value()?.parse::<LitStr>()?.value()),
            "content" => self.content = Some(meta.value()?.parse::<LitStr>()?.value()),
            "untagged" => self.untagged = true,
            "transparent" => self.transparent = true,
            "crate" | "bound" | "expecting" => ignore(meta)?,
            "from" | "try_from" | "into" | "remote" => {
                foreign.push(unseen(meta));
                ignore(meta)?;
            }
            _ => return Err(unknown(meta)),
        }
        Ok(())
    }
}

impl MemberAttributes {
    pub(super) fn of(attributes: &[Attribute]) -> Result<Self> {
        let mut found = Self::default();
        let mut foreign = Vec::new();
        each(attributes, "serde", |meta| found.read(meta, &mut foreign))?;
        each(attributes, "schema", |meta| with(meta, &mut found.with))?;
        if found.skip_deserializing && matches!(found.default, Fallback::None) {
            found.default = Fallback::Trait;
        }
        if !found.skipped() {
            needs_with(&foreign, found.with.as_ref())?;
        }
        Ok(found)
    }

    /// Whether it is neither read nor written.
    pub(super) const fn skipped(&self) -> bool {
        self.skip_serializing && self.skip_deserializing
    }

    fn read(&mut self, meta: &ParseNestedMeta<'_>, foreign: &mut Vec<Error>) -> Result<()> {
        match key(meta).as_str() {
            "rename" => self.rename.set(meta)?,
            "alias" => self.aliases.push(meta.value()?.parse::<LitStr>()?.value()),
            "rename_all" => rules(meta, &mut self.rename_all)?,
            "default" => self.default = default(meta)?,
            "skip" => (self.skip_serializing, self.skip_deserializing) = (true, true),
            "skip_serializing" => self.skip_serializing = true,
            "skip_deserializing" => self.skip_deserializing = true,
            "skip_serializing_if" => {
                self.skip_serializing_if = Some(meta.value()?.parse::<LitStr>()?.parse()?);
            }
            "flatten" => self.flatten = true,
            "untagged" => self.untagged = true,
            "other" => self.other = true,
            "bound" | "borrow" => ignore(meta)?,
            by @ ("with" | "serialize_with" | "deserialize_with") => {
                self.read_with |= by != "serialize_with";
                self.written_with |= by != "deserialize_with";
                foreign.push(unseen(meta));
                ignore(meta)?;
            }
            _ => return Err(unknown(meta)),
        }
        Ok(())
    }
}

/// A name without what makes a keyword of it usable.
pub(super) fn unraw(ident: &Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

/// Reads every attribute of this name.
pub(super) fn each(
    attributes: &[Attribute],
    name: &str,
    mut read: impl FnMut(&ParseNestedMeta<'_>) -> Result<()>,
) -> Result<()> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident(name))
        .try_for_each(|attribute| attribute.parse_nested_meta(|meta| read(&meta)))
}

fn key(meta: &ParseNestedMeta<'_>) -> String {
    meta.path
        .get_ident()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// `with = "Type"`.
fn with(meta: &ParseNestedMeta<'_>, found: &mut Option<Type>) -> Result<()> {
    if !meta.path.is_ident("with") {
        return Err(meta.error("unknown key; the key is `with = \"Type\"`"));
    }
    *found = Some(meta.value()?.parse::<LitStr>()?.parse()?);
    Ok(())
}

/// Past a value or a list that says nothing about the form.
fn ignore(meta: &ParseNestedMeta<'_>) -> Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        meta.parse_nested_meta(|inner| ignore(&inner))?;
    }
    Ok(())
}

fn default(meta: &ParseNestedMeta<'_>) -> Result<Fallback> {
    if meta.input.peek(Token![=]) {
        Ok(Fallback::Path(meta.value()?.parse::<LitStr>()?.parse()?))
    } else {
        Ok(Fallback::Trait)
    }
}

/// `key = "…"`, or `key(serialize = "…", deserialize = "…")`.
fn directions(meta: &ParseNestedMeta<'_>) -> Result<(Option<LitStr>, Option<LitStr>)> {
    if meta.input.peek(Token![=]) {
        let text: LitStr = meta.value()?.parse()?;
        return Ok((Some(text.clone()), Some(text)));
    }
    let (mut written, mut read) = (None, None);
    meta.parse_nested_meta(|inner| {
        let place = if inner.path.is_ident("serialize") {
            &mut written
        } else if inner.path.is_ident("deserialize") {
            &mut read
        } else {
            return Err(unknown(&inner));
        };
        *place = Some(inner.value()?.parse::<LitStr>()?);
        Ok(())
    })?;
    Ok((written, read))
}

fn rules(meta: &ParseNestedMeta<'_>, rules: &mut Rules) -> Result<()> {
    let (written, read) = directions(meta)?;
    for (text, rule) in [(written, &mut rules.written), (read, &mut rules.read)] {
        if let Some(text) = text {
            *rule = Case::named(&text.value())
                .ok_or_else(|| Error::new(text.span(), "serde knows no such case"))?;
        }
    }
    Ok(())
}

fn unknown(meta: &ParseNestedMeta<'_>) -> Error {
    let key = key(meta);
    meta.error(format!(
        "what `{key}` makes of the JSON Schema is not known; give the schema of another type with `#[schema(with = \"Type\")]`, or write `impl Schema` by hand"
    ))
}

/// The error for what serde does by code of the author's.
fn unseen(meta: &ParseNestedMeta<'_>) -> Error {
    let key = key(meta);
    meta.error(format!(
        "`{key}` hides the JSON form from the schema; name a type that has the same form with `#[schema(with = \"Type\")]`"
    ))
}

fn needs_with(foreign: &[Error], with: Option<&Type>) -> Result<()> {
    match (foreign.first(), with) {
        (Some(error), None) => Err(error.clone()),
        _ => Ok(()),
    }
}
