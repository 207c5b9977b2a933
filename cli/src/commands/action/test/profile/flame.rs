//! A flame graph as SVG: a bar for each function, as wide as what it burned with all
//! that it called, on top of the function that called it. Names of functions are a
//! stranger's text: they stand in the picture as text, and no script does.
//!
//! `inferno` draws such pictures too; its licence (CDDL) is not among those that are
//! allowed here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::share;
use crate::output;

/// Of the picture, in pixels.
const WIDTH: f64 = 1_200.0;
const MARGIN: f64 = 10.0;
/// Of a bar.
const HEIGHT: f64 = 17.0;
/// Narrower bars are left out.
const NARROWEST: f64 = 0.2;
/// Of a letter.
const LETTER: f64 = 7.1;
/// Above the bars, for the title.
const HEAD: f64 = 34.0;

/// A function and all that it called from here.
#[derive(Default)]
struct Bar<'a> {
    fuel: u64,
    called: BTreeMap<&'a str, Bar<'a>>,
}

/// Draws stacks, the outermost function first, each with what its last one burned.
pub(super) fn draw(title: &str, stacks: &[(Vec<String>, u64)]) -> String {
    let mut all = Bar::default();
    for (stack, fuel) in stacks {
        let mut bar = &mut all;
        bar.fuel += fuel;
        for name in stack {
            bar = bar.called.entry(name).or_default();
            bar.fuel += fuel;
        }
    }
    let rows = all.rows(all.fuel);
    #[expect(clippy::cast_precision_loss, reason = "at most some hundred rows")]
    let height = HEAD + rows as f64 * HEIGHT + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"monospace\" font-size=\"12\">\n\
         <style>rect:hover {{ stroke: #000 }} text {{ pointer-events: none }}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fdfaf3\" pointer-events=\"none\"/>\n\
         <text x=\"{MARGIN}\" y=\"21\" font-size=\"14\">{}</text>\n",
        text(title)
    );
    let mut drawing = Drawing {
        svg: &mut svg,
        all: all.fuel,
        bottom: height - MARGIN - HEIGHT,
    };
    drawing.bar("all", &all, 0, MARGIN);
    svg.push_str("</svg>\n");
    svg
}

impl Bar<'_> {
    /// How many rows are wide enough to be seen.
    fn rows(&self, all: u64) -> usize {
        let seen = self
            .called
            .values()
            .filter(|bar| bar.width(all) >= NARROWEST);
        1 + seen.map(|bar| bar.rows(all)).max().unwrap_or(0)
    }

    fn width(&self, all: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        let part = self.fuel as f64 / all.max(1) as f64;
        part * (WIDTH - 2.0 * MARGIN)
    }
}

struct Drawing<'a> {
    svg: &'a mut String,
    all: u64,
    /// Where the lowest bar begins.
    bottom: f64,
}

impl Drawing<'_> {
    /// A bar and those on top of it.
    fn bar(&mut self, name: &str, bar: &Bar<'_>, row: u32, x: f64) {
        let width = bar.width(self.all);
        if width < NARROWEST {
            return;
        }
        let y = self.bottom - f64::from(row) * HEIGHT;
        // Writing to a text cannot fail.
        let _ = writeln!(
            self.svg,
            "<g><title>{}: {} units, {:.1} %</title><rect x=\"{x:.1}\" y=\"{y:.0}\" width=\"{width:.1}\" \
             height=\"{:.0}\" rx=\"1\" fill=\"{}\"/>{}</g>",
            text(name),
            output::count(bar.fuel),
            share(bar.fuel, self.all),
            HEIGHT - 1.0,
            colour(name),
            label(name, x, y, width),
        );
        let mut x = x;
        for (name, called) in &bar.called {
            self.bar(name, called, row + 1, x);
            x += called.width(self.all);
        }
    }
}

/// As much of a name as there is room for.
fn label(name: &str, x: f64, y: f64, width: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive number of letters"
    )]
    let room = ((width - 6.0) / LETTER).max(0.0) as usize;
    if room < 3 {
        return String::new();
    }
    let shown: String = if name.chars().count() <= room {
        name.to_owned()
    } else {
        name.chars().take(room - 1).chain(['…']).collect()
    };
    let (x, y) = (x + 3.0, y + 12.0);
    format!("<text x=\"{x:.1}\" y=\"{y:.0}\">{}</text>", text(&shown))
}

/// Warm, and the same for the same name.
fn colour(name: &str) -> String {
    let hash = name.bytes().fold(17_u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    format!("hsl({} 85% {}%)", 10 + hash % 40, 62 + hash / 64 % 12)
}

/// What a text may have in XML, escaped.
fn text(plain: &str) -> String {
    let mut escaped = String::with_capacity(plain.len());
    for letter in plain.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            control if control.is_control() => escaped.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stacks() -> Vec<(Vec<String>, u64)> {
        let stack = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        vec![
            (stack(&["run"]), 250),
            (stack(&["run", "<Order as Walk>::walk"]), 750),
        ]
    }

    #[test]
    fn a_bar_is_as_wide_as_what_its_function_burned_with_all_it_called() {
        let svg = draw("order.check", &stacks());
        for part in [
            "<title>all: 1,000 units, 100.0 %</title><rect x=\"10.0\" y=\"68\" width=\"1180.0\"",
            "<title>run: 1,000 units, 100.0 %</title><rect x=\"10.0\" y=\"51\" width=\"1180.0\"",
            "<title>&lt;Order as Walk&gt;::walk: 750 units, 75.0 %</title><rect x=\"10.0\" y=\"34\" width=\"885.0\"",
        ] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        assert!(svg.ends_with("</svg>\n"));
    }

    #[test]
    fn a_name_stands_in_the_picture_as_text_whatever_it_is() {
        let name = "</title><script>alert(\"1\")</script>\u{1}\u{ffff}";
        let svg = draw(name, &[(vec![name.to_owned()], 1)]);
        assert!(!svg.contains("<script"), "{svg}");
        assert!(
            !svg.chars()
                .any(|letter| letter != '\n' && letter.is_control())
        );
        assert!(svg.contains("&lt;script&gt;alert(&quot;1&quot;)"), "{svg}");
    }

    #[test]
    fn a_name_gets_as_many_letters_as_there_is_room_for() {
        assert!(label("function", 0.0, 0.0, 20.0).is_empty());
        assert!(label("function", 0.0, 0.0, 50.0).contains(">funct…<"));
        assert!(label("function", 0.0, 0.0, 80.0).contains(">function<"));
    }
}
