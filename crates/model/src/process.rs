//! What is known of the process that a dump is of.

use std::collections::BTreeMap;

use crate::{MemoryAccount, ProcessMemory};

/// A process as its dump describes it. A field is `None` if the dump does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Process {
    /// Version of the format of the dump, where the format has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<u32>,
    /// The runtime, `CPython`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Version of the runtime, or of the language that it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u64>,
    /// Name of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The command line, arguments joined by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Bytes of resident memory when the dump was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<u64>,
    /// What else is known of its memory.
    #[serde(skip_serializing_if = "ProcessMemory::is_empty")]
    pub memory: ProcessMemory,
    /// How objects lie in memory and how that is known, where the format leaves sizes to the reader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// How many interpreters the process had, if more than the one whose objects the dump has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interpreters: Option<u64>,
    /// When the collector of cycles runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collector: Option<Collector>,
    /// Why there is a dump, if nobody asked for it: the type of an exception.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// When the collector of cycles of a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Collector {
    /// Whether it runs by itself at all.
    pub enabled: bool,
    /// How many more objects that can be on a cycle are made than freed until it looks at the youngest; 0: it never does.
    pub threshold: i64,
}

impl Collector {
    /// Whether only the program itself starts it.
    pub fn is_off(self) -> bool {
        !self.enabled || self.threshold == 0
    }
}

/// The names under which a process is shown among the tags of its dump.
const TAGS: [&str; 7] = ["pid", "host", "python", "command", "rss", "interpreters", "reason"];

impl Process {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What identifies the process among those of all machines; `None` if the dump does not say enough.
    pub fn identity(&self) -> Option<(&str, u64)> {
        Some((self.host.as_deref()?, self.pid?))
    }

    /// What its memory consists of, for objects of so many bytes; `None` if the dump does not say enough.
    pub fn account(&self, object_bytes: i64) -> Option<MemoryAccount> {
        self.memory.account(self.resident_bytes?, object_bytes)
    }

    /// What is known, as tags: `pid`, `host`, `python`, `command`, `rss`, `interpreters`, `reason`.
    pub fn tags(&self) -> BTreeMap<String, String> {
        TAGS.into_iter().filter_map(|name| Some((name.to_owned(), self.tag(name)?))).collect()
    }

    /// One of [`tags`](Self::tags).
    pub fn tag(&self, name: &str) -> Option<String> {
        match name {
            "pid" => self.pid.map(|pid| pid.to_string()),
            "host" => self.host.clone(),
            "python" => self.version.clone(),
            "command" => self.command.clone(),
            "rss" => self.resident_bytes.map(|bytes| bytes.to_string()),
            "interpreters" => self.interpreters.map(|n| n.to_string()),
            "reason" => self.reason.clone(),
            _ => None,
        }
    }

    /// The process as older manifests describe it, which is by tags.
    pub fn of_old_manifest(format: &str, tags: &BTreeMap<String, String>) -> Self {
        if format == "capture" { Self::of_tags(tags) } else { Self::default() }
    }

    fn of_tags(tags: &BTreeMap<String, String>) -> Self {
        let [pid, host, version, command, rss, ..] = TAGS.map(|name| tags.get(name));
        let process = Self {
            format: None,
            runtime: None,
            version: version.cloned(),
            pid: pid.and_then(|pid| pid.parse().ok()),
            host: host.cloned(),
            command: command.cloned(),
            resident_bytes: rss.and_then(|rss| rss.parse().ok()),
            memory: ProcessMemory::default(),
            layout: None,
            // Newer than these manifests.
            interpreters: None,
            collector: None,
            reason: None,
        };
        let runtime = (!process.is_empty()).then(|| "CPython".to_owned());
        Self { runtime, ..process }
    }

    /// Removes what is shown as a tag of this name.
    pub fn forget(&mut self, tag: &str) {
        match tag {
            "pid" => self.pid = None,
            "host" => self.host = None,
            "python" => self.version = None,
            "command" => self.command = None,
            "rss" => self.resident_bytes = None,
            "interpreters" => self.interpreters = None,
            "reason" => self.reason = None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_back() {
        let process = Process {
            format: None,
            runtime: Some("CPython".to_owned()),
            version: Some("3.12.1".to_owned()),
            pid: Some(7),
            host: Some("web3".to_owned()),
            command: Some("python app.py".to_owned()),
            resident_bytes: Some(1 << 40),
            memory: ProcessMemory::default(),
            layout: None,
            interpreters: None,
            collector: None,
            reason: None,
        };
        let newer =
            Process { interpreters: Some(3), reason: Some("MemoryError".to_owned()), ..process.clone() };
        assert_eq!(newer.tags().len(), TAGS.len());
        assert_eq!(
            (newer.tag("interpreters"), newer.tag("reason")),
            (Some("3".into()), Some("MemoryError".into()))
        );
        let tags = process.tags();
        assert_eq!(Process::of_tags(&tags), process);
        assert_eq!(process.identity(), Some(("web3", 7)));
        assert_eq!(Process::of_old_manifest("capture", &tags), process);
        // In a dump that does not describe its process, tags of these names come from the user.
        assert!(Process::of_old_manifest("meliae", &tags).is_empty());
        assert!(Process::of_tags(&BTreeMap::new()).is_empty());
        let mut forgotten = newer;
        TAGS.into_iter().for_each(|tag| forgotten.forget(tag));
        assert_eq!(forgotten.identity(), None);
        assert!(forgotten.tags().is_empty());
    }
}
