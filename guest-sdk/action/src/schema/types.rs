//! The types that everybody has.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::marker::PhantomData;

use super::shape::{Field, Names, Type};
use super::{Schema, Shape};

macro_rules! json {
    ($($type:ty => $text:literal,)*) => {
        $(impl Schema for $type {
            fn shape() -> &'static Shape {
                &Shape::Json($text)
            }
        })*
    };
}

json! {
    () => r#"{"type":"null"}"#,
    bool => r#"{"type":"boolean"}"#,
    i8 => r#"{"type":"integer","format":"int8","minimum":-128,"maximum":127}"#,
    i16 => r#"{"type":"integer","format":"int16","minimum":-32768,"maximum":32767}"#,
    i32 => r#"{"type":"integer","format":"int32"}"#,
    i64 => r#"{"type":"integer","format":"int64"}"#,
    i128 => r#"{"type":"integer","format":"int128"}"#,
    isize => r#"{"type":"integer","format":"int"}"#,
    u8 => r#"{"type":"integer","format":"uint8","minimum":0,"maximum":255}"#,
    u16 => r#"{"type":"integer","format":"uint16","minimum":0,"maximum":65535}"#,
    u32 => r#"{"type":"integer","format":"uint32","minimum":0}"#,
    u64 => r#"{"type":"integer","format":"uint64","minimum":0}"#,
    u128 => r#"{"type":"integer","format":"uint128","minimum":0}"#,
    usize => r#"{"type":"integer","format":"uint","minimum":0}"#,
    f32 => r#"{"type":"number","format":"float"}"#,
    f64 => r#"{"type":"number","format":"double"}"#,
    serde_json::Number => r#"{"type":"number"}"#,
    char => r#"{"type":"string","minLength":1,"maxLength":1}"#,
    str => r#"{"type":"string"}"#,
    String => r#"{"type":"string"}"#,
    core::net::IpAddr => r#"{"type":"string","format":"ip"}"#,
    core::net::Ipv4Addr => r#"{"type":"string","format":"ipv4"}"#,
    core::net::Ipv6Addr => r#"{"type":"string","format":"ipv6"}"#,
}

impl Schema for core::time::Duration {
    fn shape() -> &'static Shape {
        const {
            &Shape::Type(Type {
                name: "Duration",
                id: core::any::type_name::<Self>,
                about: "",
                shape: &Shape::Json(concat!(
                    r#"{"type":"object","required":["secs","nanos"],"properties":{"#,
                    r#""secs":{"type":"integer","format":"uint64","minimum":0},"#,
                    r#""nanos":{"type":"integer","format":"uint32","minimum":0}}}"#,
                )),
            })
        }
    }
}

impl Schema for serde_json::Value {
    fn shape() -> &'static Shape {
        &Shape::Any
    }
}

impl Schema for serde_json::Map<String, serde_json::Value> {
    fn shape() -> &'static Shape {
        BTreeMap::<String, serde_json::Value>::shape()
    }
}

impl<T: Schema> Schema for Option<T> {
    fn shape() -> &'static Shape {
        const { &Shape::Option(T::shape) }
    }
}

macro_rules! same {
    ($($type:ty),*) => {
        $(impl<T: Schema + ?Sized> Schema for $type {
            fn shape() -> &'static Shape {
                T::shape()
            }
        })*
    };
}

same!(&T, &mut T, Box<T>, Rc<T>, Arc<T>, Cell<T>, RefCell<T>);

impl<T: Schema + ToOwned + ?Sized> Schema for Cow<'_, T> {
    fn shape() -> &'static Shape {
        T::shape()
    }
}

impl<T: ?Sized> Schema for PhantomData<T> {
    fn shape() -> &'static Shape {
        <()>::shape()
    }
}

macro_rules! list {
    ($unique:literal: $($type:ty $(, $hasher:ident)?);*) => {
        $(impl<T: Schema $(, $hasher)?> Schema for $type {
            fn shape() -> &'static Shape {
                const { &Shape::List { items: T::shape, unique: $unique, len: None } }
            }
        })*
    };
}

list!(false: [T]; Vec<T>; VecDeque<T>);
list!(true: BTreeSet<T>);

/// What exists only with the standard library.
#[cfg(any(feature = "std", not(target_arch = "wasm32")))]
mod with_std {
    use std::collections::{HashMap, HashSet};
    use std::path::{Path, PathBuf};

    use super::{BTreeMap, Schema, Shape};

    json! {
        Path => r#"{"type":"string"}"#,
        PathBuf => r#"{"type":"string"}"#,
    }

    list!(true: HashSet<T, S>, S);

    impl<K: Schema, V: Schema, S> Schema for HashMap<K, V, S> {
        fn shape() -> &'static Shape {
            BTreeMap::<K, V>::shape()
        }
    }
}

impl<T: Schema, const N: usize> Schema for [T; N] {
    fn shape() -> &'static Shape {
        const {
            &Shape::List {
                items: T::shape,
                unique: false,
                len: Some(N),
            }
        }
    }
}

impl<K: Schema, V: Schema> Schema for BTreeMap<K, V> {
    fn shape() -> &'static Shape {
        const {
            &Shape::Map {
                keys: K::shape,
                values: V::shape,
            }
        }
    }
}

/// A place of a tuple.
const fn place<T: Schema>() -> Field {
    Field {
        names: Names {
            written: "",
            read: &[],
        },
        about: "",
        shape: T::shape,
        flags: 0,
        preset: None,
    }
}

macro_rules! tuples {
    ($($first:ident $($rest:ident)*)?) => {
        $(impl<$first: Schema, $($rest: Schema),*> Schema for ($first, $($rest,)*) {
            fn shape() -> &'static Shape {
                const { &Shape::Tuple(&[place::<$first>(), $(place::<$rest>()),*]) }
            }
        }
        tuples!($($rest)*);)?
    };
}

tuples!(A B C D E F G H I J K L M N O P);
