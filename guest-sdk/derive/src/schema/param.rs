//! What `#[param(…)]` says about a field: rules that its values keep, and hints
//! for a form. Both become members of the field's schema, so that a component
//! carries nothing but their text.

use std::fmt;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, Fields, Result, Type};

use super::case::Rules;
use super::serde::{MemberAttributes, each, json, unraw};
use super::tables;
use super::value::{Number, Range, count, line, literal, pattern, quoted, range};

const KEYS: &str = "range, length, items, pattern, default, label, example, secret, multiline, group, show_when(…)";

/// What `#[param(…)]` says.
#[derive(Default)]
pub(super) struct Param {
    /// Members of the field's schema, as JSON text.
    members: Vec<String>,
    pub(super) has_label: bool,
    pub(super) is_secret: bool,
    /// Where it says what a missing value is.
    pub(super) default: Option<Span>,
    range: Option<Range>,
    kind: Option<Kind>,
    /// The first attribute, for errors about all of it.
    span: Option<Span>,
}

/// What a rule is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    List,
}

/// The other fields of the same struct, which `show_when` may name.
#[derive(Clone, Copy)]
pub(super) struct Siblings<'a> {
    pub(super) fields: &'a Fields,
    pub(super) rules: Rules,
}

impl Param {
    pub(super) fn of(attributes: &[Attribute], siblings: Option<Siblings<'_>>) -> Result<Self> {
        let mut found = Self::default();
        let mut seen = Vec::new();
        each(attributes, "param", |meta| {
            let key = meta.path.get_ident().map(ToString::to_string);
            let key = key.unwrap_or_default();
            if seen.contains(&key) {
                return Err(meta.error(format!("`{key}` is given twice")));
            }
            found.span.get_or_insert(meta.path.span());
            found.read(meta, &key, siblings)?;
            seen.push(key);
            Ok(())
        })?;
        Ok(found)
    }

    /// Refuses `#[param(…)]` where no value of its own stands.
    pub(super) fn refuse(attributes: &[Attribute], instead: &str) -> Result<()> {
        match attributes.iter().find(|a| a.path().is_ident("param")) {
            Some(attribute) => Err(Error::new_spanned(
                attribute,
                format!("`#[param(…)]` is about one value; {instead}"),
            )),
            None => Ok(()),
        }
    }

    /// The members of the schema of a field of this type.
    pub(super) fn members(&self, ty: &Type) -> Vec<String> {
        let mut members = self.members.clone();
        if let Some(range) = &self.range {
            let (least, most) = of_type(ty);
            let least = range.least.or(least);
            members.extend(least.map(|n| format!("\"minimum\":{n}")));
            match range.most {
                Some(n) if range.open => members.push(format!("\"exclusiveMaximum\":{n}")),
                n => members.extend(n.or(most).map(|n| format!("\"maximum\":{n}"))),
            }
        }
        members
    }

