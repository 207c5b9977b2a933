//! `#[derive(Workflow)]`: a struct that says what its workflow is.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::meta::ParseNestedMeta;
use syn::{Data, DeriveInput, Error, Expr, ExprLit, Fields, Lit, LitStr, Result, parenthesized};

use super::{Graph, chain, check, parse};
use crate::action::documentation;

const KEYS: &str = "id, description, nodes(…), edges(…), output";

/// What `#[workflow(…)]` says.
#[derive(Default)]
struct Declared {
    id: Option<LitStr>,
    description: Option<LitStr>,
    graph: Graph,
    output: Option<Expr>,
}

/// The `impl Workflow` of a struct: one without fields, or one whose fields are the
/// workflow's input.
pub(crate) fn expand(item: &DeriveInput) -> Result<TokenStream> {
    let has_input = check_shape(item)?;
    let declared = Declared::of(item)?;
    let id = declared.id.ok_or_else(|| {
        let message =
            "a workflow needs an id: `#[workflow(id = \"weather-notification\", nodes(…))]`";
        Error::new_spanned(&item.ident, message)
    })?;
    check::name(&Expr::Lit(ExprLit {
        attrs: Vec::new(),
        lit: Lit::Str(id.clone()),
    }))?;
    check::graph(&declared.graph)?;
    let description = match declared.description {
        Some(text) => text.value(),
        None => documentation(item),
    };
    let description = (!description.is_empty()).then(|| quote!(.description(#description)));
    let ident = &item.ident;
    // An error about the input stands at the struct.
    let input = quote_spanned!(ident.span()=> ::nebula_sdk::workflow::input_schema::<#ident>());
    let input = has_input.then(|| quote!(.input_schema(#input)));
    let output = declared.output.map(|output| quote!(.output(#output)));
    let chain = chain(&declared.graph);
    Ok(quote! {
        // A component has no workflows.
        #[cfg(not(target_arch = "wasm32"))]
        #[automatically_derived]
        impl ::nebula_sdk::workflow::Workflow for #ident {
            const NAME: &'static str = #id;

            fn definition() -> ::nebula_sdk::workflow::WorkflowDefinition {
                ::nebula_sdk::workflow::WorkflowBuilder::new(#id)
                    #description #input #chain #output
                    .build()
            }
        }
    })
}

/// Whether the struct has fields.
fn check_shape(item: &DeriveInput) -> Result<bool> {
    let fields = match &item.data {
        Data::Struct(data) if item.generics.params.is_empty() => &data.fields,
        _ => {
            return Err(Error::new_spanned(
                &item.ident,
                "a workflow is a struct without parameters: without fields, or with those of its input",
            ));
        }
    };
    match fields {
        Fields::Unit => Ok(false),
        Fields::Named(_) => Ok(true),
        Fields::Unnamed(_) => Err(Error::new_spanned(
            fields,
            "the input of a workflow has names: `struct Registration { email: String }`",
        )),
    }
}

impl Declared {
    fn of(item: &DeriveInput) -> Result<Self> {
        let mut found = Self::default();
        let mut seen = Vec::new();
        for attribute in item.attrs.iter().filter(|a| a.path().is_ident("workflow")) {
            attribute.parse_nested_meta(|meta| {
                let key = meta.path.get_ident().map(ToString::to_string);
                let key = key.unwrap_or_default();
                if seen.contains(&key) {
                    return Err(meta.error(format!("`{key}` is given twice")));
                }
                found.read(&meta, &key)?;
                seen.push(key);
                Ok(())
            })?;
        }
        Ok(found)
    }

    fn read(&mut self, meta: &ParseNestedMeta<'_>, key: &str) -> Result<()> {
        match key {
            "id" => self.id = Some(meta.value()?.parse()?),
            "description" => self.description = Some(meta.value()?.parse()?),
            "output" => self.output = Some(meta.value()?.parse()?),
            "nodes" => {
                let content;
                parenthesized!(content in meta.input);
                self.graph.nodes = parse::nodes(&content)?;
            }
            "edges" => {
                let content;
                parenthesized!(content in meta.input);
                self.graph.edges = parse::edges(&content)?;
            }
            _ => return Err(meta.error(format!("unknown key; the keys are {KEYS}"))),
        }
        Ok(())
    }
}
