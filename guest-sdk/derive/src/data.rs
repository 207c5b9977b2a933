//! `#[data]`, for inputs and outputs.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, ExprLit, Fields, Ident, Lit, Result, Token, Type,
    parse_quote,
};

/// The item with the three derives, whose code finds its crates in the SDK.
pub(crate) fn expand(arguments: &TokenStream, item: &TokenStream) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(
            arguments,
            "`#[data]` takes no arguments",
        ));
    }
    let mut parsed = syn::parse2::<DeriveInput>(item.clone())
        .map_err(|e| Error::new(e.span(), "`#[data]` is for a struct or an enum"))?;
    let defaults = defaults(&mut parsed)?;
    // As it was written, unless something was added: errors keep their places.
    let (item, functions) = if defaults.is_empty() {
        (item.clone(), None)
    } else {
        let ident = &parsed.ident;
        let (parameters, arguments, conditions) = parsed.generics.split_for_impl();
        let functions = quote!(impl #parameters #ident #arguments #conditions { #(#defaults)* });
        (quote!(#parsed), Some(functions))
    };
    Ok(quote! {
        #[derive(
            ::nebula_sdk::serde::Serialize,
            ::nebula_sdk::serde::Deserialize,
            ::nebula_sdk::Schema,
        )]
        #[serde(crate = "::nebula_sdk::serde")]
        #item
        #functions
    })
}

/// For each `#[param(default = …)]` a function that gives the value, and a
/// `#[serde(default = "…")]` that names it.
fn defaults(item: &mut DeriveInput) -> Result<Vec<TokenStream>> {
    let generic = item.generics.type_params().next().is_some();
    let of = item.ident.clone();
    let mut functions = Vec::new();
    let mut each = |fields: &mut Fields, within: &str| -> Result<()> {
        for (index, field) in fields.iter_mut().enumerate() {
            let Some((key, value)) = default(&field.attrs)? else {
                continue;
            };
            if generic {
                return Err(Error::new(
                    key.span(),
                    "a type with parameters has its defaults from functions: `#[serde(default = \"function\")]`",
                ));
            }
            let name = match &field.ident {
                Some(ident) => ident.to_string().trim_start_matches("r#").to_owned(),
                None => index.to_string(),
            };
            let function = format_ident!("default_of_{within}{name}", span = key.span());
            functions.push(give(&function, &field.ty, &value));
            let path = format!("{of}::{function}");
            field.attrs.push(parse_quote!(#[serde(default = #path)]));
        }
        Ok(())
    };
    match &mut item.data {
        Data::Struct(data) => each(&mut data.fields, "")?,
        Data::Enum(data) => {
            for variant in &mut data.variants {
                let within = format!("{}_", variant.ident).to_lowercase();
                each(&mut variant.fields, &within)?;
            }
        }
        Data::Union(_) => {}
    }
    Ok(functions)
}

fn give(function: &Ident, ty: &Type, value: &Expr) -> TokenStream {
    let is_text = matches!(
        value,
        Expr::Lit(ExprLit {
            lit: Lit::Str(_),
            ..
        })
    );
    let value = if is_text {
        quote!(::core::convert::Into::into(#value))
    } else {
        quote!(#value)
    };
    quote! {
        #[doc(hidden)]
        fn #function() -> #ty {
            #value
        }
    }
}

/// `default = …` of a field, with its key.
fn default(attributes: &[Attribute]) -> Result<Option<(Ident, Expr)>> {
    let mut found = None;
    for attribute in attributes.iter().filter(|a| a.path().is_ident("param")) {
        attribute.parse_nested_meta(|meta| {
            match meta.path.get_ident() {
                Some(key) if key == "default" => {
                    found = Some((key.clone(), meta.value()?.parse()?));
                }
                // The rest is read by the derive, which has more to say about it.
                _ if meta.input.peek(Token![=]) => drop(meta.value()?.parse::<Expr>()?),
                _ if meta.input.peek(syn::token::Paren) => {
                    meta.input.parse::<proc_macro2::Group>()?;
                }
                _ => {}
            }
            Ok(())
        })?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_types_are_data() {
        let refusal = |arguments, item| expand(&arguments, &item).expect_err("refused").to_string();
        assert_eq!(
            refusal(
                quote!(),
                quote!(
                    fn f() {}
                )
            ),
            "`#[data]` is for a struct or an enum"
        );
        assert_eq!(
            refusal(
                quote!(fast),
                quote!(
                    struct S;
                )
            ),
            "`#[data]` takes no arguments"
        );
    }

    #[test]
    fn a_default_is_a_function_that_serde_knows() {
        let item = quote! {
            struct S {
                #[param(range = 1..=9, default = 3, show_when(by = "size"))]
                r#type: u8,
            }
        };
        let code = expand(&quote!(), &item).expect("expands").to_string();
        assert!(
            code.contains("# [serde (default = \"S::default_of_type\")]"),
            "{code}"
        );
        assert!(code.contains("fn default_of_type () -> u8 { 3 }"), "{code}");
    }
}
