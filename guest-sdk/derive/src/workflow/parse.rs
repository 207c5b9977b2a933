//! What is written, as it is written.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, LitStr, Result, Token, braced, parenthesized};

use super::{Edge, Graph, Node, On};

const ON: &str = "`on` is followed by `success`, `failure`, `skip` or `port(\"name\")`";

/// `"name" => { node: what => next, other if "…" … }`.
pub(super) fn written(input: ParseStream<'_>) -> Result<(Expr, Graph)> {
    let name = input.parse()?;
    input.parse::<Token![=>]>()?;
    let content;
    braced!(content in input);
    if !input.is_empty() {
        return Err(input.error("nothing comes after the nodes"));
    }
    let mut graph = Graph::default();
    while !content.is_empty() {
        let id = content.call(Ident::parse_any)?;
        if !content.peek(Token![:]) {
            return Err(content.error(format!(
                "what does node `{id}` run? Write `{id}: \"some.action\"`"
            )));
        }
        content.parse::<Token![:]>()?;
        let what = content.parse()?;
        if content.peek(Token![=>]) {
            content.parse::<Token![=>]>()?;
            targets(&content, &id, &mut graph.edges)?;
        } else if content.peek(Token![,]) {
            content.parse::<Token![,]>()?;
        }
        graph.nodes.push(Node { id, what });
    }
    Ok((name, graph))
}

/// `next, other on failure if "…"`, up to the next node.
fn targets(input: ParseStream<'_>, from: &Ident, edges: &mut Vec<Edge>) -> Result<()> {
    loop {
        edges.push(target(input, from.clone())?);
        if !input.peek(Token![,]) {
            return Ok(());
        }
        input.parse::<Token![,]>()?;
        if input.is_empty() || is_node(input) {
            return Ok(());
        }
    }
}

/// `next on failure if "…"`.
fn target(input: ParseStream<'_>, from: Ident) -> Result<Edge> {
    let to = input.call(Ident::parse_any)?;
    let mut on = On::Success;
    if input.peek(syn::Ident) && !is_node(input) {
        let word: Ident = input.parse()?;
        if word != "on" {
            let message =
                format!("after `{to}` comes `on …`, `if \"…\"`, a comma or the next node");
            return Err(Error::new(word.span(), message));
        }
        on = input.parse()?;
    }
    let mut when = None;
    if input.peek(Token![if]) && !is_node(input) {
        input.parse::<Token![if]>()?;
        when = Some(input.parse()?);
    }
    Ok(Edge { from, to, on, when })
}

/// Whether the next node begins here.
fn is_node(input: ParseStream<'_>) -> bool {
    input.peek2(Token![:])
}

impl Parse for On {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let word = input
            .call(Ident::parse_any)
            .map_err(|e| Error::new(e.span(), ON))?;
        match word.to_string().as_str() {
            "success" => Ok(Self::Success),
            "failure" => Ok(Self::Failure),
            "skip" => Ok(Self::Skip),
            "port" if input.peek(syn::token::Paren) => {
                let content;
                parenthesized!(content in input);
                content.parse::<LitStr>().map(Self::Port)
            }
            _ => Err(Error::new(word.span(), ON)),
        }
    }
}

/// `fetch = WeatherAction, check = "condition.check"`.
pub(super) fn nodes(input: ParseStream<'_>) -> Result<Vec<Node>> {
    listed(input, |input| {
        let id = input.call(Ident::parse_any)?;
        input.parse::<Token![=]>().map_err(|e| {
            Error::new(
                e.span(),
                format!("what does node `{id}` run? Write `{id} = \"some.action\"`"),
            )
        })?;
        Ok(Node {
            id,
            what: input.parse()?,
        })
    })
}

/// `fetch => check, check => notify if "…"`.
pub(super) fn edges(input: ParseStream<'_>) -> Result<Vec<Edge>> {
    listed(input, |input| {
        let from = input.call(Ident::parse_any)?;
        input.parse::<Token![=>]>().map_err(|e| {
            Error::new(
                e.span(),
                format!("a connection is written `{from} => next`"),
            )
        })?;
        target(input, from)
    })
}

fn listed<T>(
    input: ParseStream<'_>,
    each: impl Fn(ParseStream<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut all = Vec::new();
    while !input.is_empty() {
        all.push(each(input)?);
        if input.is_empty() {
            break;
        }
        input.parse::<Token![,]>()?;
    }
    Ok(all)
}
