//! Workflows in Rust: `workflow!`, and `#[derive(Workflow)]`. Both read nodes and
//! connections into one [`Graph`], which is checked and becomes a builder's chain.
//!
//! - `parse`: what is written.
//! - `check`: what can be known when it is compiled.
//! - `declared`: `#[derive(Workflow)]`.
//! - here: the chain.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::{Expr, LitStr, Result};

mod check;
mod declared;
mod parse;
#[cfg(test)]
mod tests;

pub(crate) use declared::expand as derive;

/// Nodes and what connects them.
#[derive(Default)]
struct Graph {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

struct Node {
    id: Ident,
    /// An action's id, the type of an action, or what makes a node.
    what: Expr,
}

struct Edge {
    from: Ident,
    to: Ident,
    on: On,
    when: Option<Expr>,
}

/// What must become of the source.
enum On {
    Success,
    Failure,
    Skip,
    Port(LitStr),
}

/// `workflow!("name" => { … })`.
pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    let (name, graph) = parse::written.parse2(input)?;
    check::name(&name)?;
    check::graph(&graph)?;
    let chain = chain(&graph);
    Ok(quote! {
        ::nebula_sdk::workflow::WorkflowBuilder::new(#name) #chain .build()
    })
}

/// The calls of the builder that add nodes and connections.
fn chain(graph: &Graph) -> TokenStream {
    let nodes = graph.nodes.iter().map(|node| {
        let id = text(&node.id);
        let what = what(&node.what);
        quote!(.add_node(#id, #what))
    });
    let edges = graph.edges.iter().map(|edge| {
        let (from, to) = (text(&edge.from), text(&edge.to));
        match (on(&edge.on), &edge.when) {
            (None, None) => quote!(.connect(#from, #to)),
            (None, Some(when)) => quote!(.connect_conditional(#from, #to, #when)),
            (Some(on), None) => quote!(.connect_on(#from, #to, #on)),
            (Some(on), Some(when)) => quote!(.connect_on_conditional(#from, #to, #on, #when)),
        }
    });
    quote!(#(#nodes)* #(#edges)*)
}

/// What runs: the type of an action stands for its id.
fn what(expr: &Expr) -> TokenStream {
    if is_type(expr) {
        quote_spanned!(expr.span()=> ::nebula_sdk::workflow::node::<#expr>())
    } else {
        quote!(#expr)
    }
}

/// Whether an expression is a path as types have them: `WeatherAction`, and neither
/// `CHECK` nor `check`.
fn is_type(expr: &Expr) -> bool {
    let Expr::Path(path) = expr else {
        return false;
    };
    path.path.segments.last().is_some_and(|last| {
        let name = last.ident.to_string();
        name.starts_with(char::is_uppercase)
            && (name.len() == 1 || name.chars().any(char::is_lowercase))
    })
}

fn on(on: &On) -> Option<TokenStream> {
    let ons = quote!(::nebula_sdk::workflow::On);
    match on {
        On::Success => None,
        On::Failure => Some(quote!(#ons::Failure)),
        On::Skip => Some(quote!(#ons::Skip)),
        On::Port(port) => Some(quote!(#ons::Port(#port.into()))),
    }
}

fn text(id: &Ident) -> LitStr {
    LitStr::new(&id.unraw().to_string(), id.span())
}
