//! A `docker-registry` of the test's own on loopback, and as much of HTTP as it
//! takes to push and pull.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nebula_flow::Digest;
use nebula_hub::cosign::Attachment;
use nebula_hub::cosign::attach::{INDEX, MANIFEST, referrers_tag};

/// The server; it ends with the value.
pub(crate) struct Registry {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Registry {
    /// Starts `program` on a free port and waits until it answers.
    pub(crate) fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = port.local_addr().unwrap().to_string();
        drop(port);
        let config = folder.path().join("config.yml");
        let root = folder.path().join("blobs");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            root.display()
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new(program)
            .arg("serve")
            .arg(&config)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self {
            child,
            address,
            _folder: folder,
        };
        let begun = Instant::now();
        while registry.try_call("GET", "/v2/", "", &[]).is_none() {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "it does not answer"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        registry
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    fn try_call(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Option<Answer> {
        #[expect(clippy::disallowed_methods, reason = "a server of the test's own")]
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept: */*, {MANIFEST}, {INDEX}\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok()?;
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Some(Answer {
            status,
            headers,
            body: bytes[end + 4..].to_vec(),
        })
    }

    fn call(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        self.try_call(method, path, kind, body).unwrap()
    }

    /// Pushes a blob.
    pub(crate) fn push_blob(&self, repository: &str, blob: &[u8]) {
        let begun = self.call("POST", &format!("/v2/{repository}/blobs/uploads/"), "", &[]);
        assert_eq!(begun.status, 202);
        let location = &begun.headers["location"];
        let location = location
            .split_once(&self.address)
            .map_or(&location[..], |(_, path)| path);
        let path = format!("{location}&digest={}", Digest::of(blob));
        let put = self.call("PUT", &path, "application/octet-stream", blob);
        assert_eq!(put.status, 201);
    }

    /// Pushes a manifest or an index under a tag or its digest.
    pub(crate) fn push_manifest(
        &self,
        repository: &str,
        reference: &str,
        kind: &str,
        bytes: &[u8],
    ) {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let put = self.call("PUT", &path, kind, bytes);
        let said = String::from_utf8_lossy(&put.body);
        assert_eq!(put.status, 201, "{said}");
    }

    /// A manifest or an index, if it is there.
    pub(crate) fn manifest(&self, repository: &str, reference: &str) -> Option<Vec<u8>> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let answer = self.call("GET", &path, "", &[]);
        (answer.status == 200).then_some(answer.body)
    }

    /// A blob, which must be there.
    pub(crate) fn blob(&self, repository: &str, digest: Digest) -> Vec<u8> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let answer = self.call("GET", &path, "", &[]);
        assert_eq!(answer.status, 200);
        assert_eq!(Digest::of(&answer.body), digest);
        answer.body
    }

    /// Pushes what hangs on an artifact; a referrer is listed as well, since this
    /// registry does not do it.
    pub(crate) fn attach(&self, repository: &str, subject: Digest, attachment: &Attachment) {
        for blob in &attachment.blobs {
            self.push_blob(repository, blob);
        }
        let digest = attachment.descriptor.digest.to_string();
        let reference = attachment.tag.as_deref().unwrap_or(&digest);
        self.push_manifest(repository, reference, MANIFEST, &attachment.manifest);
        if attachment.tag.is_none() {
            let tag = referrers_tag(subject);
            let existing = self.manifest(repository, &tag);
            let index = nebula_hub::cosign::attach::add_referrer(existing.as_deref(), attachment);
            self.push_manifest(repository, &tag, INDEX, &index.unwrap());
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
