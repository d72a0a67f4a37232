//! Who may read a lake.
//!
//! A dump contains the values of a program, passwords among them. So only the owner may read a new lake, whatever the umask
//! is, unless it is made for a team. From then on the folder of manifests decides: everything that is put into the lake gets
//! the permissions of that folder, so that `chmod -R` changes a lake for good. On systems without such permissions nothing is
//! done.

use std::{fs, io, path::Path};

use super::{Lake, layout::LakeFolder};
use crate::{Error, Result};

/// Who may read a new lake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// Its owner alone.
    #[default]
    Private,
    /// Everybody whom the umask allows.
    Shared,
}

impl Access {
    /// Makes a folder, unless there is one. The folder that it is in exists.
    pub(super) fn make_folder(self, path: &Path) -> Result<()> {
        let made = match self {
            Self::Private => make_private(path),
            Self::Shared => fs::create_dir(path),
        };
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made.map_err(|source| Error::Io { path: path.to_owned(), source }),
        }
    }
}

#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> io::Result<()> {
    fs::create_dir(path)
}

/// The permissions of what is put into a lake.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permissions {
    #[cfg(unix)]
    folder_mode: u32,
}

#[cfg(unix)]
impl Permissions {
    pub(super) fn of(lake: &Lake) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = lake.folder(&LakeFolder::manifests());
        let metadata = fs::metadata(&path).map_err(|source| Error::Io { path, source })?;
        Ok(Self { folder_mode: metadata.permissions().mode() & 0o7777 })
    }

    /// Gives a file the permissions of the lake.
    pub(super) fn apply(self, file: &Path) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(file, fs::Permissions::from_mode(self.folder_mode & 0o666))
    }

    fn apply_to_folder(self, folder: &Path) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(self.folder_mode))
    }
}

#[cfg(not(unix))]
impl Permissions {
    pub(super) fn of(_lake: &Lake) -> Result<Self> {
        Ok(Self {})
    }

    /// Gives a file the permissions of the lake.
    pub(super) fn apply(self, _file: &Path) -> io::Result<()> {
        Ok(())
    }

    fn apply_to_folder(self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl Permissions {
    /// Makes a folder of the lake, with those above it that are missing. Another process may make it, too.
    pub(super) fn make_folder(self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        // The folder of the lake exists, so this ends a few levels up.
        let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.is_dir()).collect();
        for folder in missing.into_iter().rev() {
            match make_private(folder) {
                Ok(()) => self.apply_to_folder(folder)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Lake {
    /// Whether other users of the machine may read the lake.
    #[cfg(unix)]
    pub fn is_readable_by_others(&self) -> bool {
        use std::os::unix::fs::PermissionsExt as _;
        const OTHERS: u32 = 0o005;
        const GROUP: u32 = 0o050;
        let folders = [self.path().to_owned(), self.folder(&LakeFolder::manifests())];
        let modes = folders.map(|folder| fs::metadata(folder).map_or(0, |found| found.permissions().mode()));
        [OTHERS, GROUP].iter().any(|class| modes.iter().all(|mode| mode & class == *class))
    }

    /// Whether other users of the machine may read the lake; not known on this system.
    #[cfg(not(unix))]
    pub fn is_readable_by_others(&self) -> bool {
        false
    }
}
