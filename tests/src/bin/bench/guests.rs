//! What guests weigh: packs, their actions, templates; beside what is recorded.

use nebula_tests::figures::{Figures, Record, Table, packs, templates};

use crate::{node, print};

/// Prints tables, and compares with the record or writes it anew.
///
/// # Errors
/// When something weighs over a tenth more than is recorded.
pub(crate) async fn run(is_update: bool) -> Result<(), crate::Error> {
    let folder = tempfile::tempdir()?;
    let mut measured = packs::measure(folder.path().join("compiled")).await?;
    measured.templates = templates::measure(&node::binary()?, folder.path())?;
    print("\n| a template | component | fuel of a call | peak memory |\n|---|---|---|---|");
    show(&measured.templates, |figures| {
        let bytes = digits(figures.bytes);
        format!("{bytes} bytes | {}", call(figures))
    });
    print("\n| a pack | component |\n|---|---|");
    show(&measured.packs, |figures| {
        format!("{} bytes", digits(figures.bytes))
    });
    print("\n| an action | fuel of a call | peak memory |\n|---|---|---|");
    show(&measured.actions, call);
    if is_update {
        measured.keep()?;
        print("\nrecorded in tests/guests.json");
        return Ok(());
    }
    let differences = measured.compare(&Record::kept()?);
    for difference in &differences {
        let word = if difference.is_worse {
            "REGRESSION"
        } else {
            "better"
        };
        print(&format!("\n{word}: {difference}"));
    }
    if differences.is_empty() {
        return Ok(());
    }
    print("\nif that is meant, `bench guests --update` records it as it is now");
    match differences.iter().filter(|d| d.is_worse).count() {
        0 => Ok(()),
        worse => Err(format!("{worse} figures of guests are worse than recorded").into()),
    }
}

fn show(table: &Table, row: impl Fn(&Figures) -> String) {
    for (name, figures) in table {
        print(&format!("| `{name}` | {} |", row(figures)));
    }
}

fn call(figures: &Figures) -> String {
    let kib = figures.memory_bytes.map(|bytes| bytes / 1_024);
    format!("{} | {} KiB", digits(figures.fuel), digits(kib))
}

/// `1,234,567`.
fn digits(number: Option<u64>) -> String {
    let digits = number.unwrap_or_default().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
