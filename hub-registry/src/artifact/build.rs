//! From a package to the artifact that is pushed. Nothing here knows the time
//! or the machine: the same package gives the same bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use super::manifest::{Descriptor, EMPTY, IMAGE_INDEX, IMAGE_MANIFEST, ImageIndex, ImageManifest};
use super::{Artifact, Blob, PACKAGE, PACKAGE_ANNOTATION, TITLE, WASM, WASM_CONFIG};
use crate::package::{ComponentEntry, PackageDocument, PackageError};
use crate::structure;

/// The config of the layout must say when; nothing here knows the time.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// A component to be published.
#[derive(Debug, Clone)]
pub struct Part {
    /// Within the package.
    pub name: String,
    /// The component.
    pub bytes: Bytes,
}

/// The config of the CNCF layout for Wasm artifacts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [nebula_flow::Digest; 1],
    component: World<'a>,
}

#[derive(Serialize)]
struct World<'a> {
    exports: &'a [String],
    imports: &'a [String],
}

/// Makes the artifact. One component without templates is one manifest of the
/// CNCF layout, which carries the package document as an annotation, so that
/// any client for Wasm pulls it; all else is an index over such manifests and
/// one for the document.
///
/// # Errors
/// When the document breaks a rule, or a part is not a component.
pub fn build(mut document: PackageDocument, parts: &[Part]) -> Result<Artifact, PackageError> {
    document.components = parts
        .iter()
        .map(|part| ComponentEntry {
            name: part.name.clone(),
            digest: nebula_flow::Digest::of(&part.bytes),
            size: part.bytes.len() as u64,
        })
        .collect();
    let text = document.write()?;
    let mut artifact = Artifact {
        document,
        blobs: Vec::new(),
        manifests: Vec::new(),
        top: Blob::new(IMAGE_INDEX, Bytes::new()),
    };
    let annotations = annotations(&artifact.document);
    if let ([part], true) = (parts, artifact.document.templates.is_empty()) {
        let mut manifest = artifact.component(part)?;
        manifest.annotations = annotations;
        let text = String::from_utf8_lossy(&text).into_owned();
        manifest
            .annotations
            .insert(PACKAGE_ANNOTATION.to_owned(), text);
        artifact.top = Blob::json(IMAGE_MANIFEST, &manifest)?;
        return Ok(artifact);
    }
    let mut listed = vec![artifact.document_manifest(text)?];
    for part in parts {
        let mut manifest = artifact.component(part)?;
        manifest
            .annotations
            .insert(TITLE.to_owned(), part.name.clone());
        let blob = Blob::json(IMAGE_MANIFEST, &manifest)?;
        let mut descriptor = blob.descriptor().annotated(TITLE, &part.name);
        descriptor.artifact_type = Some(WASM_CONFIG.to_owned());
        listed.push(descriptor);
        artifact.manifests.push(blob);
    }
    let mut index = ImageIndex::new(listed);
    index.artifact_type = Some(PACKAGE.to_owned());
    index.annotations = annotations;
    artifact.top = Blob::json(IMAGE_INDEX, &index)?;
    Ok(artifact)
}

impl Artifact {
    /// Adds config and layer of a component; its manifest.
    fn component(&mut self, part: &Part) -> Result<ImageManifest, PackageError> {
        let world = structure::check(&part.bytes).map_err(|fault| {
            PackageError::Document(format!("lists `{}`, which {fault}", part.name))
        })?;
        let layer = Blob::new(WASM, part.bytes.clone());
        let config = Config {
            created: CREATED,
            architecture: "wasm",
            os: "wasip2",
            layer_digests: [layer.descriptor().digest],
            component: World {
                exports: &world.exports,
                imports: &world.imports,
            },
        };
        let config = Blob::json(WASM_CONFIG, &config)?;
        let manifest = ImageManifest::new(config.descriptor(), vec![layer.descriptor()]);
        self.blobs.extend([config, layer]);
        Ok(manifest)
    }

    /// Adds the document and its manifest; its place in the index.
    fn document_manifest(&mut self, text: Vec<u8>) -> Result<Descriptor, PackageError> {
        let document = Blob::new(PACKAGE, text.into());
        let empty = Blob::new(EMPTY, Bytes::from_static(b"{}"));
        let mut manifest = ImageManifest::new(empty.descriptor(), vec![document.descriptor()]);
        manifest.artifact_type = Some(PACKAGE.to_owned());
        let blob = Blob::json(IMAGE_MANIFEST, &manifest)?;
        let mut descriptor = blob.descriptor();
        descriptor.artifact_type = Some(PACKAGE.to_owned());
        self.blobs.extend([empty, document]);
        self.manifests.push(blob);
        Ok(descriptor)
    }
}

/// What the image specification has names for.
fn annotations(document: &PackageDocument) -> BTreeMap<String, String> {
    let authors = document.authors.join(", ");
    let all = [
        (TITLE, document.name.as_str()),
        (
            "org.opencontainers.image.description",
            &document.description,
        ),
        ("org.opencontainers.image.licenses", &document.license),
        ("org.opencontainers.image.authors", &authors),
        ("org.opencontainers.image.source", &document.repository),
    ];
    let mut annotations: BTreeMap<String, String> = all
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    annotations.insert(
        "org.opencontainers.image.version".to_owned(),
        document.version.to_string(),
    );
    annotations
}

impl Blob {
    fn json(media_type: &'static str, value: &impl Serialize) -> Result<Self, PackageError> {
        let bytes = serde_json::to_vec(value)
            .map_err(|error| PackageError::Document(format!("cannot be written: {error}")))?;
        Ok(Self::new(media_type, bytes.into()))
    }
}
