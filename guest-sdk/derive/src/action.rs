//! `#[derive(Action)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Expr, ExprLit, Fields, Ident, Lit, Meta, Result};

use crate::attribute::{Asked, Attribute};

/// The `impl Action` of a unit struct.
pub(crate) fn expand(item: &DeriveInput) -> Result<TokenStream> {
    check_shape(item)?;
    let Attribute {
        id,
        name,
        version,
        description,
        category,
        credentials,
        hosts,
        resources,
        trigger,
    } = Attribute::of(item)?;
    let name = name.unwrap_or_else(|| title(&id));
    let category = category.unwrap_or_else(|| id.split('.').next().unwrap_or_default().to_owned());
    let description = description.unwrap_or_else(|| documentation(item));
    let version = version.map_or_else(|| quote!(::core::env!("CARGO_PKG_VERSION")), |v| quote!(#v));
    let resources = resources.iter().map(asked);
    let ident = &item.ident;
    let as_action = trigger.then(|| polled(ident));
    Ok(quote! {
        impl ::nebula_sdk::action::Action for #ident {
            fn metadata(&self) -> &::nebula_sdk::action::ActionMetadata {
                const RESOURCES: &[(&str, &str)] = &[#(#resources),*];
                const _: () = ::nebula_sdk::action::resource::check_names(RESOURCES);
                static METADATA: ::nebula_sdk::action::ActionMetadata = ::nebula_sdk::action::ActionMetadata {
                    id: ::nebula_sdk::action::ActionId::new(#id),
                    name: #name,
                    version: #version,
                    description: #description,
                    category: #category,
                    credentials: &[#(#credentials),*],
                    hosts: &[#(#hosts),*],
                    resources: RESOURCES,
                    trigger: #trigger,
                };
                &METADATA
            }

            fn instance() -> Self {
                Self
            }
        }

        #as_action
    })
}

/// Name and kind of a resource.
fn asked(resource: &Asked) -> TokenStream {
    match resource {
        Asked::Plain(name, kind) => quote!((#name, #kind)),
        Asked::Typed(of) => {
            quote_spanned!(of.span()=> ::nebula_sdk::action::resource::asked::<#of>())
        }
    }
}

/// A trigger as the action that the host calls.
fn polled(ident: &Ident) -> TokenStream {
    let action = quote!(::nebula_sdk::action);
    let of = quote!(<Self as #action::PollingTrigger>);
    quote! {
        impl #action::ProcessAction for #ident {
            type Input = #action::PollInput<#of::Config, #of::Cursor>;
            type Output = #action::Polled<#of::Cursor, #of::Event>;

            async fn execute(
                &self,
                input: Self::Input,
                ctx: &#action::ActionContext,
            ) -> #action::Result<#action::ProcessResult<Self::Output>> {
                #action::trigger::execute(self, input, ctx).await
            }
        }
    }
}

fn check_shape(item: &DeriveInput) -> Result<()> {
    let unit = matches!(&item.data, Data::Struct(data) if matches!(data.fields, Fields::Unit));
    if unit && item.generics.params.is_empty() {
        Ok(())
    } else {
        Err(Error::new_spanned(
            &item.ident,
            "an action is a unit struct, `struct Fetch;`: what it needs comes from its input and its context",
        ))
    }
}

/// `weather.fetch_all` → `Weather fetch all`.
fn title(id: &str) -> String {
    let words = id.replace(['.', '_', '-'], " ");
    let (first, rest) = words.split_at(1);
    first.to_ascii_uppercase() + rest
}

/// The first paragraph of the doc comment, on one line.
pub(crate) fn documentation(item: &DeriveInput) -> String {
    let lines = item
        .attrs
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(text),
                    ..
                }) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        });
    let paragraph: Vec<String> = lines
        .skip_while(String::is_empty)
        .take_while(|line| !line.is_empty())
        .collect();
    paragraph.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn what_is_not_said_is_derived() {
        let item: DeriveInput = parse_quote! {
            /// Fetches the weather
            /// of a city.
            ///
            /// More.
            #[action(id = "weather.fetch_all")]
            struct Fetch;
        };
        let code = expand(&item).expect("expands").to_string();
        for part in [
            "\"Weather fetch all\"",
            "\"weather\"",
            "\"Fetches the weather of a city.\"",
            "CARGO_PKG_VERSION",
        ] {
            assert!(code.contains(part), "{part} in {code}");
        }
    }

    #[test]
    fn only_a_trigger_is_made_an_action_by_the_derive() {
        let code = |item: DeriveInput| expand(&item).expect("expands").to_string();
        let plain = code(parse_quote!(
            #[action(id = "a.b")]
            struct A;
        ));
        assert!(!plain.contains("PollingTrigger"), "{plain}");
        let trigger = code(parse_quote!(
            #[action(id = "a.b", trigger)]
            struct A;
        ));
        assert!(trigger.contains("PollingTrigger"), "{trigger}");
        assert!(trigger.contains("trigger : true"), "{trigger}");
    }

    #[test]
    fn only_unit_structs_are_actions() {
        let items: [DeriveInput; 3] = [
            parse_quote!(
                #[action(id = "a.b")]
                struct S {
                    x: u8,
                }
            ),
            parse_quote!(
                #[action(id = "a.b")]
                struct S<T>;
            ),
            parse_quote!(
                #[action(id = "a.b")]
                enum E {}
            ),
        ];
        for item in items {
            assert!(
                expand(&item)
                    .expect_err("refused")
                    .to_string()
                    .starts_with("an action is a unit struct")
            );
        }
    }
}
