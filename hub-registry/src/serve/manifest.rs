//! Manifests as a registry reads them: which content they need, what they are
//! about, and no more. The bytes themselves are kept exactly as they came.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::content::ContentDigest;

const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
/// The type of a list of manifests, and of the list of referrers.
pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Where content is, how long it is, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: ContentDigest,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) annotations: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing)]
    urls: Option<Vec<String>>,
}

/// What the hub knows of a manifest that it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    /// As in a list of referrers.
    pub(super) descriptor: Descriptor,
    /// Blobs that it needs.
    pub(super) blobs: Vec<Needed>,
    /// Manifests that it needs.
    pub(super) manifests: Vec<Needed>,
    /// The manifest that it is about, which may be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<ContentDigest>,
}

/// Content that must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Needed {
    pub(super) digest: ContentDigest,
    pub(super) size: u64,
}

/// Why some bytes are not a manifest.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidManifest {
    #[error("it is not JSON of a manifest's shape: {0}")]
    Json(#[from] serde_json::Error),
    #[error(
        "its type `{0}` is not taken; a manifest is an OCI image manifest or index, or Docker's of version 2"
    )]
    Type(String),
    #[error("the request says that it is `{header}`, and its `mediaType` says `{body}`")]
    Contradiction { header: String, body: String },
    #[error("`schemaVersion` must be 2")]
    Version,
    #[error("{0}")]
    Shape(&'static str),
}

/// The fields that a registry reads. A field that stands there twice is refused:
/// two readers could differ in which of them they take.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    schema_version: u64,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    /// Layers that may not be distributed live elsewhere and are not pushed
    /// (image specification 1.0, "Non-Distributable Layers").
    fn is_elsewhere(&self) -> bool {
        let media_type = &self.media_type;
        self.urls.as_ref().is_some_and(|urls| !urls.is_empty())
            || media_type.contains(".nondistributable.")
            || media_type.contains(".foreign.")
    }
}

/// Reads a manifest of the type that the request names, if it names one.
pub(super) fn read(
    bytes: &[u8],
    digest: ContentDigest,
    header: Option<&str>,
) -> Result<Entry, InvalidManifest> {
    let wire: Wire = serde_json::from_slice(bytes)?;
    if wire.schema_version != 2 {
        return Err(InvalidManifest::Version);
    }
    let media_type = media_type(&wire, header)?;
    let config_type = wire.config.as_ref().map(|config| config.media_type.clone());
    let named = wire.artifact_type.filter(|name| !name.is_empty());
    let (blobs, manifests, artifact_type) = match media_type.as_str() {
        OCI_IMAGE | DOCKER_IMAGE => {
            let config = wire
                .config
                .ok_or(InvalidManifest::Shape("an image manifest has a `config`"))?;
            let layers = wire.layers.unwrap_or_default();
            let layers = layers.into_iter().filter(|layer| !layer.is_elsewhere());
            let blobs = std::iter::once(config).chain(layers);
            (needed(blobs), Vec::new(), named.or(config_type))
        }
        OCI_INDEX | DOCKER_LIST => {
            let manifests = wire
                .manifests
                .ok_or(InvalidManifest::Shape("an index has `manifests`"))?;
            (Vec::new(), needed(manifests.into_iter()), named)
        }
        _ => return Err(InvalidManifest::Type(media_type)),
    };
    Ok(Entry {
        descriptor: Descriptor {
            media_type,
            digest,
            size: bytes.len() as u64,
            artifact_type,
            annotations: wire.annotations,
            urls: None,
        },
        blobs,
        manifests,
        subject: wire.subject.map(|subject| subject.digest),
    })
}

/// What the request says and the manifest says, which must agree; of a manifest
/// without either, what its fields tell.
fn media_type(wire: &Wire, header: Option<&str>) -> Result<String, InvalidManifest> {
    match (header, &wire.media_type) {
        (Some(header), Some(body)) if !header.eq_ignore_ascii_case(body) => {
            Err(InvalidManifest::Contradiction {
                header: header.into(),
                body: body.clone(),
            })
        }
        (_, Some(body)) => Ok(body.clone()),
        (Some(header), None) => Ok(header.to_ascii_lowercase()),
        (None, None) if wire.manifests.is_some() => Ok(OCI_INDEX.into()),
        (None, None) => Ok(OCI_IMAGE.into()),
    }
}

