#![allow(clippy::unwrap_used, reason = "tests")]

use quote::quote;
use syn::{DeriveInput, parse_quote};

use super::{derive, expand};

#[test]
fn a_chain_is_made_of_what_is_written() {
    let code = expand(quote! {
        "w" => {
            a: Fetch => b, c on port("x") if "true"
            b: CHECK
            c: crate::actions::Send
        }
    });
    let code = code.unwrap().to_string().replace(' ', "");
    assert_eq!(
        code,
        concat!(
            "::nebula_sdk::workflow::WorkflowBuilder::new(\"w\")",
            ".add_node(\"a\",::nebula_sdk::workflow::node::<Fetch>())",
            ".add_node(\"b\",CHECK)",
            ".add_node(\"c\",::nebula_sdk::workflow::node::<crate::actions::Send>())",
            ".connect(\"a\",\"b\")",
            ".connect_on_conditional(\"a\",\"c\",::nebula_sdk::workflow::On::Port(\"x\".into()),\"true\")",
            ".build()",
        )
    );
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let error = expand(quote! {
        "w" => {
            a: "a.b" => x
            a: "Fetch" => a
            b: "a.b@" => c if "$nodes.y.result", c if "$nodes.y.result"
            c: "a.b" => b on port("")
        }
    });
    let said: Vec<String> = error
        .unwrap_err()
        .into_iter()
        .map(|e| e.to_string())
        .collect();
    let begins = [
        "there is a node `a` already",
        "an action id is two or more segments",
        "behind `@` stands the range of versions",
        "there is no node `x`; there are `a`",
        "node `a` is connected to itself",
        "the condition reads `$nodes.y`",
        "the connection from `b` to `c` is given twice",
        "the condition reads `$nodes.y`",
        "a port has a name",
    ];
    assert_eq!(said.len(), begins.len(), "{said:#?}");
    for (said, begin) in said.iter().zip(begins) {
        assert!(said.starts_with(begin), "{said}");
    }
}

#[test]
fn a_circle_is_named_and_a_diamond_is_none() {
    let diamond = quote! {
        "w" => {
            a: "x.a" => b, c
            b: "x.b" => d
            c: "x.c" => d
            d: "x.d"
        }
    };
    expand(diamond).unwrap();
    let circle = quote! {
        "w" => {
            a: "x.a" => b
            b: "x.b" => c, d
            c: "x.c" => b
            d: "x.d"
        }
    };
    let said = expand(circle).unwrap_err().to_string();
    assert!(said.contains("form a circle: `b` → `c` → `b`"), "{said}");
}

#[test]
fn a_struct_declares_a_workflow_or_says_what_is_missing() {
    let items: [(DeriveInput, &str); 7] = [
        (
            parse_quote!(
                struct W;
            ),
            "a workflow needs an id",
        ),
        (
            parse_quote!(
                #[workflow(id = "w")]
                struct W;
            ),
            "a workflow has one node at least",
        ),
        (
            parse_quote!(
                #[workflow(id = "no spaces", nodes(a = "x.a"))]
                struct W;
            ),
            "a workflow's name is",
        ),
        (
            parse_quote!(
                #[workflow(id = "w", nodes(a: "x.a"))]
                struct W;
            ),
            "what does node `a` run?",
        ),
        (
            parse_quote!(
                #[workflow(id = "w", nodes(a = "x.a"), edges(a -> b))]
                struct W;
            ),
            "a connection is written `a => next`",
        ),
        (
            parse_quote!(
                #[workflow(id = "w", nodes(a = "x.a"), node(b = "x.b"))]
                struct W;
            ),
            "unknown key; the keys are id",
        ),
        (
            parse_quote!(
                #[workflow(id = "w", nodes(a = "x.a"))]
                struct W(u8);
            ),
            "the input of a workflow has names",
        ),
    ];
    for (item, begin) in &items {
        let said = derive(item).unwrap_err().to_string();
        assert!(said.starts_with(begin), "{said}");
    }
}
