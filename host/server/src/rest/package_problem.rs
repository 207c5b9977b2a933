//! Why a package is refused, as a problem. Whose problem it is decides the
//! code: a name that is not there, a publisher who is not trusted, bytes that
//! are not what they should be, a registry in trouble.

use nebula_api::{Code, Problem};
use nebula_hub::fetch::FetchError;
use nebula_hub::install::InstallError;
use nebula_hub::oci::RegistryError;
use nebula_hub::resolve::SolveError;
use nebula_hub::verify::Refusal;

pub(super) fn install(error: &InstallError, detail: String) -> Problem {
    match error {
        InstallError::Solve(error) => solve(error, detail),
        InstallError::Fetch(error) => fetch(error, detail),
        InstallError::Refused { refusal, .. } => match **refusal {
            Refusal::TooLarge { .. }
            | Refusal::Digest { .. }
            | Refusal::OtherPackage { .. }
            | Refusal::OtherManifest { .. }
            | Refusal::Components { .. }
            | Refusal::Moved { .. }
            | Refusal::Statement(_) => Problem::new(Code::PackageAltered, detail),
            _ => Problem::new(Code::PackageUntrusted, detail),
        },
        InstallError::NotAgreed { .. } => Problem::new(Code::PackageUntrusted, detail),
        InstallError::Unstated { .. }
        | InstallError::Component(_)
        | InstallError::Changed { .. } => Problem::new(Code::PackageAltered, detail),
        InstallError::Claimed { .. } | InstallError::Needed { .. } => {
            Problem::new(Code::PackageConflict, detail)
        }
        InstallError::NotInstalled(_) => Problem::new(Code::PackageNotFound, detail),
        InstallError::Records(error) => super::reply::records(error, detail),
        // The policy's and the cache's words name files of the node.
        _ => super::reply::internal(&detail),
    }
}

fn solve(error: &SolveError, detail: String) -> Problem {
    match error {
        SolveError::NoVersion { .. } => Problem::new(Code::PackageNotFound, detail),
        SolveError::Fetch(error) => fetch(error, detail),
        _ => Problem::new(Code::PackageConflict, detail),
    }
}

fn fetch(error: &FetchError, detail: String) -> Problem {
    match error {
        FetchError::UnknownPackage { .. } | FetchError::UnknownVersion { .. } => {
            Problem::new(Code::PackageNotFound, detail)
        }
        FetchError::Index { .. } => Problem::new(Code::PackageUntrusted, detail),
        FetchError::NoRegistry => Problem::new(Code::BadRequest, detail),
        FetchError::Registry(RegistryError::Altered { .. } | RegistryError::TooLarge { .. })
        | FetchError::Moved(_)
        | FetchError::OtherName { .. }
        | FetchError::Artifact { .. }
        | FetchError::Cosign(_) => Problem::new(Code::PackageAltered, detail),
        FetchError::Cache(nebula_hub::cache::CacheError::Altered { .. }) => {
            Problem::new(Code::PackageAltered, detail)
        }
        FetchError::Registry(RegistryError::Missing { .. }) => {
            Problem::new(Code::PackageNotFound, detail)
        }
        FetchError::Registry(_) => Problem::new(Code::RegistryTrouble, detail),
        _ => super::reply::internal(&detail),
    }
}
