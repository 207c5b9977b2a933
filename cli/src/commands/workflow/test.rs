//! `nebula workflow test`: the tests beside a workflow file.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use nebula_testing::WorkflowTestHarness;
use nebula_testing::suite::{InvalidSuite, Suite, TestReport, file_of};
use serde_json::{Value, json};

use super::super::Context;
use super::packs::Packs;
use crate::error::{Error, Exit, Result};
use crate::output::{self, Format, Paint, Style, one_line, things};

/// Run the tests beside a workflow file, without a node and in virtual time
#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// Files of tests (NAME.test.yaml), or the workflows that they stand beside
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only the tests whose name has this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

/// A file of tests, and what became of each.
struct Ran {
    file: PathBuf,
    workflow: String,
    reports: Vec<TestReport>,
}

pub(crate) async fn run(context: &Context, test: &Test) -> Result<ExitCode> {
    let mut suites = Vec::new();
    for file in &test.files {
        let file = file_of(file);
        let suite = Suite::read(&file).map_err(|e| refused(&e))?;
        suites.push((file, suite));
    }
    let packs = Arc::new(Packs::new());
    let harness = WorkflowTestHarness::new().with_components(packs.clone(), packs.clone());
    let mut ran = Vec::new();
    for (file, suite) in suites {
        let mut reports = Vec::new();
        for name in suite.names().filter(|name| test.chooses(name)) {
            reports.extend(suite.run(name, &harness).await);
        }
        let workflow = suite.workflow().to_owned();
        let done = Ran {
            file,
            workflow,
            reports,
        };
        if context.format.is_for_people() {
            done.show()?;
        }
        ran.push(done);
    }
    drop(harness);
    packs.close();
    conclude(context.format, test, &ran)
}

impl Test {
    fn chooses(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|part| name.contains(part))
    }
}

fn refused(error: &InvalidSuite) -> Error {
    Error::refused(error.to_string()).hint("docs/testing.md has the whole form of such a file")
}

/// The sum, and the exit code.
fn conclude(format: Format, test: &Test, ran: &[Ran]) -> Result<ExitCode> {
    let reports = || ran.iter().flat_map(|ran| &ran.reports);
    let failed = reports().filter(|report| !report.passed()).count();
    let passed = reports().count() - failed;
    if passed + failed == 0 {
        let part = test.filter.as_deref().unwrap_or_default();
        return Err(Error::refused(format!("no test has `{part}` in its name")));
    }
    match format {
        Format::Table | Format::Wide => {
            let sum = things(passed + failed, "test");
            let sum = format!("{sum}: {passed} passed, {failed} failed");
            let paint = if failed == 0 { Paint::Good } else { Paint::Bad };
            output::line("")?;
            output::line(&Style::stdout().paint(paint, &sum))?;
        }
        Format::Name => {
            for report in reports().filter(|report| !report.passed()) {
                output::line(&one_line(&report.name))?;
            }
        }
        Format::Json | Format::Jsonl | Format::Yaml => {
            let files: Vec<Value> = ran.iter().map(Ran::value).collect();
            let answer = json!({ "files": files, "passed": passed, "failed": failed });
            output::value(format, &answer)?;
        }
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        Exit::Failed.into()
    })
}

impl Ran {
    fn show(&self) -> Result<()> {
        let style = Style::stdout();
        output::line(&style.paint(Paint::Bold, &self.file.display().to_string()))?;
        for report in &self.reports {
            let name = one_line(&report.name);
            if report.passed() {
                let figures = figures(report);
                let word = style.paint(Paint::Good, "ok      ");
                output::line(&format!(
                    "{word}{name}{}",
                    style.paint(Paint::Dim, &figures)
                ))?;
                continue;
            }
            output::line(&format!("{}{name}", style.paint(Paint::Bad, "FAILED  ")))?;
            for problem in &report.problems {
                for line in problem.lines() {
                    output::line(&format!("        {}", one_line(line)))?;
                }
            }
        }
        Ok(())
    }

    fn value(&self) -> Value {
        let test = |report: &TestReport| {
            let millis = u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX);
            json!({
                "name": report.name, "passed": report.passed(), "problems": report.problems,
                "elapsed_ms": millis, "calls": report.calls,
            })
        };
        let tests: Vec<Value> = self.reports.iter().map(test).collect();
        json!({ "file": self.file, "workflow": self.workflow, "tests": tests })
    }
}

/// `  3 calls, 7d 00h of virtual time`: how much it was.
fn figures(report: &TestReport) -> String {
    let calls = things(report.calls, "call");
    let elapsed = u64::try_from(report.elapsed.as_micros()).unwrap_or(u64::MAX);
    match elapsed {
        0 => format!("  {calls}"),
        _ => format!("  {calls}, {} of virtual time", output::micros(elapsed)),
    }
}
