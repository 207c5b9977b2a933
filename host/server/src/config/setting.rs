//! Values of settings as text and back. One text for each value, whether it
//! stands in a file, in a variable of the environment or on a command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use nebula_flow::time::Span;

/// A value of a setting.
pub(crate) trait Setting: Sized {
    /// From its text.
    fn read(text: &str) -> Result<Self, String>;

    /// From the elements of a list.
    fn read_list(_: &[String]) -> Result<Self, String> {
        Err("one value is expected, not a list".into())
    }

    /// As people see it.
    fn show(&self) -> String;
}

/// A number of bytes: `1048576`, `64KiB`, `1MiB`, `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bytes(pub(crate) u64);

/// The value of this name.
pub(crate) fn one_of<T: Copy>(text: &str, values: &[(&str, T)]) -> Result<T, String> {
    let found = values.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = values.iter().map(|(name, _)| format!("`{name}`")).collect();
        format!("`{}` is not one of {}", clip(text), names.join(", "))
    })
}

/// The beginning of a text that may be anything.
pub(crate) fn clip(text: &str) -> String {
    text.chars().take(60).collect()
}

impl Setting for String {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a text is expected, and it is empty".into());
        }
        Ok(text.into())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Setting for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        <String as Setting>::read(text).map(Into::into)
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Setting for bool {
    fn read(text: &str) -> Result<Self, String> {
        one_of(text, &[("true", true), ("false", false)])
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for SocketAddr {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            let text = clip(text);
            format!(
                "`{text}` is not an address with a port: write `127.0.0.1:7300` or `[::1]:7300`"
            )
        })
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for Duration {
    fn read(text: &str) -> Result<Self, String> {
        match text.parse::<Span>() {
            Ok(Span(duration)) => Ok(duration),
            Err(error) => Err(error.to_string()),
        }
    }

    fn show(&self) -> String {
        Span(*self).to_string()
    }
}

impl Setting for Bytes {
    fn read(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "" => Some(1),
            "KiB" => Some(1 << 10),
            "MiB" => Some(1 << 20),
            "GiB" => Some(1 << 30),
            _ => None,
        };
        let number: Option<u64> = digits.parse().ok();
        number
            .zip(unit)
            .and_then(|(number, unit)| number.checked_mul(unit))
            .map(Self)
            .ok_or_else(|| {
                let text = clip(text);
                format!(
                    "`{text}` is not a number of bytes: write `1048576`, `64KiB`, `1MiB` or `2GiB`"
                )
            })
    }

    fn show(&self) -> String {
        for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
            if self.0 >= unit && self.0.is_multiple_of(unit) {
                return format!("{}{name}", self.0 / unit);
            }
        }
        self.0.to_string()
    }
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Setting for $type {
            fn read(text: &str) -> Result<Self, String> {
                text.parse()
                    .map_err(|_| format!("`{}` is not a whole number that fits", clip(text)))
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

number!(u32, u64, usize);

impl<T: Setting> Setting for Option<T> {
    fn read(text: &str) -> Result<Self, String> {
        T::read(text).map(Some)
    }

    fn read_list(list: &[String]) -> Result<Self, String> {
        T::read_list(list).map(Some)
    }

    fn show(&self) -> String {
        self.as_ref().map(T::show).unwrap_or_default()
    }
}

impl<T: Setting> Setting for Vec<T> {
    /// Elements joined by commas, as a variable of the environment has them.
    fn read(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(str::trim)
            .filter(|element| !element.is_empty())
            .map(T::read)
            .collect()
    }

    fn read_list(list: &[String]) -> Result<Self, String> {
        list.iter().map(|element| T::read(element)).collect()
    }

    fn show(&self) -> String {
        let elements: Vec<_> = self.iter().map(T::show).collect();
        elements.join(",")
    }
}
