//! Keys and certificates for tests: made by `ovs-pki`, and by `openssl` where that makes none of the kind.
//!
//! All are made once for a test program, because keys take their time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// A folder with `ca.pem`, the certificate of an authority, and pairs `NAME-privkey.pem` and `NAME-cert.pem`:
///
/// - `server`, `client`: what `ovs-pki req+sign` makes;
/// - `plain`: of X.509 version 1, issued by the same authority;
/// - `elliptic`: with a key on an elliptic curve, likewise;
/// - `expired`: likewise, and no longer valid;
/// - `self`: self-signed and an authority, which only those trust who have it;
/// - `other`: issued by the authority of `other-ca.pem`.
#[derive(Debug)]
pub struct Pki {
    folder: TempDir,
}

impl Pki {
    /// The keys of this test program.
    ///
    /// # Panics
    /// If `ovs-pki` or `openssl` is missing.
    pub fn shared() -> &'static Pki {
        static SHARED: OnceLock<Pki> = OnceLock::new();
        SHARED.get_or_init(Pki::make)
    }

    /// The path of a file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `--private-key` and `--certificate` of a pair.
    pub fn pair(&self, name: &str) -> [String; 2] {
        [
            option("--private-key", &self.path(&format!("{name}-privkey.pem"))),
            option("--certificate", &self.path(&format!("{name}-cert.pem"))),
        ]
    }

    /// `--ca-cert` of a file.
    pub fn ca(&self, name: &str) -> String {
        option("--ca-cert", &self.path(name))
    }

    fn make() -> Pki {
        let pki = Pki {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        let common = ["-d", "pki", "-l", "log", "-B", "2048"];
        pki.run("ovs-pki", &[&common[..], &["init", "--force"]].concat());
        for name in ["server", "client"] {
            pki.run(
                "ovs-pki",
                &[&common[..], &["req+sign", name, "switch"]].concat(),
            );
        }
        std::fs::copy(pki.path("pki/switchca/cacert.pem"), pki.path("ca.pem"))
            .expect("ovs-pki has made an authority");
        std::fs::copy(
            pki.path("pki/switchca/private/cakey.pem"),
            pki.path("ca-key.pem"),
        )
        .expect("ovs-pki has made an authority");
        for name in ["plain", "elliptic", "expired"] {
            let request = format!("{name}.csr");
            pki.new_key(name, &["-out", &request]);
            let mut arguments = vec!["x509", "-req", "-in", &request, "-CA", "ca.pem"];
            arguments.extend(["-CAkey", "ca-key.pem", "-CAcreateserial"]);
            if name != "plain" {
                std::fs::write(pki.path("extensions"), "basicConstraints=CA:FALSE\n")
                    .expect("a writable folder");
                arguments.extend(["-extfile", "extensions"]);
            }
            arguments.extend(["-days", if name == "expired" { "-1" } else { "30" }]);
            let certificate = format!("{name}-cert.pem");
            arguments.extend(["-out", &certificate]);
            pki.run("openssl", &arguments);
        }
        pki.new_key("self", &["-x509", "-days", "30", "-out", "self-cert.pem"]);
        pki.new_key(
            "other-ca",
            &["-x509", "-days", "30", "-out", "other-ca.pem"],
        );
        let by_other = ["-CA", "other-ca.pem", "-CAkey", "other-ca-privkey.pem"];
        let rest = ["-x509", "-days", "30", "-out", "other-cert.pem"];
        pki.new_key("other", &[&rest[..], &by_other[..]].concat());
        pki
    }

    /// A key on an elliptic curve, and a request or certificate for it.
    fn new_key(&self, name: &str, more: &[&str]) {
        let (subject, key) = (format!("/CN={name}"), format!("{name}-privkey.pem"));
        let mut arguments = vec!["req", "-batch", "-nodes", "-newkey", "ec"];
        arguments.extend(["-pkeyopt", "ec_paramgen_curve:prime256v1"]);
        arguments.extend(["-subj", &subject, "-keyout", &key]);
        arguments.extend(more);
        self.run("openssl", &arguments);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

fn option(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}
