//! `#[data]`, for inputs and outputs.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Result};

/// The item with the three derives, whose code finds its crates in the SDK.
pub(crate) fn expand(arguments: &TokenStream, item: &TokenStream) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(
            arguments,
            "`#[data]` takes no arguments",
        ));
    }
    syn::parse2::<syn::DeriveInput>(item.clone())
        .map_err(|e| Error::new(e.span(), "`#[data]` is for a struct or an enum"))?;
    Ok(quote! {
        #[derive(
            ::nebula_sdk::serde::Serialize,
            ::nebula_sdk::serde::Deserialize,
            ::nebula_sdk::Schema,
        )]
        #[serde(crate = "::nebula_sdk::serde")]
        #item
    })
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
}