fn needed(descriptors: impl Iterator<Item = Descriptor>) -> Vec<Needed> {
    descriptors
        .map(|descriptor| Needed {
            digest: descriptor.digest,
            size: descriptor.size,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::content::Algorithm;
    use super::*;

    fn of(value: &Value, header: Option<&str>) -> Result<Entry, InvalidManifest> {
        let bytes = value.to_string();
        let digest = ContentDigest::of(Algorithm::Sha256, bytes.as_bytes());
        read(bytes.as_bytes(), digest, header)
    }

    fn descriptor(media_type: &str, content: &[u8]) -> Value {
        json!({
            "mediaType": media_type,
            "digest": ContentDigest::of(Algorithm::Sha256, content),
            "size": content.len(),
        })
    }

    fn image() -> Value {
        json!({
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE,
            "config": descriptor("application/vnd.wasm.config.v0+json", b"{}"),
            "layers": [descriptor("application/wasm", b"wasm")],
        })
    }

    #[test]
    fn an_image_needs_its_config_and_layers_and_has_its_configs_type() {
        let entry = of(&image(), Some(OCI_IMAGE)).expect("an image");
        assert_eq!(entry.blobs.len(), 2);
        let artifact_type = entry.descriptor.artifact_type.as_deref();
        assert_eq!(artifact_type, Some("application/vnd.wasm.config.v0+json"));
        let mut typed = image();
        typed["artifactType"] = "application/x".into();
        let entry = of(&typed, None).expect("an image");
        assert_eq!(
            entry.descriptor.artifact_type.as_deref(),
            Some("application/x")
        );
        typed["artifactType"] = "".into();
        let entry = of(&typed, None).expect("an image");
        assert_eq!(entry.descriptor.artifact_type.as_deref(), artifact_type);
    }

    #[test]
    fn an_index_without_a_type_of_its_own_has_none() {
        let index = json!({
            "schemaVersion": 2,
            "manifests": [descriptor(OCI_IMAGE, b"image")],
            "subject": descriptor(OCI_IMAGE, b"subject"),
            "annotations": { "a": "b" },
        });
        let entry = of(&index, Some(OCI_INDEX)).expect("an index");
        assert_eq!((entry.manifests.len(), entry.blobs.len()), (1, 0));
        assert_eq!(entry.descriptor.artifact_type, None);
        assert!(entry.subject.is_some());
        assert_eq!(entry.descriptor.annotations.map(|a| a.len()), Some(1));
        assert_eq!(
            of(&index, None)
                .expect("told by its fields")
                .descriptor
                .media_type,
            OCI_INDEX
        );
    }

    #[test]
    fn layers_that_live_elsewhere_need_not_be_here() {
        let mut value = image();
        let mut layers = vec![descriptor(
            "application/vnd.oci.image.layer.nondistributable.v1.tar",
            b"away",
        )];
        layers[0]["urls"] = json!(["https://example.com/away"]);
        value["layers"] = layers.into();
        assert_eq!(of(&value, None).expect("an image").blobs.len(), 1);
    }

    #[test]
    fn what_is_no_manifest_is_refused_with_the_reason() {
        let with = |key: &str, value: Value| {
            let mut changed = image();
            changed[key] = value;
            changed
        };
        for (value, header, reason) in [
            (json!([]), None, "JSON"),
            (json!({}), None, "schemaVersion"),
            (with("schemaVersion", json!(1)), None, "schemaVersion"),
            (with("config", Value::Null), None, "config"),
            (with("layers", json!({})), None, "JSON"),
            (with("layers", json!([{ "digest": "x" }])), None, "JSON"),
            (with("mediaType", "text/plain".into()), None, "text/plain"),
            (image(), Some(OCI_INDEX), "says"),
            (with("annotations", json!({ "a": 1 })), None, "JSON"),
            (json!({ "schemaVersion": 2 }), Some(OCI_INDEX), "manifests"),
        ] {
            let refused = of(&value, header).expect_err("refused").to_string();
            assert!(refused.contains(reason), "{refused} / {reason}");
        }
        let twice = br#"{"schemaVersion":2,"layers":[],"layers":[],"config":null}"#;
        let digest = ContentDigest::of(Algorithm::Sha256, twice);
        assert!(matches!(
            read(twice, digest, None),
            Err(InvalidManifest::Json(_))
        ));
    }
}
