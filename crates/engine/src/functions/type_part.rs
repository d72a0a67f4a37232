//! What `short` and `module` share: a function of the name of a type.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{AsArray as _, StringViewArray},
        compute::cast,
        datatypes::DataType,
    },
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use heaplake_model::{module_of_type, short_type_name};

/// A part of the name of a type, as a function of SQL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TypePart {
    signature: Signature,
    is_module: bool,
}

impl TypePart {
    /// The name without its module.
    pub(super) fn short() -> ScalarUDF {
        Self::udf(false)
    }

    /// The module.
    pub(super) fn module() -> ScalarUDF {
        Self::udf(true)
    }

    fn udf(is_module: bool) -> ScalarUDF {
        ScalarUDF::new_from_impl(Self { signature: Signature::any(1, Volatility::Immutable), is_module })
    }
}

impl ScalarUDFImpl for TypePart {
    fn name(&self) -> &str {
        if self.is_module { "module" } else { "short" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let names = cast(&args.args[0].to_array(args.number_rows)?, &DataType::Utf8View)?;
        let part = |name| if self.is_module { module_of_type(name) } else { Some(short_type_name(name)) };
        let parts: StringViewArray = names.as_string_view().iter().map(|name| part(name?)).collect();
        Ok(ColumnarValue::Array(Arc::new(parts)))
    }
}
