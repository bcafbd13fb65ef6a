//! Writes the types: of the schema in `examples`, of an awkward one, and of those that are installed if asked for.

use std::path::{Path, PathBuf};

use ovsdb_codegen::{Error, generate};

/// Where Open vSwitch and OVN install their schemas.
const FOLDERS: [&str; 2] = ["/usr/share/openvswitch", "/usr/share/ovn"];

/// The schemas of Open vSwitch and OVN.
const INSTALLED: [&str; 5] = ["vswitch", "vtep", "local-config", "ovn-nb", "ovn-sb"];

/// Where a schema is installed, or where it should be.
fn installed(name: &str) -> PathBuf {
    let paths = FOLDERS.map(|folder| Path::new(folder).join(format!("{name}.ovsschema")));
    let [path, other] = paths;
    if other.is_file() { other } else { path }
}

fn main() -> Result<(), Error> {
    generate("../../examples/inventory.ovsschema")?;
    generate("schemas/awkward.ovsschema")?;
    if std::env::var_os("CARGO_FEATURE_REFERENCE").is_some() {
        for name in INSTALLED {
            generate(installed(name))?;
        }
    }
    Ok(())
}
