//! `#[derive(Resource)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Result, Type};

use crate::attribute::{check_kind, check_resource, checked};

/// What `#[resource(…)]` says.
#[derive(Debug, Default)]
struct Attribute {
    name: Option<String>,
    kind: Option<String>,
}

/// The name of a struct around a kind of resource, and what opens it.
pub(crate) fn expand(item: &DeriveInput) -> Result<TokenStream> {
    let of = inner(item)?;
    let Attribute { name, kind } = attribute(item)?;
    let Some(name) = name else {
        let message = "a resource needs a name: `#[resource(name = \"orders\")]`";
        return Err(Error::new_spanned(&item.ident, message));
    };
    let check = kind.map(|kind| {
        quote! {
            const _: () = ::nebula_sdk::action::resource::check_kind(
                <#of as ::nebula_sdk::action::Resource>::KIND,
                #kind,
            );
        }
    });
    let (ident, visibility) = (&item.ident, &item.vis);
    Ok(quote! {
        #check

        impl ::nebula_sdk::action::NamedResource for #ident {
            type Kind = #of;

            const NAME: &'static str = #name;
        }

        impl #ident {
            /// The one that the node binds.
            ///
            /// # Errors
            /// When the action does not ask for it, or the node binds none that it may use.
            #visibility async fn open(
                ctx: &::nebula_sdk::action::ActionContext,
            ) -> ::core::result::Result<Self, ::nebula_sdk::action::ResourceError> {
                let inner = ::nebula_sdk::action::resource::open_named::<Self>(ctx).await?;
                ::core::result::Result::Ok(Self(inner))
            }
        }

        impl ::core::ops::Deref for #ident {
            type Target = #of;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }
    })
}

/// What the struct is around.
fn inner(item: &DeriveInput) -> Result<&Type> {
    let fields = match &item.data {
        Data::Struct(data) => match &data.fields {
            Fields::Unnamed(fields) => Some(&fields.unnamed),
            _ => None,
        },
        _ => None,
    };
    let one = fields.filter(|fields| fields.len() == 1 && item.generics.params.is_empty());
    one.and_then(|fields| fields.first())
        .map(|field| &field.ty)
        .ok_or_else(|| {
            Error::new_spanned(
                &item.ident,
                "a resource is a struct around one kind of resource: `struct Orders(Sql);`",
            )
        })
}

fn attribute(item: &DeriveInput) -> Result<Attribute> {
    let mut found = Attribute::default();
    for attribute in item.attrs.iter().filter(|a| a.path().is_ident("resource")) {
        attribute.parse_nested_meta(|meta| {
            let place = if meta.path.is_ident("name") {
                let name = checked(&meta.value()?.parse()?, check_resource)?;
                found.name.replace(name)
            } else if meta.path.is_ident("kind") {
                let kind = checked(&meta.value()?.parse()?, check_kind)?;
                found.kind.replace(kind)
            } else {
                return Err(meta.error("unknown key; the keys are name, kind"));
            };
            match place {
                None => Ok(()),
                Some(_) => Err(meta.error("it is given twice")),
            }
        })?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn mistakes_are_named() {
        let cases: [(DeriveInput, &str); 9] = [
            (
                parse_quote!(
                    #[resource(name = "orders")]
                    struct Orders;
                ),
                "a resource is a struct around",
            ),
            (
                parse_quote!(
                    #[resource(name = "orders")]
                    struct Orders {
                        sql: Sql,
                    }
                ),
                "a resource is a struct around",
            ),
            (
                parse_quote!(
                    #[resource(name = "orders")]
                    struct Orders(Sql, Kv);
                ),
                "a resource is a struct around",
            ),
            (
                parse_quote!(
                    #[resource(name = "orders")]
                    struct Orders<T>(T);
                ),
                "a resource is a struct around",
            ),
            (
                parse_quote!(
                    struct Orders(Sql);
                ),
                "a resource needs a name",
            ),
            (
                parse_quote!(
                    #[resource(name = "The orders")]
                    struct Orders(Sql);
                ),
                "a resource's name is",
            ),
            (
                parse_quote!(
                    #[resource(name = "orders", kind = "mongo")]
                    struct Orders(Sql);
                ),
                "the kinds of resources are",
            ),
            (
                parse_quote!(
                    #[resource(name = "orders", name = "books")]
                    struct Orders(Sql);
                ),
                "it is given twice",
            ),
            (
                parse_quote!(
                    #[resource(named = "orders")]
                    struct Orders(Sql);
                ),
                "unknown key; the keys are name",
            ),
        ];
        for (item, message) in &cases {
            let refusal = expand(item).expect_err("refused").to_string();
            assert!(refusal.starts_with(message), "{refusal}");
        }
    }
}
