//! `type_is(dump, type, 'role')`: whether a type has a role in the runtime of its dump.
//!
//! ```sql
//! SELECT count(*) FROM obj WHERE type_is(dump, type, 'text')
//! ```
//!
//! Roles are those of [`TypeRole`]. What has a role is
//! known of each runtime (`heaplake_model::Runtime`), so that a query need not name the types of one language.
//!
//! A call with the role as a literal becomes the list of types that it stands for, `type IN ('str', ...)`, while the query is
//! planned. So it costs what such a list costs, and row groups of other types are not read.

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::{AsArray as _, BooleanArray},
        compute::cast,
        datatypes::DataType,
    },
    error::{DataFusionError, Result},
    logical_expr::{
        ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, in_list,
        lit,
        simplify::{ExprSimplifyResult, SimplifyContext},
    },
    scalar::ScalarValue,
};
use heaplake_model::{Runtime, TypeRole};
use heaplake_store::Manifests;

use super::ValueFunction;
use crate::{
    Error,
    function::{ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, column},
    mistake,
};

pub(super) static TYPE_IS: ValueFunction = ValueFunction {
    doc: FunctionDoc {
        name: "type_is",
        group: FunctionGroup::Value,
        usage: "type_is(dump, type, 'role')",
        purpose: "Whether a type has a role in the runtime of its dump, so that a query need not name the types of one \
                  language.",
        arguments: &[
            ArgumentDoc::required("dump", ArgumentKind::Text, "id of the dump that the type is of"),
            ArgumentDoc::required("type", ArgumentKind::Text, "the type"),
            ArgumentDoc::required(
                "role",
                ArgumentKind::Word(&[
                    "text",
                    "buffer",
                    "number",
                    "container",
                    "attributes",
                    "module",
                    "frame",
                    "internal",
                ]),
                "the role",
            ),
        ],
        result: ResultDoc::Value(
            column("is", ColumnType::Boolean, "whether the type has the role")
                .null("where an argument is null, and where there is no such dump"),
        ),
        cost: "With a constant role that of a list of types, `type IN (...)`: row groups of other types are not read.",
        source: None,
    },
    implementation: |manifests| {
        let signature = Signature::any(3, Volatility::Immutable);
        ScalarUDF::new_from_impl(TypeIs { signature, manifests: manifests.clone() })
    },
};

#[derive(Debug)]
struct TypeIs {
    signature: Signature,
    manifests: Arc<Manifests>,
}

impl TypeIs {
    /// The condition for which a call stands. Dumps matter only where runtimes differ.
    fn condition(&self, dump: &Texts<'_>, type_name: &Texts<'_>, role: TypeRole) -> Result<Expr> {
        let mut lists: Vec<&[&str]> = Runtime::all().map(|runtime| runtime.types_with(role)).collect();
        lists.sort_unstable();
        lists.dedup();
        if let [types] = lists.as_slice() {
            return Ok(type_name.is_one_of(types));
        }
        let mut dumps: BTreeMap<&[&str], Vec<&str>> = BTreeMap::new();
        for manifest in self.manifests.all().map_err(Error::from)? {
            dumps.entry(manifest.runtime().types_with(role)).or_default().push(manifest.id.as_str());
        }
        let each =
            dumps.into_iter().map(|(types, dumps)| dump.is_one_of(&dumps).and(type_name.is_one_of(types)));
        Ok(each.reduce(Expr::or).unwrap_or_else(|| lit(false)))
    }
}

/// An argument that is a text, and the literals that can be compared with it: nothing is coerced any more when calls are
/// simplified.
struct Texts<'e> {
    expr: &'e Expr,
    literal: fn(String) -> ScalarValue,
}

impl<'e> Texts<'e> {
    /// `None` for what is not a plain text.
    fn new(expr: &'e Expr, context: &SimplifyContext) -> Option<Self> {
        let literal: fn(String) -> ScalarValue = match context.get_data_type(expr).ok()? {
            DataType::Utf8 => |text| ScalarValue::Utf8(Some(text)),
            DataType::LargeUtf8 => |text| ScalarValue::LargeUtf8(Some(text)),
            DataType::Utf8View => |text| ScalarValue::Utf8View(Some(text)),
            _ => return None,
        };
        Some(Self { expr, literal })
    }

    fn is_one_of(&self, texts: &[&str]) -> Expr {
        if texts.is_empty() {
            return lit(false);
        }
        let literals = texts.iter().map(|text| lit((self.literal)((*text).to_owned()))).collect();
        in_list(self.expr.clone(), literals, false)
    }
}

// The dumps of one session are always the same.
impl PartialEq for TypeIs {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.manifests, &other.manifests)
    }
}

impl Eq for TypeIs {}

impl Hash for TypeIs {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.signature.hash(state);
    }
}

impl ScalarUDFImpl for TypeIs {
    fn name(&self) -> &str {
        "type_is"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn simplify(&self, arguments: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let [dump, type_name, Expr::Literal(role, _)] = arguments.as_slice() else {
            return Ok(ExprSimplifyResult::Original(arguments));
        };
        let texts = Texts::new(dump, context).zip(Texts::new(type_name, context));
        Ok(match role.try_as_str().flatten().zip(texts) {
            Some((role, (dump, type_name))) => {
                ExprSimplifyResult::Simplified(self.condition(&dump, &type_name, role_of(role)?)?)
            }
            None => ExprSimplifyResult::Original(arguments),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = |of: &ColumnarValue| cast(&of.to_array(args.number_rows)?, &DataType::Utf8View);
        let [dumps, types, roles] = [texts(&args.args[0])?, texts(&args.args[1])?, texts(&args.args[2])?];
        let [dumps, types, roles] = [&dumps, &types, &roles].map(|texts| texts.as_string_view());
        let has_role = |dump: Option<&str>, name: Option<&str>, role: Option<&str>| {
            let (Some(dump), Some(name), Some(role)) = (dump, name, role) else { return Ok(None) };
            let role = role_of(role)?;
            let manifest = self.manifests.find(dump).map_err(Error::from)?;
            Ok(manifest.map(|manifest| manifest.runtime().has_role(name, role)))
        };
        let rows = dumps.iter().zip(types).zip(roles);
        let has: BooleanArray =
            rows.map(|((dump, name), role)| has_role(dump, name, role)).collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(has)))
    }
}

fn role_of(name: &str) -> Result<TypeRole> {
    let roles = TypeRole::ALL.map(TypeRole::name);
    TypeRole::of_name(name).ok_or_else(|| {
        let mut what = format!("there is no role of types {}", mistake::escape(name));
        match mistake::nearest(name, roles) {
            Some(near) => what += &format!("; did you mean {near}?"),
            None => what += &format!("; the roles are {}", roles.join(", ")),
        }
        DataFusionError::from(Error::query(what))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_documented() {
        let documented = TYPE_IS.doc.arguments.iter().find_map(|argument| match argument.kind {
            ArgumentKind::Word(words) => Some(words),
            _ => None,
        });
        assert_eq!(documented, Some(TypeRole::ALL.map(TypeRole::name).as_slice()));
    }
}
