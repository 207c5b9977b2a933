//! Deploying and validating a workflow document.

use nebula_api::workflow::Deployed;
use nebula_flow::WorkflowId;
use nebula_flow::definition::{Diagnostic, Document, WorkflowDefinition};
use nebula_flow::deploy::{self, DeployError, Place};
use nebula_flow::ports::RecordError;

use super::{Error, Result};
use crate::app::App;

/// How often a deploy that meets another of the same name is tried again.
const TRIES: u32 = 3;

/// Deploys a document, YAML or JSON.
pub(crate) async fn deploy(app: &App, text: &str) -> Result<Deployed> {
    let (document, definition) = read(text).map_err(Error::InvalidWorkflow)?;
    let mut tries = 0;
    let (deployed, created) = loop {
        tries += 1;
        let mut chance = [0; 16];
        getrandom::fill(&mut chance).map_err(|e| {
            RecordError::Unavailable(format!("the system gives no randomness: {e}"))
        })?;
        let now = app.clock.now();
        let fresh = WorkflowId::mint(now, u128::from_le_bytes(chance));
        match deploy::deploy(place(app), definition.clone(), now, fresh).await {
            Ok(done) => break done,
            Err(DeployError::Records(RecordError::Conflict { .. })) if tries < TRIES => {}
            Err(error) => return Err(located(error, &document)),
        }
    };
    let answer = Deployed {
        id: deployed.id.to_string(),
        name: deployed.definition.name.to_string(),
        version: deployed.version,
        created,
    };
    app.versions.keep(deployed);
    app.bell.ring();
    Ok(answer)
}

/// Everything that keeps a document from being deployed here and now.
pub(crate) async fn validate(app: &App, text: &str) -> Result<Vec<Diagnostic>> {
    let (document, definition) = match read(text) {
        Ok(read) => read,
        Err(diagnostics) => return Ok(diagnostics),
    };
    match deploy::resolve(place(app), &definition).await {
        Ok(_) => Ok(Vec::new()),
        Err(error) => match located(error, &document) {
            Error::InvalidWorkflow(diagnostics) => Ok(diagnostics),
            error => Err(error),
        },
    }
}

fn place(app: &App) -> Place<'_> {
    Place {
        records: &*app.records,
        components: &*app.components,
        tenant: &app.tenant,
        resources: Some(&app.resources),
    }
}

fn read(text: &str) -> std::result::Result<(Document, WorkflowDefinition), Vec<Diagnostic>> {
    let document = Document::parse(text)?;
    match document.definition() {
        Ok(definition) => Ok((document, definition)),
        Err(mut diagnostics) => {
            document.locate(&mut diagnostics);
            Err(diagnostics)
        }
    }
}

fn located(error: DeployError, document: &Document) -> Error {
    match error {
        DeployError::Invalid(mut diagnostics) => {
            document.locate(&mut diagnostics);
            Error::InvalidWorkflow(diagnostics)
        }
        DeployError::Records(error) => error.into(),
        DeployError::Resolve(error) => error.into(),
    }
}
