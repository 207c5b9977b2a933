//! What a language needs to know of the JSON Schemas of an action.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::name::{Names, pascal};
use super::schema::{choices, constant, fields_of, integer, only_field, or_null, tag, text, texts};

/// A type, where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Any,
    Null,
    Bool,
    /// By the name that Rust has for it.
    Integer(&'static str),
    Number,
    Text,
    List(Box<Type>),
    Tuple(Vec<Type>),
    Map(Box<Type>),
    /// Or null.
    Option(Box<Type>),
    /// One that is declared.
    Named(String),
    /// The same, within itself.
    Within(String),
}

/// A type with a name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) help: String,
    pub(super) form: Form,
}

/// What it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    Struct(Fields),
    /// One of these texts.
    Texts(Vec<String>),
    /// Told apart by the text in a field.
    Tagged(String, Vec<Variant>),
    /// An object of one field, whose name is the variant's, or the name alone.
    External(Vec<Variant>),
    /// Told apart by what they are.
    Untagged(Vec<Type>),
    Alias(Type),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variant {
    /// In JSON.
    pub(super) name: String,
    pub(super) help: String,
    pub(super) content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Nothing,
    Fields(Fields),
    One(Type),
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Fields {
    pub(super) fields: Vec<Field>,
    /// Of all fields that are not listed, if there may be any.
    pub(super) rest: Option<Type>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// In JSON.
    pub(super) name: String,
    pub(super) help: String,
    pub(super) of: Type,
    pub(super) required: bool,
}

/// The types of an action: its input and output, and what they consist of.
pub(super) fn types(input: &Value, output: &Value) -> Vec<Declared> {
    let mut names = Names::default();
    let mut all = Vec::new();
    let own = |schema: &Value| definitions(schema).cloned().unwrap_or_default();
    let (inputs, outputs) = (own(input), own(output));
    let shared = shared(&inputs, &outputs);
    // Names that the types are written with.
    for name in [
        "Box",
        "Deserialize",
        "Option",
        "Self",
        "Serialize",
        "String",
        "Vec",
    ] {
        names.take(name);
    }
    let roots = [("Input", input, inputs), ("Output", output, outputs)];
    for (root, ..) in &roots {
        names.take(root);
    }
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for (root, schema, defined) in &roots {
        // What both have in common is declared with the input.
        let mut refers: BTreeMap<String, String> = known
            .iter()
            .filter(|(name, _)| shared.contains(*name))
            .map(|(name, ty)| (name.clone(), ty.clone()))
            .collect();
        let declared: Vec<String> = defined
            .keys()
            .filter(|name| !refers.contains_key(*name))
            .cloned()
            .collect();
        for name in &declared {
            let ty = names.take(&pascal(name));
            refers.insert(name.clone(), ty);
        }
        let mut reader = Reader {
            root,
            defined,
            refers: &refers,
            names: &mut names,
            declared: Vec::new(),
            within: "#",
        };
        reader.declare(root, schema);
        for name in &declared {
            reader.within = name;
            reader.declare(&refers[name], &defined[name]);
        }
        all.append(&mut reader.declared);
        known = refers;
    }
    all
}

fn definitions(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("$defs").and_then(Value::as_object)
}

/// The definitions that mean the same in both schemas.
fn shared(one: &Map<String, Value>, other: &Map<String, Value>) -> BTreeSet<String> {
    let mut same: BTreeSet<String> = one
        .iter()
        .filter(|(name, said)| other.get(*name) == Some(said))
        .map(|(name, _)| name.clone())
        .collect();
    loop {
        let before = same.len();
        let kept = same.clone();
        same.retain(|name| referred(&one[name]).iter().all(|to| kept.contains(*to)));
        if same.len() == before {
            return same;
        }
    }
}

/// The definitions that a schema names.
fn referred(schema: &Value) -> BTreeSet<&str> {
    match schema {
        Value::Object(said) => {
            let own = said.get("$ref").and_then(Value::as_str);
            let own = own.map(|to| to.strip_prefix("#/$defs/").unwrap_or(to));
            own.into_iter()
                .chain(said.values().flat_map(referred))
                .collect()
        }
        Value::Array(list) => list.iter().flat_map(referred).collect(),
        _ => BTreeSet::new(),
    }
}

struct Reader<'a> {
    root: &'a str,
    defined: &'a Map<String, Value>,
    /// The types of the definitions.
    refers: &'a BTreeMap<String, String>,
    names: &'a mut Names,
    declared: Vec<Declared>,
    /// The definition that is read, `#` for the root.
    within: &'a str,
}

