//! `#[derive(Parameters)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Result, parse_quote};

/// The `impl Parameters` of a struct with named fields.
pub(crate) fn expand(item: &DeriveInput) -> Result<TokenStream> {
    let named = matches!(&item.data, Data::Struct(data) if matches!(data.fields, Fields::Named(_)));
    if !named {
        return Err(Error::new_spanned(
            &item.ident,
            "parameters are the fields of a struct, `struct Input { city: String }`",
        ));
    }
    let mut generics = item.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter
            .bounds
            .push(parse_quote!(::nebula_sdk::action::Schema));
    }
    let ident = &item.ident;
    let (parameters, arguments, conditions) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #parameters ::nebula_sdk::action::Parameters for #ident #arguments #conditions {}
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_struct_with_fields_has_parameters() {
        let items: [DeriveInput; 3] = [
            parse_quote!(
                struct S;
            ),
            parse_quote!(
                struct S(u8);
            ),
            parse_quote!(
                enum E {}
            ),
        ];
        for item in items {
            let message = expand(&item).expect_err("refused").to_string();
            assert!(
                message.starts_with("parameters are the fields"),
                "{message}"
            );
        }
    }
}
