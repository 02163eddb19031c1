//! The special paths of a mount.

use envelope::SpecialPaths;

use crate::wire::pb;

/// The wire's form. Fields that only Vault or Enterprise servers know stay empty.
pub(crate) fn special_paths_into_pb(paths: SpecialPaths) -> pb::Paths {
    pb::Paths {
        root: paths.root,
        unauthenticated: paths.unauthenticated,
        local_storage: paths.local_storage,
        seal_wrap_storage: paths.seal_wrap_storage,
        ..pb::Paths::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::translate::special_paths_from_pb;

    #[test]
    fn each_kind_of_special_path_survives_the_wire() {
        let paths = SpecialPaths {
            root: vec!["a".into()],
            unauthenticated: vec!["b".into()],
            local_storage: vec!["c/".into()],
            seal_wrap_storage: vec!["d/".into()],
        };
        assert_eq!(special_paths_from_pb(special_paths_into_pb(paths.clone())), paths);
    }
}
