//! What can be done about an error, as a value.
//!
//! A library says what is wrong and, with a [`Remedy`], what would help. Whoever shows the error puts the remedy into words
//! for its own users: a command line as a flag, a page as a button, a program as a keyword.

/// What the user can do about an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Allow more memory.
    RaiseMemoryLimit,
    /// Keep what can be kept of a damaged dump.
    SkipDamage,
    /// Import the heap dumps of a file one by one.
    ChoosePart {
        /// How many the file holds.
        parts: u32,
    },
    /// Let the format of a dump be recognised.
    RecogniseFormat,
    /// Take a dump of the running process.
    CaptureProcess,
    /// Make a lake by importing a dump.
    MakeLake,
    /// Import a dump into the lake.
    ImportDump,
    /// Import under another name, or replace the dump that has the name.
    RenameOrReplace,
    /// Replace the dump that has the name.
    ReplaceDump,
    /// Let the environment or a profile say who asks an object store.
    GiveCredentials,
    /// Make a lake in an object store by copying a dump there.
    PushDump,
    /// Copy the dump into a folder, change it there, and copy it back.
    PullDump,
    /// Change the lake by importing and removing dumps.
    ImportOrRemove,
    /// Look at every file of the lake.
    VerifyLake,
    /// Build the graph index of a dump.
    BuildIndex {
        /// The dump.
        dump: String,
    },
    /// Import the dump again and keep its fields.
    KeepFields {
        /// The dump.
        dump: String,
    },
    /// Save a what-if layer.
    SaveLayer {
        /// The name, if a layer of that name has to be saved again.
        name: Option<String>,
    },
    /// Let statements read and write files outside the lake.
    AllowFileStatements,
    /// Let a statement read a file outside the lake.
    AllowReadingFiles,
    /// Choose the dump to compare with.
    ChooseBaseline,
    /// Run the statement as a query that declares its parameters.
    DeclareParameters,
    /// Allow the statement more time.
    RaiseTimeLimit,
    /// Allow the statement more rows.
    RaiseRowLimit,
    /// Allow the rows of the statement more bytes.
    RaiseByteLimit,
    /// Run the file as statements, which need no header.
    RunWithoutHeader,
}
