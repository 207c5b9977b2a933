//! The tables of fields.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, Field, Fields, Member, Result, Type};

use super::serde::{Fallback, MemberAttributes, unraw};
use super::{Around, about, is_generic, tables};

/// The table of all fields: `&[Field { … }, …]`.
pub(super) fn table(fields: &Fields, around: &Around<'_>) -> Result<TokenStream> {
    let mut entries = Vec::new();
    for (field, member) in fields.iter().zip(fields.members()) {
        let attributes = MemberAttributes::of(&field.attrs)?;
        if !attributes.skipped() {
            entries.push(entry(field, &member, &attributes, around)?);
        }
    }
    Ok(quote!(&[#(#entries),*]))
}

/// The shape of a field's type, as a function; nothing if it is skipped.
pub(super) fn of(field: &Field) -> Result<Option<TokenStream>> {
    let attributes = MemberAttributes::of(&field.attrs)?;
    Ok((!attributes.skipped()).then(|| shape(field, &attributes)))
}

/// The type of the only field that a transparent struct consists of.
pub(super) fn transparent(fields: &Fields) -> Result<Option<&Type>> {
    let mut found = None;
    for field in fields {
        let attributes = MemberAttributes::of(&field.attrs)?;
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

fn shape(field: &Field, attributes: &MemberAttributes) -> TokenStream {
    let tables = tables();
    let ty = attributes.with.as_ref().unwrap_or(&field.ty);
    quote!(<#ty as #tables::Schema>::shape)
}

fn entry(
    field: &Field,
    member: &Member,
    attributes: &MemberAttributes,
    around: &Around<'_>,
) -> Result<TokenStream> {
    let tables = tables();
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
    let shape = shape(field, attributes);
    let about = members(field, attributes);
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

/// What is said about a field.
fn members(field: &Field, attributes: &MemberAttributes) -> String {
    let mut members = vec![about::of(&field.attrs)];
    if attributes.skip_deserializing {
        members.push("\"readOnly\":true".to_owned());
    }
    if attributes.skip_serializing {
        members.push("\"writeOnly\":true".to_owned());
    }
    members.retain(|text| !text.is_empty());
    members.join(",")
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
