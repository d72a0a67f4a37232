//! `glob`: whether a text fits a pattern with `*`.
//!
//! ```sql
//! SELECT * FROM type_stat WHERE glob('app.*', type)
//! ```

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::{AsArray as _, BooleanArray},
        compute::cast,
        datatypes::DataType,
    },
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use heaplake_pathql::glob_matches;

use super::ValueFunction;
use crate::function::{ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, column};

pub(super) static GLOB: ValueFunction = ValueFunction {
    doc: FunctionDoc {
        name: "glob",
        group: FunctionGroup::Value,
        usage: "glob('pattern', text)",
        purpose: "Whether a text fits a pattern as a whole, in which `*` is any number of characters. Unlike LIKE it takes `_` \
                  and `%` as they are.",
        arguments: &[
            ArgumentDoc::required("pattern", ArgumentKind::Text, "the pattern"),
            ArgumentDoc::required("text", ArgumentKind::Text, "the text"),
        ],
        result: ResultDoc::Value(
            column("fits", ColumnType::Boolean, "whether it fits")
                .null("where the pattern or the text is null"),
        ),
        cost: "O(characters of pattern and text) at best, their product at worst.",
        source: None,
    },
    implementation: |_| ScalarUDF::new_from_impl(TextTest::new("glob", glob_matches)),
};

/// A function of a pattern and a text that says whether the text fits.
#[derive(Debug)]
pub(super) struct TextTest {
    /// The name of the function, which tells it from others.
    name: &'static str,
    signature: Signature,
    /// Whether a text fits a pattern.
    fits: fn(&str, &str) -> bool,
}

impl TextTest {
    pub(super) fn new(name: &'static str, fits: fn(&str, &str) -> bool) -> Self {
        Self { name, signature: Signature::any(2, Volatility::Immutable), fits }
    }
}

impl PartialEq for TextTest {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for TextTest {}

impl Hash for TextTest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for TextTest {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = |of: &ColumnarValue| cast(&of.to_array(args.number_rows)?, &DataType::Utf8View);
        let [patterns, texts] = [texts(&args.args[0])?, texts(&args.args[1])?];
        let rows = patterns.as_string_view().iter().zip(texts.as_string_view());
        let fits: BooleanArray = rows.map(|(pattern, text)| Some((self.fits)(pattern?, text?))).collect();
        Ok(ColumnarValue::Array(Arc::new(fits)))
    }
}