    /// The shape of the type that a rule is for, as a function; nothing if no rule
    /// is given. It exists only for types that the rule can be about.
    pub(super) fn shape(&self, ty: &Type) -> Option<TokenStream> {
        let tables = tables();
        let span = ty.span();
        Some(match self.kind? {
            Kind::Number => quote_spanned!(span=> <#ty as #tables::Number>::number),
            Kind::Text => quote_spanned!(span=> <#ty as #tables::Text>::text),
            Kind::List => quote_spanned!(span=> <#ty as #tables::List>::list),
        })
    }

    /// Where the attribute stands, if there is one.
    pub(super) const fn span(&self) -> Option<Span> {
        self.span
    }

    fn read(
        &mut self,
        meta: &ParseNestedMeta<'_>,
        key: &str,
        siblings: Option<Siblings<'_>>,
    ) -> Result<()> {
        match key {
            "range" => {
                self.is_for(Kind::Number, meta)?;
                self.range = Some(range(&meta.value()?.parse()?)?);
            }
            "length" => {
                self.is_for(Kind::Text, meta)?;
                self.count("Length", &meta.value()?.parse()?)?;
            }
            "items" => {
                self.is_for(Kind::List, meta)?;
                self.count("Items", &meta.value()?.parse()?)?;
            }
            "pattern" => {
                self.is_for(Kind::Text, meta)?;
                let pattern = pattern(&meta.value()?.parse()?)?;
                self.member("pattern", &quoted(&pattern));
            }
            "multiline" => {
                self.is_for(Kind::Text, meta)?;
                self.member("x-nebula-multiline", "true");
            }
            "secret" => {
                self.is_secret = true;
                self.member("x-nebula-secret", "true");
            }
            "label" => {
                self.has_label = true;
                let label = line(&meta.value()?.parse()?)?;
                self.members.insert(0, format!("\"title\":{label}"));
            }
            "group" => {
                let group = line(&meta.value()?.parse()?)?;
                self.member("x-nebula-group", &group);
            }
            "example" => {
                let example = literal(&meta.value()?.parse()?)?;
                self.member("examples", &format!("[{example}]"));
            }
            "default" => {
                self.default = Some(meta.path.span());
                meta.value()?.parse::<Expr>()?;
            }
            "show_when" => {
                let conditions = show_when(meta, siblings)?;
                self.member("x-nebula-show-when", &conditions);
            }
            _ => return Err(meta.error(format!("unknown key; the keys are {KEYS}"))),
        }
        Ok(())
    }

    fn member(&mut self, name: &str, value: &str) {
        self.members.push(format!("\"{name}\":{value}"));
    }

    fn is_for(&mut self, kind: Kind, meta: &ParseNestedMeta<'_>) -> Result<()> {
        match self.kind {
            Some(other) if other != kind => Err(meta.error(format!(
                "this rule is for {kind}, and another one here is for {other}"
            ))),
            _ => {
                self.kind = Some(kind);
                Ok(())
            }
        }
    }

    /// `"minLength":1,"maxLength":80`.
    fn count(&mut self, of: &str, said: &Expr) -> Result<()> {
        let (least, most) = count(said)?;
        if let Some(least) = least.filter(|n| *n > 0) {
            self.member(&format!("min{of}"), &least.to_string());
        }
        if let Some(most) = most {
            self.member(&format!("max{of}"), &most.to_string());
        }
        Ok(())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "numbers",
            Self::Text => "texts",
            Self::List => "lists",
        })
    }
}

/// `{"by":["size"]}`: for each other field, the values with which this one is shown.
fn show_when(meta: &ParseNestedMeta<'_>, siblings: Option<Siblings<'_>>) -> Result<String> {
    let Some(siblings) = siblings else {
        return Err(meta.error("only a field with a name is shown because of another one"));
    };
    let mut conditions = Vec::new();
    meta.parse_nested_meta(|inner| {
        let field = inner
            .path
            .get_ident()
            .ok_or_else(|| inner.error("name a field: `show_when(by = \"size\")`"))?;
        let name = siblings.name(field)?;
        let values = match inner.value()?.parse()? {
            Expr::Array(list) => list.elems.iter().map(literal).collect::<Result<Vec<_>>>()?,
            one => vec![literal(&one)?],
        };
        conditions.push(format!("\"{name}\":[{}]", values.join(",")));
        Ok(())
    })?;
    if conditions.is_empty() {
        return Err(meta.error("say when: `show_when(by = \"size\")`"));
    }
    Ok(format!("{{{}}}", conditions.join(",")))
}

impl Siblings<'_> {
    /// How a field is called in JSON.
    fn name(&self, field: &Ident) -> Result<String> {
        let mut others = Vec::new();
        for other in self.fields {
            let Some(ident) = &other.ident else { continue };
            if ident == field {
                let attributes = MemberAttributes::of(&other.attrs)?;
                let name = self.rules.read.field(&unraw(ident));
                return Ok(json(attributes.rename.read_name().unwrap_or(&name)));
            }
            others.push(format!("`{}`", unraw(ident)));
        }
        Err(Error::new(
            field.span(),
            format!(
                "there is no field `{field}`; there are {}",
                others.join(", ")
            ),
        ))
    }
}

/// The bounds that a type of the language has by itself.
fn of_type(ty: &Type) -> (Option<Number>, Option<Number>) {
    let Type::Path(path) = ty else {
        return (None, None);
    };
    let Some(segment) = path.path.segments.last() else {
        return (None, None);
    };
    if let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments
        && segment.ident == "Option"
        && let Some(syn::GenericArgument::Type(inner)) = arguments.args.first()
    {
        return of_type(inner);
    }
    let (least, most): (Option<i128>, Option<i128>) = match segment.ident.to_string().as_str() {
        "i8" => (Some(i8::MIN.into()), Some(i8::MAX.into())),
        "i16" => (Some(i16::MIN.into()), Some(i16::MAX.into())),
        "u8" => (Some(0), Some(u8::MAX.into())),
        "u16" => (Some(0), Some(u16::MAX.into())),
        "u32" | "u64" | "u128" | "usize" => (Some(0), None),
        _ => (None, None),
    };
    (least.map(Number::Whole), most.map(Number::Whole))
}
