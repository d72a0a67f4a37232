//! What a reference does for the object that it leads to.

/// The kind of a reference. Which kinds a dump has depends on its runtime.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum EdgeKind {
    /// Keeps its child alive.
    #[default]
    Strong,
    /// Keeps nothing alive.
    Weak,
    /// Keeps its child alive until memory is short.
    Soft,
    /// Keeps nothing alive; tells when its child is collected.
    Phantom,
    /// Leads from the queue of finalizers to an object that nothing else keeps alive. Keeps nothing alive itself.
    Final,
}

impl EdgeKind {
    /// Every kind, by its number.
    pub const ALL: [EdgeKind; 5] =
        [EdgeKind::Strong, EdgeKind::Weak, EdgeKind::Soft, EdgeKind::Phantom, EdgeKind::Final];

    /// The name in the column `kind` of the table `edge`.
    pub fn name(self) -> &'static str {
        match self {
            EdgeKind::Strong => "strong",
            EdgeKind::Weak => "weak",
            EdgeKind::Soft => "soft",
            EdgeKind::Phantom => "phantom",
            EdgeKind::Final => "final",
        }
    }

    /// The kind with this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind with this number.
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Whether the reference keeps its child alive, so that paths and retained sizes count it.
    pub fn keeps_alive(self) -> bool {
        match self {
            EdgeKind::Strong | EdgeKind::Soft => true,
            EdgeKind::Weak | EdgeKind::Phantom | EdgeKind::Final => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_back() {
        for kind in EdgeKind::ALL {
            assert_eq!(EdgeKind::of_name(kind.name()), Some(kind));
            assert_eq!(EdgeKind::of_number(kind as u8), Some(kind));
        }
        assert_eq!(EdgeKind::of_number(EdgeKind::ALL.len() as u8), None);
    }
}
