//! The tables of enums.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataEnum, Fields, Result, Variant};

use super::param::Param;
use super::serde::{ContainerAttributes, Fallback, MemberAttributes, json, unraw};
use super::{Around, about, content, fields, newtype, tables};

/// The shape of an enum.
pub(super) fn table(
    data: &DataEnum,
    attributes: &ContainerAttributes,
    around: &Around<'_>,
) -> Result<TokenStream> {
    let tables = tables();
    let mut entries = Vec::new();
    for variant in &data.variants {
        let own = MemberAttributes::of(&variant.attrs)?;
        if !own.skipped() {
            entries.push(entry(variant, &own, attributes, around)?);
        }
    }
    let tagging = match (&attributes.tag, &attributes.content) {
        _ if attributes.untagged => quote!(Untagged),
        (Some(tag), Some(content)) => {
            let (tag, content) = (json(tag), json(content));
            quote!(Adjacent(#tag, #content))
        }
        (Some(tag), None) => {
            let tag = json(tag);
            quote!(Internal(#tag))
        }
        _ => quote!(External),
    };
    let closed = attributes.deny_unknown_fields;
    Ok(quote! {
        #tables::Shape::Enum(#tables::Enum {
            tagging: #tables::Tagging::#tagging,
            variants: &[#(#entries),*],
            closed: #closed,
        })
    })
}

fn entry(
    variant: &Variant,
    own: &MemberAttributes,
    attributes: &ContainerAttributes,
    around: &Around<'_>,
) -> Result<TokenStream> {
    let tables = tables();
    Param::refuse(&variant.attrs, "write it on a field of the variant")?;
    let name = unraw(&variant.ident);
    let rules = around.rename_all;
    let (written, read) = (rules.written.variant(&name), rules.read.variant(&name));
    let names = own.rename.table(&written, &read, &own.aliases);
    let about = about::of(&variant.attrs);
    let content = held(variant, own, attributes, around)?;
    let flags = match (own.skip_deserializing, own.skip_serializing) {
        (true, _) => quote!(#tables::Field::NOT_READ),
        (_, true) => quote!(#tables::Field::NOT_WRITTEN),
        _ => quote!(0),
    };
    let (untagged, other) = (own.untagged, own.other);
    Ok(quote! {
        #tables::Variant {
            names: #names,
            about: #about,
            content: #content,
            flags: #flags,
            untagged: #untagged,
            other: #other,
        }
    })
}

/// What a variant holds.
fn held(
    variant: &Variant,
    own: &MemberAttributes,
    attributes: &ContainerAttributes,
    around: &Around<'_>,
) -> Result<TokenStream> {
    let tables = tables();
    if let Some(with) = &own.with {
        return Ok(quote! {
            #tables::Content::Some(#tables::Shape::Same(<#with as #tables::Schema>::shape))
        });
    }
    // Serde writes a newtype whose field is skipped as a mere name.
    let skipped = match newtype(&variant.fields) {
        Some(field) => {
            Param::refuse(
                &field.attrs,
                "give the variant a field with a name, or make a type of the value",
            )?;
            fields::of(field)?.is_none()
        }
        None => false,
    };
    if skipped || matches!(variant.fields, Fields::Unit) {
        return Ok(quote!(#tables::Content::Unit));
    }
    let around = Around {
        generics: around.generics,
        rename_all: own.rename_all.or(attributes.rename_all_fields),
        default: &Fallback::None,
    };
    let shape = content(
        &variant.fields,
        &around,
        attributes.deny_unknown_fields,
        None,
    )?;
    Ok(quote!(#tables::Content::Some(#shape)))
}
