//! The tables of fields.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, Field, Fields, Member, Result, Type};

use super::param::{Param, Siblings};
use super::serde::{Fallback, MemberAttributes, unraw};
use super::{Around, about, is_generic, tables};

/// The table of all fields: `&[Field { … }, …]`.
pub(super) fn table(fields: &Fields, around: &Around<'_>) -> Result<TokenStream> {
    let mut entries = Vec::new();
    for (field, member) in fields.iter().zip(fields.members()) {
        let attributes = MemberAttributes::of(&field.attrs)?;
        if !attributes.skipped() {
            let siblings = field.ident.is_some().then_some(Siblings {
                fields,
                rules: around.rename_all,
            });
            let param = Param::of(&field.attrs, siblings)?;
            entries.push(entry(field, &member, &attributes, &param, around)?);
        }
    }
    Ok(quote!(&[#(#entries),*]))
}

/// The shape of a newtype's field, as a function; nothing if it is skipped.
pub(super) fn of(field: &Field) -> Result<Option<TokenStream>> {
    let attributes = MemberAttributes::of(&field.attrs)?;
    let param = Param::of(&field.attrs, None)?;
    Ok((!attributes.skipped()).then(|| shape(field, &attributes, &param)))
}

/// What is said about a newtype: its doc comment, or its field's, and the rules
/// of its field.
pub(super) fn about_newtype(field: &Field, about: String) -> Result<String> {
    let attributes = MemberAttributes::of(&field.attrs)?;
    let param = Param::of(&field.attrs, None)?;
    if let Some(span) = param.default {
        return Err(Error::new(
            span,
            "a value of this type cannot be missing; the default stands on the field that has the type",
        ));
    }
    let about = if about.is_empty() {
        about::of(&field.attrs)
    } else {
        about
    };
    labelled_once(&about, &param)?;
    let ty = attributes.with.as_ref().unwrap_or(&field.ty);
    // A title comes first, so that the writer sees that there is one.
    let mut members = said(&param, ty, false);
    members.insert(usize::from(param.has_label), about);
    members.retain(|text| !text.is_empty());
    Ok(members.join(","))
}

/// The type of the only field that a transparent struct consists of.
pub(super) fn transparent(fields: &Fields) -> Result<Option<&Type>> {
    let mut found = None;
    for field in fields {
        let attributes = MemberAttributes::of(&field.attrs)?;
        Param::refuse(
            &field.attrs,
            "leave `transparent` out: a struct with one place, `struct Tag(String)`, is written as its value anyhow",
        )?;
        let empty = field
            .ty
            .to_token_stream()
            .to_string()
            .contains("PhantomData");
        let skipped = attributes.skip_serializing || attributes.skip_deserializing;
        if empty || skipped || !matches!(attributes.default, Fallback::None) {
            continue;
        }
        if attributes.with.is_some() || attributes.read_with {
            return Err(Error::new_spanned(
                field,
                "on a transparent struct `#[schema(with = \"Type\")]` stands on the struct",
            ));
        }
        if found.replace(&field.ty).is_some() {
            return Ok(None);
        }
    }
    Ok(found)
}

fn shape(field: &Field, attributes: &MemberAttributes, param: &Param) -> TokenStream {
    let tables = tables();
    let ty = attributes.with.as_ref().unwrap_or(&field.ty);
    param
        .shape(ty)
        .unwrap_or_else(|| quote!(<#ty as #tables::Schema>::shape))
}

fn entry(
    field: &Field,
    member: &Member,
    attributes: &MemberAttributes,
    param: &Param,
    around: &Around<'_>,
) -> Result<TokenStream> {
    let tables = tables();
    check(attributes, param)?;
    let names = match &field.ident {
        Some(ident) => {
            let name = unraw(ident);
            let rules = around.rename_all;
            let (written, read) = (rules.written.field(&name), rules.read.field(&name));
            attributes
                .rename
                .table(&written, &read, &attributes.aliases)
        }
        None => quote!(#tables::Names { written: "", read: &[] }),
    };
    if attributes.flatten && field.ident.is_none() {
        return Err(Error::new_spanned(
            field,
            "a field without a name cannot be flattened",
        ));
    }
    let shape = shape(field, attributes, param);
    let about = members(field, attributes, param)?;
    let flags = flags(attributes, around);
    let preset = match preset(field, member, attributes, around) {
        Some(preset) => quote!(::core::option::Option::Some(#preset)),
        None => quote!(::core::option::Option::None),
    };
    Ok(quote! {
        #tables::Field {
            names: #names,
            about: #about,
            shape: #shape,
            flags: #flags,
            preset: #preset,
        }
    })
}

/// Refuses what `#[param(…)]` cannot say of a field like this.
fn check(attributes: &MemberAttributes, param: &Param) -> Result<()> {
    if let (Some(span), Fallback::None) = (param.default, &attributes.default) {
        return Err(Error::new(
            span,
            "`default` needs `#[data]` on the type; beside serde's own derives write `#[serde(default = \"function\")]`",
        ));
    }
    match param.span() {
        Some(span) if attributes.flatten => Err(Error::new(
            span,
            "a flattened field has no value of its own; say it about the fields of its type",
        )),
        _ => Ok(()),
    }
}

/// What is said about a field.
fn members(field: &Field, attributes: &MemberAttributes, param: &Param) -> Result<String> {
    let about = about::of(&field.attrs);
    labelled_once(&about, param)?;
    let mut members = vec![about];
    if attributes.skip_deserializing {
        members.push("\"readOnly\":true".to_owned());
    }
    let ty = attributes.with.as_ref().unwrap_or(&field.ty);
    members.extend(said(param, ty, attributes.skip_serializing));
    members.retain(|text| !text.is_empty());
    Ok(members.join(","))
}

/// The members of `#[param(…)]`; a secret is only ever written to an action.
fn said(param: &Param, ty: &Type, only_read: bool) -> Vec<String> {
    let mut members = param.members(ty);
    if only_read || param.is_secret {
        members.push("\"writeOnly\":true".to_owned());
    }
    members
}

fn labelled_once(about: &str, param: &Param) -> Result<()> {
    match param.span() {
        Some(span) if param.has_label && about.starts_with("\"title\"") => Err(Error::new(
            span,
            "the label is given twice: as `label`, and as the heading of the doc comment",
        )),
        _ => Ok(()),
    }
}

fn flags(attributes: &MemberAttributes, around: &Around<'_>) -> TokenStream {
    let tables = tables();
    let own = !matches!(attributes.default, Fallback::None);
    let optional = own || !matches!(around.default, Fallback::None);
    let flags = [
        (optional, quote!(OPTIONAL)),
        (attributes.skip_serializing_if.is_some(), quote!(OMITTED)),
        (attributes.skip_deserializing, quote!(NOT_READ)),
        (attributes.skip_serializing, quote!(NOT_WRITTEN)),
        (attributes.flatten, quote!(FLATTEN)),
        // Serde sees that a field may be missing only where it reads it itself.
        (attributes.read_with && !optional, quote!(NEEDED)),
    ];
    let set = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag);
    quote!(0 #(| #tables::Field::#set)*)
}

/// What a missing field is: a function that gives its JSON text. A preset that
/// would not be written, or not as the type is, is not shown.
fn preset(
    field: &Field,
    member: &Member,
    attributes: &MemberAttributes,
    around: &Around<'_>,
) -> Option<TokenStream> {
    let (tables, ty) = (tables(), &field.ty);
    let hidden = attributes.skip_serializing || attributes.written_with || attributes.flatten;
    if hidden || is_generic(ty, around.generics) {
        return None;
    }
    let whole = |value: TokenStream| {
        let generic = around.generics.type_params().next().is_some();
        (!generic).then(|| {
            quote! {
                let whole: Self = #value;
                let value: &#ty = &whole.#member;
            }
        })
    };
    let value = match (&attributes.default, around.default) {
        (Fallback::Path(path), _) => quote!(let value: &#ty = &#path();),
        (Fallback::Trait, _) => quote! {
            let value: &#ty = &<#ty as ::core::default::Default>::default();
        },
        (Fallback::None, Fallback::Path(path)) => whole(quote!(#path()))?,
        (Fallback::None, Fallback::Trait) => whole(quote!(::core::default::Default::default()))?,
        (Fallback::None, Fallback::None) => return None,
    };
    let unless = attributes.skip_serializing_if.as_ref().map(|skip| {
        quote! {
            if #skip(value) {
                return ::core::option::Option::None;
            }
        }
    });
    Some(quote! {
        || {
            #[allow(unused_imports, reason = "only where the type cannot be written")]
            use #tables::NoText as _;
            #value
            #unless
            #tables::PresetText(value).text()
        }
    })
}
