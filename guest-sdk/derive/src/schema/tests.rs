#![allow(clippy::unwrap_used, reason = "tests")]

use syn::{DeriveInput, parse_quote};

use super::case::Case;
use super::{about, expand};

fn refusal(item: &DeriveInput) -> String {
    expand(item).expect_err("refused").to_string()
}

#[test]
fn what_hides_the_form_is_refused_until_a_type_is_named() {
    let hidden: [(DeriveInput, &str); 5] = [
        (
            parse_quote!(
                struct S {
                    #[serde(with = "hex")]
                    a: u8,
                }
            ),
            "`with`",
        ),
        (
            parse_quote!(
                struct S {
                    #[serde(serialize_with = "f")]
                    a: u8,
                }
            ),
            "`serialize_with`",
        ),
        (
            parse_quote!(
                enum E {
                    #[serde(deserialize_with = "f")]
                    A(u8),
                }
            ),
            "`deserialize_with`",
        ),
        (
            parse_quote!(
                #[serde(from = "String", into = "String")]
                struct S {
                    a: u8,
                }
            ),
            "`from`",
        ),
        (
            parse_quote!(
                #[serde(try_from = "String")]
                struct S {
                    a: u8,
                }
            ),
            "`try_from`",
        ),
    ];
    for (item, key) in &hidden {
        let message = refusal(item);
        assert!(message.starts_with(key), "{message}");
        assert!(message.contains("#[schema(with = \"Type\")]"), "{message}");
    }
    let named: [DeriveInput; 3] = [
        parse_quote!(
            struct S {
                #[serde(with = "hex")]
                #[schema(with = "String")]
                a: u8,
            }
        ),
        parse_quote!(
            #[serde(from = "String")]
            #[schema(with = "String")]
            struct S {
                a: u8,
            }
        ),
        parse_quote!(
            struct S {
                #[serde(skip, with = "hex")]
                a: u8,
            }
        ),
    ];
    for item in &named {
        expand(item).expect("is told the form");
    }
}

#[test]
fn what_serde_will_know_one_day_is_not_passed_over() {
    let items: [DeriveInput; 4] = [
        parse_quote!(
            struct S {
                #[serde(reversed)]
                a: u8,
            }
        ),
        parse_quote!(
            #[serde(variant_identifier)]
            enum E {
                A,
            }
        ),
        parse_quote!(
            #[serde(rename_all = "sPoNgE")]
            struct S {
                a: u8,
            }
        ),
        parse_quote!(
            struct S {
                #[schema(format = "x")]
                a: u8,
            }
        ),
    ];
    for item in &items {
        refusal(item);
    }
    assert!(refusal(&items[0]).starts_with("what `reversed` makes of the JSON Schema"));
}

#[test]
fn what_says_nothing_about_the_form_is_passed_over() {
    let item: DeriveInput = parse_quote! {
        #[serde(crate = "::nebula_sdk::serde", bound(serialize = "T: Clone"), expecting = "a thing")]
        struct S<'a, T> {
            #[serde(borrow = "'a", bound = "")]
            a: std::borrow::Cow<'a, str>,
            t: T,
        }
    };
    expand(&item).expect("expands");
}

#[test]
fn names_are_written_as_serde_writes_them() {
    let cases = [
        ("lowercase", "someword", "some_word"),
        ("UPPERCASE", "SOMEWORD", "SOME_WORD"),
        ("PascalCase", "SomeWord", "SomeWord"),
        ("camelCase", "someWord", "someWord"),
        ("snake_case", "some_word", "some_word"),
        ("SCREAMING_SNAKE_CASE", "SOME_WORD", "SOME_WORD"),
        ("kebab-case", "some-word", "some-word"),
        ("SCREAMING-KEBAB-CASE", "SOME-WORD", "SOME-WORD"),
    ];
    for (rule, variant, field) in cases {
        let case = Case::named(rule).unwrap();
        assert_eq!(
            (
                case.variant("SomeWord").as_str(),
                case.field("some_word").as_str()
            ),
            (variant, field)
        );
    }
    assert_eq!(Case::named("Title Case"), None);
}

#[test]
fn a_doc_comment_is_a_title_and_a_description() {
    let item: DeriveInput = parse_quote! {
        /// # A "title"
        /// Some text,
        /// on two lines.
        #[deprecated]
        struct S;
    };
    assert_eq!(
        about::of(&item.attrs),
        r#""title":"A \"title\"","description":"Some text,\non two lines.","deprecated":true"#
    );
    let item: DeriveInput = parse_quote!(
        struct S;
    );
    assert_eq!(about::of(&item.attrs), "");
}
