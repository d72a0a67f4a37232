//! One way to name types where some dumps name them with their module and others do not.
//!
//! A type has its whole name where only one type of all these dumps has its short name, and the short name otherwise: what
//! `Session` of an old dump is cannot be told where there are `web.Session` and `billing.Session`.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use heaplake_model::{renamed_chain, short_type_name};
use heaplake_store::{Lake, Manifest};

use super::totals::By;
use crate::Result;

/// How types are named where several dumps are compared.
#[derive(Debug, Default)]
pub(crate) struct TypeNaming {
    /// By short name, the whole name, or `None` where there are several; `None` if all dumps name types in the same way.
    whole: Option<HashMap<String, Option<String>>>,
}

impl TypeNaming {
    /// Reads the types of those dumps that name them with modules, if others do not.
    pub(crate) fn of(dumps: &[Arc<Manifest>], lake: &Lake) -> Result<Self> {
        if !are_types_named_differently(dumps) {
            return Ok(Self::default());
        }
        let mut whole: HashMap<String, Option<String>> = HashMap::new();
        for manifest in dumps.iter().filter(|manifest| manifest.types_have_modules()) {
            By::Type.each(manifest.runtime(), &By::Type.summary(lake, manifest)?, |name, _, _| {
                match whole.get_mut(short_type_name(name)) {
                    None => {
                        whole.insert(short_type_name(name).to_owned(), Some(name.to_owned()));
                    }
                    Some(known) if known.as_deref() != Some(name) => *known = None,
                    Some(_) => {}
                }
            });
        }
        Ok(Self { whole: Some(whole) })
    }

    /// The name under which something is compared.
    pub(crate) fn name<'n>(&'n self, by: By, name: &'n str) -> Cow<'n, str> {
        match (&self.whole, by) {
            (None, _) | (_, By::Module | By::HolderModule) => Cow::Borrowed(name),
            (Some(_), By::Type) => Cow::Borrowed(self.type_name(name)),
            (Some(_), By::Holder) => Cow::Owned(renamed_chain(name, |name| self.type_name(name))),
        }
    }

    fn type_name<'n>(&'n self, name: &'n str) -> &'n str {
        let short = short_type_name(name);
        let whole = self.whole.as_ref().and_then(|whole| whole.get(short)?.as_deref());
        whole.unwrap_or(short)
    }
}

/// Whether some dumps name types with their modules and others do not.
pub(crate) fn are_types_named_differently(dumps: &[Arc<Manifest>]) -> bool {
    dumps.iter().any(|one| one.types_have_modules()) && !dumps.iter().all(|one| one.types_have_modules())
}

/// The dumps whose holders have names by other rules than those of the newest import of their runtime among them.
pub(crate) fn dumps_with_old_names(dumps: &[Arc<Manifest>]) -> Vec<&Manifest> {
    let named = || dumps.iter().filter(|dump| dump.indexed && dump.runtime().has_labels);
    let newest = |of: &Manifest| {
        let same = named().filter(|dump| dump.runtime().name == of.runtime().name);
        same.map(|dump| dump.naming).max()
    };
    let mut old: Vec<&Manifest> =
        named().filter(|dump| Some(dump.naming) < newest(dump)).map(|dump| &**dump).collect();
    old.dedup_by_key(|dump| &dump.id);
    old
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming() -> TypeNaming {
        let known = [
            ("Session", None),
            ("Order", Some("shop.Order")),
            ("dict", Some("dict")),
            ("module", Some("module")),
        ];
        let known = known.map(|(short, whole)| (short.to_owned(), whole.map(str::to_owned)));
        TypeNaming { whole: Some(known.into()) }
    }

    #[test]
    fn a_type_has_its_whole_name_where_it_is_the_only_one() {
        let naming = naming();
        for (name, common) in [
            ("Order", "shop.Order"),
            ("shop.Order", "shop.Order"),
            ("Session", "Session"),
            ("web.Session", "Session"),
            ("gone.Type", "Type"),
            ("dict", "dict"),
        ] {
            assert_eq!(naming.name(By::Type, name), common, "{name}");
            assert_eq!(TypeNaming::default().name(By::Type, name), name);
        }
    }

    #[test]
    fn holders_are_renamed_type_by_type() {
        for (holder, common) in [
            (
                "module shop.web -> dict SESSIONS -> web.Session",
                "module shop.web -> dict SESSIONS -> Session",
            ),
            ("(several) -> Order lines -> dict", "(several) -> shop.Order lines -> dict"),
        ] {
            assert_eq!(naming().name(By::Holder, holder), common);
            assert_eq!(naming().name(By::Module, holder), holder);
        }
    }
}
