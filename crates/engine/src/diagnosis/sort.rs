//! What a type is for, as far as its name tells. A type that is not known is one of the program.
//!
//! Names only add words and confidence: what is found does not depend on them, except that code is not a content.

use heaplake_model::{Nature, Runtime, TypeRole, module_of_type, short_type_name};

/// What the objects of a type are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Texts and numbers.
    Scalar,
    /// Containers of the language.
    Container,
    /// Small objects around another: cells, bound methods, weak references.
    Wrapper,
    /// Functions, which may be made at run time.
    Function,
    /// Code, classes and what they consist of.
    Code,
    Module,
    Frame,
    /// Everything else.
    Program,
}

const SORTS: [(Sort, &[&str]); 7] = [
    (
        Sort::Scalar,
        &[
            "str",
            "unicode",
            "bytes",
            "bytearray",
            "int",
            "long",
            "float",
            "complex",
            "bool",
            "NoneType",
            "datetime",
            "date",
            "time",
            "timedelta",
            "Decimal",
            "UUID",
            "range",
        ],
    ),
    (
        Sort::Container,
        &[
            "dict",
            "list",
            "set",
            "frozenset",
            "tuple",
            "deque",
            "OrderedDict",
            "defaultdict",
            "Counter",
            "mappingproxy",
            "collections.deque",
            "collections.OrderedDict",
            "collections.defaultdict",
            "WeakValueDictionary",
            "WeakKeyDictionary",
            "WeakSet",
        ],
    ),
    (
        Sort::Wrapper,
        &[
            "cell",
            "method",
            "instancemethod",
            "weakref",
            "ReferenceType",
            "weakref.ReferenceType",
            "KeyedRef",
            "WeakMethod",
            "partial",
            "functools.partial",
            "method-wrapper",
            "_lru_list_elem",
            "functools._lru_list_elem",
            "staticmethod",
            "classmethod",
            "traceback",
        ],
    ),
    (Sort::Function, &["function", "builtin_function_or_method"]),
    (
        Sort::Code,
        &[
            "code",
            "type",
            "ABCMeta",
            "EnumMeta",
            "EnumType",
            "property",
            "getset_descriptor",
            "member_descriptor",
            "wrapper_descriptor",
            "method_descriptor",
            "classmethod_descriptor",
            "ModuleSpec",
            "SourceFileLoader",
            "ExtensionFileLoader",
            "FileFinder",
            "_abc_data",
            "PyCapsule",
            "TypeVar",
            "_SpecialForm",
            "GenericAlias",
            "_GenericAlias",
            "cached_property",
        ],
    ),
    (Sort::Module, &["module"]),
    (Sort::Frame, &["frame"]),
];

/// What the objects of a type are for.
pub(super) fn sort_of(type_name: &str) -> Sort {
    // Newer captures name types with their module.
    let short = short_type_name(type_name);
    let found = SORTS.iter().find(|(_, names)| names.contains(&type_name) || names.contains(&short));
    found.map_or(Sort::Program, |(sort, _)| *sort)
}

/// What the objects of a type are for in a dump of a runtime whose collections have tables and nodes of their own, or of another.
pub(super) fn sort_in(runtime: &Runtime, type_name: &str) -> Sort {
    const PRIMITIVE_ARRAYS: [&str; 8] =
        ["boolean[]", "byte[]", "char[]", "short[]", "int[]", "long[]", "float[]", "double[]"];
    if !runtime.has_collection_parts() {
        return sort_of(type_name);
    }
    let has_role = |role| runtime.has_role(type_name, role);
    match () {
        () if runtime.nature(type_name) == Nature::Value || has_role(TypeRole::Number) => Sort::Scalar,
        () if PRIMITIVE_ARRAYS.contains(&type_name) => Sort::Scalar,
        () if has_role(TypeRole::Container) || runtime.collection_parts(type_name).is_some() => {
            Sort::Container
        }
        () => Sort::Program,
    }
}

/// Packages of the interpreter's own library. What grows in them is seldom the program's own.
const LIBRARY: &[&str] = &[
    "abc",
    "argparse",
    "ast",
    "asyncio",
    "atexit",
    "base64",
    "bisect",
    "builtins",
    "calendar",
    "codecs",
    "collections",
    "concurrent",
    "contextlib",
    "contextvars",
    "copy",
    "copyreg",
    "csv",
    "ctypes",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "dis",
    "email",
    "encodings",
    "enum",
    "errno",
    "faulthandler",
    "fnmatch",
    "fractions",
    "functools",
    "gc",
    "genericpath",
    "getpass",
    "gettext",
    "glob",
    "gzip",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "http",
    "importlib",
    "inspect",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "keyword",
    "linecache",
    "locale",
    "logging",
    "math",
    "mimetypes",
    "multiprocessing",
    "numbers",
    "opcode",
    "operator",
    "os",
    "pathlib",
    "pickle",
    "pkgutil",
    "platform",
    "posix",
    "posixpath",
    "pprint",
    "queue",
    "random",
    "re",
    "reprlib",
    "runpy",
    "sched",
    "select",
    "selectors",
    "shlex",
    "shutil",
    "signal",
    "site",
    "socket",
    "sqlite3",
    "sre_compile",
    "sre_constants",
    "sre_parse",
    "ssl",
    "stat",
    "statistics",
    "string",
    "struct",
    "subprocess",
    "sys",
    "sysconfig",
    "tempfile",
    "textwrap",
    "threading",
    "time",
    "timeit",
    "token",
    "tokenize",
    "traceback",
    "tracemalloc",
    "types",
    "typing",
    "unicodedata",
    "unittest",
    "urllib",
    "uuid",
    "warnings",
    "weakref",
    "xml",
    "zipfile",
    "zipimport",
    "zlib",
    "zoneinfo",
    "pip",
    "setuptools",
    "pkg_resources",
];

/// Whether a module is of the interpreter's own library. Private modules of C are.
pub(super) fn is_library(module: &str) -> bool {
    let package = module.split('.').next().unwrap_or(module);
    LIBRARY.contains(&package) || (package.starts_with('_') && !package.starts_with("__"))
}

/// The name by which idioms know a type of Python: without its module, unless it is a class of the program, which may be called like one
/// of the library.
pub(super) fn known_name(type_name: &str) -> &str {
    let is_programs = module_of_type(type_name).is_some_and(|module| !is_library(module));
    if is_programs { type_name } else { short_type_name(type_name) }
}

/// Whether a module is there only because the dump is taken.
pub(super) fn is_of_capture(name: &str) -> bool {
    let package = name.split('.').next().unwrap_or(name);
    matches!(package, "heaplake_dump" | "heaplake" | "meliae" | "_heaplake")
}
