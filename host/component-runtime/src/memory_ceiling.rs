//! Computes how much memory of this machine, or of the container, the plugin's requests may use.
//!
//! The server and its plugins share a container, so the plugin takes half of the container's memory.

use std::path::{Path, PathBuf};

/// Half of the memory that the process may use: that of its control group, or else of the machine.
pub(crate) fn of_this_machine() -> usize {
    ceiling(Path::new("/"))
}

fn ceiling(root: &Path) -> usize {
    let bytes = [control_group_bytes(root), machine_bytes(root)].into_iter().flatten().min();
    bytes.unwrap_or(usize::MAX) / 2
}

/// The number of a line such as `MemTotal:       32780812 kB`, where the kernel means KiB.
fn machine_bytes(root: &Path) -> Option<usize> {
    let memory = read(&root.join("proc/meminfo"))?;
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix(" kB")?.parse::<usize>().ok()?.checked_mul(1024)
}

/// The lowest limit of this process's control group and the groups around it: of version 2, or else of version 1.
fn control_group_bytes(root: &Path) -> Option<usize> {
    let groups = read(&root.join("proc/self/cgroup"))?;
    let path = |of: fn(&str) -> bool| {
        let mut lines = groups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
        lines.find(|(controllers, _)| of(controllers)).map(|(_, path)| path)
    };
    let mounted = root.join("sys/fs/cgroup");
    let version_2 = path(str::is_empty).and_then(|path| lowest(&mounted, path, "memory.max"));
    let is_memory = |controllers: &str| controllers.split(',').any(|name| name == "memory");
    let version_1 = || lowest(&mounted.join("memory"), path(is_memory)?, "memory.limit_in_bytes");
    version_2.or_else(version_1)
}

/// The lowest limit in the folders from the group up to the mounted root. In a container the root is often the group
/// itself, while the path is that of the host.
fn lowest(mounted: &Path, group: &str, file: &str) -> Option<usize> {
    let folders: PathBuf = mounted.join(group.trim_start_matches('/'));
    let folders = folders.ancestors().take_while(|folder| folder.starts_with(mounted));
    // A group without a limit says `max` in version 2, and a number larger than any memory in version 1.
    folders.filter_map(|folder| read(&folder.join(file))?.trim().parse().ok()).min()
}

#[expect(clippy::disallowed_methods, reason = "the kernel says it in files")]
fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    #![expect(clippy::disallowed_methods, reason = "tests write what the kernel says")]
    use super::*;

    const GIB: usize = 1024 * 1024 * 1024;
    /// A machine of 8 GiB.
    const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:        8388608 kB\nMemFree:         1000000 kB\n");

    type Files<'a> = [(&'a str, &'a str)];

    fn ceiling_with(files: &Files<'_>) -> usize {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        ceiling(root.path())
    }

    #[test]
    fn the_ceiling_is_half_of_the_lowest_limit_around_the_process() {
        let (v2, max) = (("proc/self/cgroup", "0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max");
        let around = "sys/fs/cgroup/a/memory.max";
        let v1 = ("proc/self/cgroup", "3:cpu,cpuacct:/c\n2:memory:/d\n0::/\n");
        let v1_max = "sys/fs/cgroup/memory/d/memory.limit_in_bytes";
        let rows: [(&str, &Files<'_>, usize); 10] = [
            ("no groups", &[MACHINE], 4 * GIB),
            ("version 2", &[MACHINE, v2, (max, "1073741824\n")], GIB / 2),
            ("version 2 without a limit", &[MACHINE, v2, (max, "max\n")], 4 * GIB),
            ("the group around it", &[MACHINE, v2, (max, "max\n"), (around, "2147483648\n")], GIB),
            ("the lower of two", &[MACHINE, v2, (max, "4294967296"), (around, "2147483648")], GIB),
            ("more than the machine", &[MACHINE, v2, (max, "17179869184\n")], 4 * GIB),
            ("version 1", &[MACHINE, v1, (v1_max, "1073741824\n")], GIB / 2),
            ("version 1 without a limit", &[MACHINE, v1, (v1_max, "9223372036854771712\n")], 4 * GIB),
            ("in a container", &[MACHINE, v1, ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824")], GIB / 2),
            (
                "version 2 first",
                &[MACHINE, v1, ("sys/fs/cgroup/memory.max", "2147483648"), (v1_max, "1073741824")],
                GIB,
            ),
        ];
        for (case, files, expected) in rows {
            assert_eq!(ceiling_with(files), expected, "{case}");
        }
    }

    #[test]
    fn files_that_are_odd_limit_nothing() {
        for group in ["", "0::", "nonsense", "0::/../../..", "2:memory:/x"] {
            let files = [MACHINE, ("proc/self/cgroup", group), ("sys/fs/cgroup/memory.max", "a lot")];
            assert_eq!(ceiling_with(&files), 4 * GIB, "{group}");
        }
        assert_eq!(ceiling_with(&[("proc/meminfo", "MemTotal: much")]), usize::MAX / 2);
        assert_eq!(ceiling_with(&[]), usize::MAX / 2);
    }

    #[test]
    fn this_machine_has_memory() {
        assert!((1024 * 1024..usize::MAX / 2).contains(&of_this_machine()));
    }
}