impl Reader<'_> {
    fn declare(&mut self, name: &str, schema: &Value) {
        let at = self.declared.len();
        let form = self.form(name, schema);
        let declared = Declared {
            name: name.to_owned(),
            help: text(schema, "description"),
            form,
        };
        // Before those that it consists of.
        self.declared.insert(at, declared);
    }

    fn form(&mut self, name: &str, schema: &Value) -> Form {
        if let Some(texts) = texts(schema) {
            return Form::Texts(texts);
        }
        let is_option = schema
            .as_object()
            .is_some_and(|said| or_null(said).is_some());
        if let (Some(choices), false) = (choices(schema), is_option) {
            return self.choice(name, choices);
        }
        match fields_of(schema) {
            Some(_) => Form::Struct(self.fields(name, schema, None)),
            None => Form::Alias(self.of(name, schema)),
        }
    }

    /// The type of a schema; what needs a name gets this one.
    fn of(&mut self, name: &str, schema: &Value) -> Type {
        let Value::Object(said) = schema else {
            return Type::Any;
        };
        if let Some(to) = said.get("$ref").and_then(Value::as_str) {
            return self.refer(to);
        }
        if let Some(rest) = or_null(said) {
            return Type::Option(Box::new(self.of(name, &rest)));
        }
        let named = texts(schema).is_some_and(|texts| texts.len() > 1)
            || choices(schema).is_some()
            || fields_of(schema).is_some();
        if named {
            let name = self.names.take(name);
            self.declare(&name, schema);
            return Type::Named(name);
        }
        match said.get("type").and_then(Value::as_str) {
            Some("null") => Type::Null,
            Some("boolean") => Type::Bool,
            Some("integer") => Type::Integer(integer(said)),
            Some("number") => Type::Number,
            Some("string") => Type::Text,
            Some("array") => self.list(name, said),
            Some("object") => match said.get("additionalProperties") {
                Some(of @ Value::Object(_)) => Type::Map(Box::new(self.of(&one_of(name), of))),
                _ => match said.get("patternProperties").and_then(Value::as_object) {
                    Some(patterns) if patterns.len() == 1 => {
                        let of = patterns.values().next().unwrap_or(&Value::Null);
                        Type::Map(Box::new(self.of(&one_of(name), of)))
                    }
                    _ => Type::Map(Box::new(Type::Any)),
                },
            },
            _ => Type::Any,
        }
    }

    fn refer(&self, to: &str) -> Type {
        let name = match to.strip_prefix("#/$defs/") {
            Some(name) => match self.refers.get(name) {
                Some(ty) => ty.clone(),
                None => return Type::Any,
            },
            None if to == "#" => self.root.to_owned(),
            None => return Type::Any,
        };
        if self.leads_back(to) {
            Type::Within(name)
        } else {
            Type::Named(name)
        }
    }

    /// Whether what is referred to contains what refers to it.
    fn leads_back(&self, to: &str) -> bool {
        let start = to.strip_prefix("#/$defs/").unwrap_or(to);
        let mut seen = BTreeSet::from([start]);
        let mut next = vec![start];
        while let Some(name) = next.pop() {
            if name == self.within || name == "#" {
                return true;
            }
            let inner = self.defined.get(name).map(referred).unwrap_or_default();
            next.extend(inner.into_iter().filter(|inner| seen.insert(*inner)));
        }
        false
    }

    fn list(&mut self, name: &str, said: &Map<String, Value>) -> Type {
        let places = said.get("prefixItems").and_then(Value::as_array);
        if let Some(places) = places
            .filter(|places| said.get("minItems") == said.get("maxItems") && !places.is_empty())
        {
            let of = places.iter().enumerate();
            return Type::Tuple(
                of.map(|(n, of)| self.of(&format!("{name}{}", n + 1), of))
                    .collect(),
            );
        }
        match said.get("items") {
            Some(of) => Type::List(Box::new(self.of(&one_of(name), of))),
            None => Type::List(Box::new(Type::Any)),
        }
    }

    /// The fields of an object, without the one that is its tag.
    fn fields(&mut self, name: &str, schema: &Value, tag: Option<&str>) -> Fields {
        let required = schema.get("required").and_then(Value::as_array);
        let is_required = |field: &str| required.is_some_and(|all| all.iter().any(|n| n == field));
        let properties = fields_of(schema).cloned().unwrap_or_default();
        let fields = properties
            .iter()
            .filter(|(field, _)| Some(field.as_str()) != tag)
            .map(|(field, of)| Field {
                name: field.clone(),
                help: text(of, "description"),
                of: self.of(&format!("{name}{}", pascal(field)), of),
                required: is_required(field),
            })
            .collect();
        let rest = match schema.get("additionalProperties") {
            Some(of @ (Value::Object(_) | Value::Bool(true))) => {
                Some(self.of(&format!("{name}Rest"), of))
            }
            _ => None,
        };
        Fields { fields, rest }
    }

    fn choice(&mut self, name: &str, choices: &[Value]) -> Form {
        if let Some(tag) = tag(choices) {
            let variants = choices.iter().map(|one| {
                let value = constant(one, &tag).unwrap_or_default().to_owned();
                let fields = self.fields(&format!("{name}{}", pascal(&value)), one, Some(&tag));
                Variant {
                    help: text(one, "description"),
                    content: if fields.fields.is_empty() && fields.rest.is_none() {
                        Content::Nothing
                    } else {
                        Content::Fields(fields)
                    },
                    name: value,
                }
            });
            return Form::Tagged(tag.clone(), variants.collect());
        }
        if choices
            .iter()
            .all(|one| texts(one).is_some() || only_field(one).is_some())
        {
            let mut variants = Vec::new();
            for one in choices {
                let help = text(one, "description");
                if let Some((field, of)) = only_field(one) {
                    let of = self.of(&format!("{name}{}", pascal(field)), of);
                    let content = Content::One(of);
                    variants.push(Variant {
                        name: field.clone(),
                        help,
                        content,
                    });
                    continue;
                }
                variants.extend(texts(one).into_iter().flatten().map(|text| Variant {
                    name: text,
                    help: help.clone(),
                    content: Content::Nothing,
                }));
            }
            return Form::External(variants);
        }
        let of = choices.iter().enumerate();
        Form::Untagged(
            of.map(|(n, one)| self.of(&format!("{name}{}", n + 1), one))
                .collect(),
        )
    }
}

fn one_of(name: &str) -> String {
    format!("{name}Item")
}
