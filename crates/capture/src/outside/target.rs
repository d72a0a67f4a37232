//! The process to capture, as `/proc` describes it.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::Error;

/// A process.
#[derive(Debug)]
pub(super) struct Target {
    pub pid: u32,
    /// Its program; the file may be another one by now, or gone.
    pub program: PathBuf,
    /// Its mapped memory, in order of addresses.
    pub mappings: Vec<Mapping>,
    /// Major and minor version of its Python, where the names of its files say so.
    pub version: Option<(u32, u32)>,
    pub user: User,
    /// Whether the same paths are the same files for it and for us.
    pub sees_our_files: bool,
}

/// A line of `/proc/PID/maps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    pub start: u64,
    pub end: u64,
    pub executable: bool,
    pub offset: u64,
    /// The file, or a name in brackets; empty for anonymous memory.
    pub path: String,
}

/// Whose permissions the process has for files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct User {
    pub uid: u32,
    groups: Vec<u32>,
    /// It may enter every folder.
    enters_all: bool,
}

impl Target {
    pub fn find(pid: u32) -> Result<Self, Error> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let status = fs::read_to_string(folder.join("status")).map_err(|_| Error::NoProcess { pid })?;
        let refused = |error: std::io::Error| match fs::exists(&folder) {
            Ok(true) => Error::NotPermitted { pid, what: error.to_string() },
            _ => Error::NoProcess { pid },
        };
        let maps = fs::read_to_string(folder.join("maps")).map_err(refused)?;
        let program = fs::read_link(folder.join("exe")).map_err(refused)?;
        let mappings: Vec<Mapping> = maps.lines().filter_map(Mapping::parse).collect();
        let files = mappings.iter().map(|mapping| mapping.path.as_str());
        let version = files.chain(program.to_str()).find_map(python_version);
        let link = |name: &str| fs::read_link(format!("/proc/{name}")).ok();
        let same = |what: &str| link(&format!("{pid}/{what}")) == link(&format!("self/{what}"));
        let user = User::parse(&status, same("ns/user"));
        let sees_our_files = same("ns/mnt") && same("root");
        Ok(Self { pid, program, mappings, version, user, sees_our_files })
    }

    /// Whether it still runs. A process that nobody has waited for does not.
    pub fn is_there(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with(['Z', 'X']))
    }

    /// Who traces it.
    pub fn tracer(&self) -> Option<(u32, String)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let by: u32 = field(&status, "TracerPid:")?.trim().parse().ok()?;
        let name = fs::read_to_string(format!("/proc/{by}/comm")).unwrap_or_default();
        (by != 0).then(|| (by, name.trim().to_owned()))
    }

    /// The folder above or at `path` (absolute, as the process sees it) that it may not enter.
    pub fn cannot_enter(&self, path: &Path) -> Option<PathBuf> {
        let root = PathBuf::from(format!("/proc/{}/root", self.pid));
        let mut folders: Vec<&Path> = path.ancestors().collect();
        folders.reverse();
        let closed = folders.into_iter().find(|folder| {
            let ours = match self.sees_our_files {
                true => folder.to_path_buf(),
                false => root.join(folder.strip_prefix("/").unwrap_or(folder)),
            };
            fs::metadata(ours).is_ok_and(|found| !self.user.may_enter(&found))
        });
        closed.map(Path::to_path_buf)
    }

    pub fn not_permitted(&self, what: impl ToString) -> Error {
        match self.tracer() {
            _ if !self.is_there() => Error::Ended { pid: self.pid },
            Some((by, name)) => Error::Traced { pid: self.pid, by, name },
            None => Error::NotPermitted { pid: self.pid, what: what.to_string() },
        }
    }
}

impl Mapping {
    fn parse(line: &str) -> Option<Self> {
        let mut rest = line;
        let mut word = || {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = after.trim_start();
            word
        };
        let (start, end) = word().split_once('-')?;
        let (permissions, offset) = (word(), word());
        let (_device, _inode) = (word(), word());
        Some(Self {
            start: u64::from_str_radix(start, 16).ok()?,
            end: u64::from_str_radix(end, 16).ok()?,
            executable: permissions.contains('x'),
            offset: u64::from_str_radix(offset, 16).ok()?,
            path: rest.to_owned(),
        })
    }
}

impl User {
    /// From `/proc/PID/status`. Capabilities count only in our own user namespace.
    fn parse(status: &str, same_namespace: bool) -> Self {
        let numbers = |name| field(status, name).unwrap_or_default().split_whitespace();
        let last = |name| numbers(name).next_back().and_then(|id| id.parse().ok());
        let capabilities = numbers("CapEff:").next().and_then(|set| u64::from_str_radix(set, 16).ok());
        // CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH.
        let enters_all = same_namespace && capabilities.unwrap_or(0) & 0b110 != 0;
        let groups = numbers("Groups:").filter_map(|id| id.parse().ok()).chain(last("Gid:")).collect();
        // The last of four is the one for files.
        Self { uid: last("Uid:").unwrap_or(0), groups, enters_all }
    }

    fn may_enter(&self, folder: &fs::Metadata) -> bool {
        let shift = match () {
            () if folder.uid() == self.uid => 6,
            () if self.groups.contains(&folder.gid()) => 3,
            () => 0,
        };
        self.enters_all || folder.mode() >> shift & 1 == 1
    }
}

fn field<'t>(status: &'t str, name: &str) -> Option<&'t str> {
    status.lines().find_map(|line| line.strip_prefix(name))
}

/// The version in the name of a file of Python: `libpython3.11.so.1.0`, `python3.8`.
pub(super) fn python_version(file: &str) -> Option<(u32, u32)> {
    let name = file.trim_end_matches(" (deleted)").rsplit('/').next()?;
    let rest = name.strip_prefix("lib").unwrap_or(name).strip_prefix("python")?;
    let (major, rest) = rest.split_once('.')?;
    let n_digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    Some((major.parse().ok()?, rest[..n_digits].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_names_of_files() {
        for (file, version) in [
            ("/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0", Some((3, 11))),
            ("/opt/python3.8 (deleted)", Some((3, 8))),
            ("/usr/bin/python3.14t", Some((3, 14))),
            ("/usr/bin/python2.7", Some((2, 7))),
            ("/usr/bin/python3", None),
            ("/usr/lib/libc.so.6", None),
            ("/usr/lib/python3.11/lib-dynload/_json.so", None),
        ] {
            assert_eq!(python_version(file), version, "{file}");
        }
    }

    #[test]
    fn mappings_are_parsed_and_damaged_ones_left_out() {
        let mapping =
            Mapping::parse("7f00-7f80 r-xp 00001000 fe:00 12 /opt/my python (deleted)").expect("a line");
        assert_eq!((mapping.start, mapping.end, mapping.offset), (0x7f00, 0x7f80, 0x1000));
        assert!(mapping.executable);
        assert_eq!(mapping.path, "/opt/my python (deleted)");
        assert_eq!(Mapping::parse("7f00-7f80 rw-p 00000000 00:00 0 ").expect("a line").path, "");
        for line in ["", "x", "7f00-", "7f00-7f80", "7f00-zz r-xp 0 0 0", "7f00 r-xp 0 0 0 a"] {
            assert_eq!(Mapping::parse(line), None, "{line}");
        }
    }

    #[test]
    fn users_are_parsed() {
        let status = "Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \nCapEff:\t0000000000000002\n";
        assert_eq!(User::parse(status, true), User { uid: 4, groups: vec![9, 10, 8], enters_all: true });
        assert!(!User::parse(status, false).enters_all);
        assert_eq!(User::parse("", true), User::default());
    }
}
