//! `#[derive(Schema)]`: a type's tables, as its `#[serde(…)]` attributes have it.
//!
//! - `serde`: what the attributes say; what would change the shape unseen is refused.
//! - `case`: serde's ways of writing names.
//! - `about`: what doc comments say.
//! - `param`: the rules and hints of `#[param(…)]`.
//! - `value`: the numbers, ranges and texts in it.
//! - `fields`: the tables of fields.
//! - `variants`: the tables of enums.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Error, Fields, Generics, Result, parse_quote};

mod about;
mod case;
mod fields;
mod param;
mod serde;
#[cfg(test)]
mod tests;
mod value;
mod variants;

use param::Param;
use serde::{ContainerAttributes, Fallback};

/// Where the generated code finds the tables.
fn tables() -> TokenStream {
    quote!(::nebula_sdk::action::schema)
}

/// The `impl Schema` of a type.
pub(crate) fn expand(item: &DeriveInput) -> Result<TokenStream> {
    let tables = tables();
    let attributes = ContainerAttributes::of(item)?;
    Param::refuse(&item.attrs, "write it on a field")?;
    let about = about::of(&item.attrs);
    let shape = match passed_on(item, &attributes)? {
        Some(shape) if about.is_empty() => shape,
        Some(shape) => named(
            item,
            &attributes,
            &about,
            &quote!(#tables::Shape::Same(|| #shape)),
        ),
        None => {
            let (own, about) = own(item, &attributes, about)?;
            named(item, &attributes, &about, &own)
        }
    };
    let mut generics = item.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(#tables::Schema));
    }
    let ident = &item.ident;
    let (parameters, arguments, conditions) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #parameters #tables::Schema for #ident #arguments #conditions {
            fn shape() -> &'static #tables::Shape {
                #shape
            }
        }
    })
}

/// The shape of another type, where a type is written as that.
fn passed_on(item: &DeriveInput, attributes: &ContainerAttributes) -> Result<Option<TokenStream>> {
    let tables = tables();
    if let Some(with) = &attributes.with {
        return Ok(Some(quote!(<#with as #tables::Schema>::shape())));
    }
    if !attributes.transparent {
        return Ok(None);
    }
    let Data::Struct(data) = &item.data else {
        return Ok(None);
    };
    let ty = fields::transparent(&data.fields)?.ok_or_else(|| {
        Error::new_spanned(
            &item.ident,
            "a transparent struct has one field that is not skipped",
        )
    })?;
    Ok(Some(quote!(<#ty as #tables::Schema>::shape())))
}

/// The shape under the type's name.
fn named(
    item: &DeriveInput,
    attributes: &ContainerAttributes,
    about: &str,
    shape: &TokenStream,
) -> TokenStream {
    let tables = tables();
    let name = attributes.name(&item.ident);
    quote! {
        const {
            &#tables::Shape::Type(#tables::Type {
                name: #name,
                id: ::core::any::type_name::<Self>,
                about: #about,
                shape: &#shape,
            })
        }
    }
}

/// The type's own shape, and what is said about it.
fn own(
    item: &DeriveInput,
    attributes: &ContainerAttributes,
    about: String,
) -> Result<(TokenStream, String)> {
    let around = Around {
        generics: &item.generics,
        rename_all: attributes.rename_all,
        default: &attributes.default,
    };
    let shape = match &item.data {
        Data::Struct(data) => {
            if let Some(field) = newtype(&data.fields) {
                let about = fields::about_newtype(field, about)?;
                let shape = shape(&data.fields, &around, attributes, item)?;
                return Ok((shape, about));
            }
            shape(&data.fields, &around, attributes, item)?
        }
        Data::Enum(data) => variants::table(data, attributes, &around)?,
        Data::Union(_) => {
            return Err(Error::new_spanned(&item.ident, "a union has no JSON form"));
        }
    };
    Ok((shape, about))
}

/// What is around a field.
#[derive(Clone, Copy)]
struct Around<'a> {
    generics: &'a Generics,
    rename_all: case::Rules,
    default: &'a Fallback,
}

/// The one field of a newtype.
fn newtype(fields: &Fields) -> Option<&syn::Field> {
    match fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => fields.unnamed.first(),
        _ => None,
    }
}

/// The shape of a struct.
fn shape(
    fields: &Fields,
    around: &Around<'_>,
    attributes: &ContainerAttributes,
    item: &DeriveInput,
) -> Result<TokenStream> {
    let tag = attributes.tag.as_ref().map(|tag| {
        let names = attributes
            .rename
            .names(item.ident.to_string().as_str(), &[]);
        (serde::json(tag), names)
    });
    content(fields, around, attributes.deny_unknown_fields, tag)
}

/// The shape of fields, in a struct or a variant.
fn content(
    fields: &Fields,
    around: &Around<'_>,
    closed: bool,
    tag: Option<(String, TokenStream)>,
) -> Result<TokenStream> {
    let tables = tables();
    if let Some(field) = newtype(fields) {
        let of = fields::of(field)?;
        if let Some(of) = of {
            return Ok(quote!(#tables::Shape::Same(#of)));
        }
    }
    let table = fields::table(fields, around)?;
    Ok(match fields {
        Fields::Unit => quote!(#tables::Shape::Json("{\"type\":\"null\"}")),
        Fields::Unnamed(_) => quote!(#tables::Shape::Tuple(#table)),
        Fields::Named(_) => {
            let tag = match tag {
                Some((tag, names)) => quote!(::core::option::Option::Some((#tag, #names))),
                None => quote!(::core::option::Option::None),
            };
            quote! {
                #tables::Shape::Struct(#tables::Struct { fields: #table, closed: #closed, tag: #tag })
            }
        }
    })
}

/// Whether a type names one of an item's own parameters.
fn is_generic(ty: &syn::Type, generics: &Generics) -> bool {
    fn names(tokens: TokenStream, parameters: &[String]) -> bool {
        tokens.into_iter().any(|token| match token {
            proc_macro2::TokenTree::Ident(ident) => parameters.contains(&ident.to_string()),
            proc_macro2::TokenTree::Group(group) => names(group.stream(), parameters),
            _ => false,
        })
    }
    let parameters: Vec<String> = generics
        .type_params()
        .map(|p| p.ident.to_string())
        .collect();
    names(ty.to_token_stream(), &parameters)
}
