//! From what a registry has under a name to a package. Whoever made it, and
//! whatever it says, is unknown here: each step is checked before the next.

use nebula_flow::Digest;

use super::manifest::{Descriptor, IMAGE_INDEX, IMAGE_MANIFEST, ImageIndex, ImageManifest};
use super::{ArtifactError, PACKAGE, PACKAGE_ANNOTATION, WASM, WASM_CONFIG};
use crate::package::PackageDocument;
use crate::package::document::{MAX_COMPONENTS, MAX_DOCUMENT};
use crate::structure::MAX_COMPONENT;

/// The manifest that a tag names.
#[derive(Debug, Clone)]
pub enum Top {
    /// One component, and the package document with it.
    One(Box<PackageDocument>, Layer),
    /// A manifest for the document, and one for each component.
    Pack {
        /// Of the document.
        document: Descriptor,
        /// Of the components, in the document's order.
        components: Vec<Descriptor>,
    },
}

/// A component's bytes, and its config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The component.
    pub component: Descriptor,
    /// What the layout says of it.
    pub config: Descriptor,
}

/// Reads the manifest of this type.
///
/// # Errors
/// When it is something else than a package: each says what.
pub fn top(media_type: &str, bytes: &[u8]) -> Result<Top, ArtifactError> {
    match media_type {
        IMAGE_MANIFEST => {
            let manifest: ImageManifest = read(bytes)?;
            let layer = layer_of(&manifest)?;
            let document = manifest
                .annotations
                .get(PACKAGE_ANNOTATION)
                .ok_or_else(|| {
                    ArtifactError::NotAPackage("a component without a package document".into())
                })?;
            let document = PackageDocument::read(document.as_bytes())?;
            let [entry] = &document.components[..] else {
                return Err(ArtifactError::Contradiction(
                    "its document does not list one component".into(),
                ));
            };
            matches(entry.digest, entry.size, &layer.component)?;
            Ok(Top::One(Box::new(document), layer))
        }
        IMAGE_INDEX => {
            let index: ImageIndex = read(bytes)?;
            if index.artifact_type.as_deref() != Some(PACKAGE) {
                return Err(ArtifactError::NotAPackage(
                    "an index of something else, such as an image for several platforms".into(),
                ));
            }
            let mut manifests = index.manifests.into_iter();
            let document = manifests
                .next()
                .ok_or_else(|| ArtifactError::NotAPackage("an empty index".into()))?;
            let components: Vec<_> = manifests.collect();
            if components.len() > MAX_COMPONENTS {
                return Err(ArtifactError::TooLarge {
                    what: "list of components",
                    size: components.len() as u64,
                    limit: MAX_COMPONENTS as u64,
                });
            }
            let all = components.iter().chain([&document]);
            for descriptor in all {
                bounded(descriptor, "manifest", super::MAX_MANIFEST)?;
                if descriptor.media_type != IMAGE_MANIFEST {
                    return Err(ArtifactError::NotAPackage(format!(
                        "an index of `{}`",
                        clip(&descriptor.media_type)
                    )));
                }
            }
            Ok(Top::Pack {
                document,
                components,
            })
        }
        other => Err(ArtifactError::NotAPackage(format!(
            "something of type `{}`",
            clip(other)
        ))),
    }
}

/// The document's layer, from the manifest that a pack has for it.
///
/// # Errors
/// When the manifest is another.
pub fn document_layer(bytes: &[u8]) -> Result<Descriptor, ArtifactError> {
    let manifest: ImageManifest = read(bytes)?;
    match &manifest.layers[..] {
        [layer] if layer.media_type == PACKAGE => {
            bounded(layer, "package document", MAX_DOCUMENT as u64)?;
            Ok(layer.clone())
        }
        _ => Err(ArtifactError::NotAPackage(
            "an index without a package document".into(),
        )),
    }
}

/// The layers of a pack's components, from their manifests in order.
///
/// # Errors
/// When they are not those that the document lists.
pub fn component_layers(
    document: &PackageDocument,
    manifests: &[impl AsRef<[u8]>],
) -> Result<Vec<Layer>, ArtifactError> {
    if manifests.len() != document.components.len() {
        return Err(ArtifactError::Contradiction(format!(
            "its document lists {} components, and its index has {}",
            document.components.len(),
            manifests.len()
        )));
    }
    let pairs = document.components.iter().zip(manifests);
    pairs
        .map(|(entry, bytes)| {
            let layer = layer_of(&read(bytes.as_ref())?)?;
            matches(entry.digest, entry.size, &layer.component)?;
            Ok(layer)
        })
        .collect()
}

/// Checks a config of the CNCF layout against the component it speaks of.
///
/// # Errors
/// When it is for another kind of machine, or for other bytes.
pub fn check_config(bytes: &[u8], component: Digest) -> Result<(), ArtifactError> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Config {
        architecture: String,
        os: String,
        layer_digests: Vec<Digest>,
    }
    let config: Config = read(bytes)?;
    if (config.architecture.as_str(), config.os.as_str()) != ("wasm", "wasip2") {
        return Err(ArtifactError::Architecture {
            architecture: clip(&config.architecture),
            os: clip(&config.os),
        });
    }
    if config.layer_digests != [component] {
        return Err(ArtifactError::Contradiction(
            "the config of a component speaks of other bytes".into(),
        ));
    }
    Ok(())
}

fn layer_of(manifest: &ImageManifest) -> Result<Layer, ArtifactError> {
    if manifest.config.media_type != WASM_CONFIG {
        return Err(ArtifactError::NotAPackage(format!(
            "an artifact of type `{}`",
            clip(manifest.kind())
        )));
    }
    match &manifest.layers[..] {
        [layer] if layer.media_type == WASM => {
            bounded(layer, "component", MAX_COMPONENT)?;
            bounded(
                &manifest.config,
                "config of a component",
                MAX_DOCUMENT as u64,
            )?;
            Ok(Layer {
                component: layer.clone(),
                config: manifest.config.clone(),
            })
        }
        // The layout says that a consumer should reject more than one.
        layers => Err(ArtifactError::NotAPackage(format!(
            "a Wasm artifact of {} layers; it has one, `{WASM}`",
            layers.len()
        ))),
    }
}

fn matches(digest: Digest, size: u64, layer: &Descriptor) -> Result<(), ArtifactError> {
    if layer.digest == digest && layer.size == size {
        return Ok(());
    }
    Err(ArtifactError::Contradiction(format!(
        "its document lists the component {digest}, and its manifest has {}",
        layer.digest
    )))
}

fn bounded(descriptor: &Descriptor, what: &'static str, limit: u64) -> Result<(), ArtifactError> {
    if descriptor.size <= limit {
        return Ok(());
    }
    Err(ArtifactError::TooLarge {
        what,
        size: descriptor.size,
        limit,
    })
}

fn read<T: for<'de> serde::Deserialize<'de>>(bytes: &[u8]) -> Result<T, ArtifactError> {
    serde_json::from_slice(bytes).map_err(|error| ArtifactError::Unreadable(error.to_string()))
}

fn clip(text: &str) -> String {
    text.chars().take(100).collect()
}
