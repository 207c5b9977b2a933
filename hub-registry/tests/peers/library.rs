//! `oci-client`, the library that the hub pulls and pushes with, against a hub
//! of one's own.

use oci_distribution::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_distribution::secrets::RegistryAuth;
use oci_distribution::{Client, Reference};

use crate::own::Own;

#[test]
fn oci_client_pushes_pulls_and_lists() {
    // Of no use over plain HTTP, but the library wants one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let own = Own::start();
    let basic = RegistryAuth::Basic("anyone".into(), own.token.clone());
    let bearer = RegistryAuth::Bearer(own.token.clone());
    let component = vec![42; 3_000_000];
    own.runtime.block_on(async {
        for (auth, at_once, version) in [(&basic, false, "1.0.0"), (&bearer, true, "1.1.0")] {
            let client = Client::new(ClientConfig {
                protocol: ClientProtocol::Http,
                use_monolithic_push: at_once,
                ..ClientConfig::default()
            });
            let at = format!("{}/acme/weather:{version}", own.address);
            let at: Reference = at.parse().unwrap();
            let layer = ImageLayer::new(component.clone(), "application/wasm".into(), None);
            let config = Config::new(
                b"{}".to_vec(),
                "application/vnd.wasm.config.v0+json".into(),
                None,
            );
            client
                .push(&at, &[layer], config, auth, None)
                .await
                .unwrap();
            let pulled = client
                .pull(&at, auth, vec!["application/wasm"])
                .await
                .unwrap();
            assert_eq!(pulled.layers[0].data, component);
            let tags = client.list_tags(&at, auth, None, None).await.unwrap();
            assert!(tags.tags.contains(&version.to_owned()));
            let digest = client.fetch_manifest_digest(&at, auth).await.unwrap();
            let fixed = at.clone_with_digest(digest);
            let referrers = client.pull_referrers(&fixed, None).await.unwrap();
            assert!(referrers.manifests.is_empty());
            let anyone = RegistryAuth::Anonymous;
            let stranger = Client::new(ClientConfig {
                protocol: ClientProtocol::Http,
                ..ClientConfig::default()
            });
            assert!(
                stranger
                    .pull(&at, &anyone, vec!["application/wasm"])
                    .await
                    .is_ok()
            );
        }
    });
}
