//! The command line in the documentation: `docs/cli-reference.md` is what clap knows,
//! and every command that a page shows is one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Arg, Command, CommandFactory};

use super::Cli;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// The whole tree, a section a command.
fn reference() -> String {
    let mut root = Cli::command();
    root.build();
    let mut page = String::from(
        "# Reference of the command line\n\n\
         Made from the program itself by `UPDATE_SNAPSHOTS=1 cargo test --workspace --bins -- reference`. \
         [The command line](cli.md) explains it.\n\n\
         These options stand on every command:\n\n",
    );
    let global: Vec<&Arg> = root.get_arguments().filter(|a| shown(a, true)).collect();
    table(&mut page, &global);
    for command in root.get_subcommands() {
        section(&mut page, command, "nebula");
    }
    page
}

fn section(page: &mut String, command: &Command, above: &str) {
    if command.is_hide_set() {
        return;
    }
    let path = format!("{above} {}", command.get_name());
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let marks = if above == "nebula" { "##" } else { "###" };
    write!(page, "\n{marks} `{path}`\n\n{}\n", prose(&about)).expect("a string");
    if !command.has_subcommands() {
        write!(page, "\n```text\n{usage}\n```\n").expect("a string");
    }
    let arguments: Vec<&Arg> = command
        .get_arguments()
        .filter(|a| shown(a, false))
        .collect();
    if !arguments.is_empty() {
        page.push('\n');
        table(page, &arguments);
    }
    for command in command.get_subcommands() {
        section(page, command, &path);
    }
}

fn shown(argument: &Arg, global: bool) -> bool {
    let own = !matches!(argument.get_id().as_str(), "help" | "version");
    own && !argument.is_hide_set() && argument.is_global_set() == global
}

fn table(page: &mut String, arguments: &[&Arg]) {
    page.push_str("| | |\n|---|---|\n");
    for argument in arguments {
        let help = argument.get_long_help().or_else(|| argument.get_help());
        let mut help = cell(&help.map(ToString::to_string).unwrap_or_default());
        let choices = argument.get_possible_values();
        if argument.get_action().takes_values() {
            let choices: Vec<_> = choices.iter().filter(|c| !c.is_hide_set()).collect();
            let names = choices.iter().map(|c| format!("`{}`", c.get_name()));
            if !choices.is_empty() {
                let names: Vec<_> = names.collect();
                write!(help, " ({})", names.join(", ")).expect("a string");
            }
            let defaults: Vec<_> = argument.get_default_values().iter().collect();
            if let [default] = defaults.as_slice() {
                write!(help, "; `{}` if absent", default.to_string_lossy()).expect("a string");
            }
        }
        if let Some(variable) = argument.get_env() {
            write!(help, "; `{}`", variable.to_string_lossy()).expect("a string");
        }
        writeln!(page, "| `{}` | {help} |", cell(&name(argument))).expect("a string");
    }
}

/// As it is typed, with what it takes.
fn name(argument: &Arg) -> String {
    if argument.is_positional() {
        return argument.to_string();
    }
    let long = argument.get_long().map(|long| format!("--{long}"));
    let short = argument.get_short().map(|short| format!("-{short}"));
    let names: Vec<_> = short.into_iter().chain(long).collect();
    let values = argument.get_value_names().unwrap_or_default();
    let takes = argument.get_action().takes_values();
    let values = values.iter().filter(|_| takes).map(|v| format!(" {v}"));
    names.join(", ") + &values.collect::<String>()
}

/// Paragraphs stay; what looks like HTML is no HTML.
fn prose(text: &str) -> String {
    text.trim().replace('<', "\\<")
}

fn cell(text: &str) -> String {
    text.trim().replace('\n', " ").replace('|', "\\|")
}

#[test]
fn the_reference_is_what_the_program_knows() {
    let file = docs().join("cli-reference.md");
    let made = reference();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&file, &made).expect("written");
    }
    let kept = std::fs::read_to_string(&file).expect("docs/cli-reference.md");
    assert!(
        kept == made,
        "docs/cli-reference.md is not what the program knows: run \
         `UPDATE_SNAPSHOTS=1 cargo test --workspace --bins -- reference` and commit it"
    );
}

/// The lines of the blocks of a page in a language; a line that ends with `\` goes on.
fn listed(page: &str, language: &str) -> Vec<String> {
    let blocks = page.split("```").skip(1).step_by(2);
    let of_language = blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'));
    of_language
        .flat_map(|block| {
            let whole = block.replace("\\\n", " ");
            whole.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

/// The commands of `nebula` in a line of a shell, as words.
fn commands(line: &str) -> Vec<Vec<String>> {
    // A shell ends a command at these; none of the pages quotes one.
    let parts = line.split("&&").flat_map(|part| part.split(['|', ';']));
    let parts = parts
        .flat_map(|part| part.split("$("))
        .flat_map(|part| part.split("<("));
    parts
        .filter_map(|part| {
            let part = part.trim();
            let words = shlex::split(part)?.into_iter();
            let words: Vec<_> = words.map(|w| w.trim_end_matches(')').to_owned()).collect();
            let words = words.into_iter().skip_while(|w| w.contains('=')); // variables
            let words: Vec<_> = words
                .take_while(|w| w != ">" && w != "<" && w != "&")
                .collect();
            (words.first()? == "nebula").then_some(words)
        })
        .collect()
}

#[test]
fn every_command_that_a_page_shows_is_one() {
    let mut pages: Vec<PathBuf> = std::fs::read_dir(docs())
        .expect("docs")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    pages.push(docs().join("../README.md"));
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("readable");
        // What is typed in a console stands behind `$`, beside what is printed.
        for (language, typed) in [("sh", ""), ("console", "$ ")] {
            let lines = listed(&text, language);
            let lines = lines.iter().filter_map(|line| line.strip_prefix(typed));
            for words in lines.flat_map(commands) {
                seen += 1;
                if let Err(error) = Cli::command().try_get_matches_from(&words) {
                    let page = page.file_name().expect("a file").display();
                    wrong.push(format!("{page}: {}\n{error}", words.join(" ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 60, "only {seen} commands were found");
}

#[test]
fn a_line_of_a_shell_is_read_as_one() {
    let line = "A=1 nebula man ./man && echo x | nebula config show > file # why";
    assert_eq!(
        commands(line),
        [
            vec!["nebula", "man", "./man"],
            vec!["nebula", "config", "show"]
        ]
    );
    assert!(commands("curl nebula.example").is_empty());
}
