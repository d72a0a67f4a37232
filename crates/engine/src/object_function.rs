//! Functions of values that ask the graph index and the labels of `edge` about the objects of a row: `field`, `label`,
//! `program_name`.
//!
//! A batch of rows is answered at once: the index says which references the answers are in, and only the labels of these
//! are read, each page of them once.

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::{Array as _, ArrayRef, AsArray as _, StringViewArray, UInt64Array},
        compute::cast,
        datatypes::{DataType, UInt64Type},
    },
    error::{DataFusionError, Result},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
    prelude::SessionContext,
};
use heaplake_store::{EdgeLabels, ImportProgress, Lake};

use crate::{
    Error,
    function::{ArgumentDefault, ArgumentKind, Function, FunctionDoc, ResultDoc},
    snapshot::{OpenIndex, Snapshot},
};

/// A function of one or two addresses, perhaps a text, and the dump that they are of.
#[derive(Debug)]
pub(crate) struct ObjectFunction {
    pub(crate) doc: FunctionDoc,
    /// The answers for objects of one dump.
    pub(crate) answer: fn(&ObjectsQuestion<'_>) -> Result<ObjectAnswers, Error>,
}

/// What is asked about objects of one dump.
pub(crate) struct ObjectsQuestion<'q> {
    pub(crate) open: &'q OpenIndex,
    pub(crate) labels: &'q EdgeLabels,
    pub(crate) lake: &'q Lake,
    /// By address argument, by row: the node; `None` where no object has the address.
    pub(crate) nodes: Vec<Vec<Option<usize>>>,
    /// By row, the text; empty where the function takes none.
    pub(crate) texts: Vec<Option<&'q str>>,
}

/// Answers by row.
pub(crate) enum ObjectAnswers {
    /// Nodes.
    Nodes(Vec<Option<usize>>),
    /// Texts.
    Texts(Vec<Option<String>>),
}

impl Function for ObjectFunction {
    fn doc(&'static self) -> &'static FunctionDoc {
        &self.doc
    }

    fn register(&'static self, context: &SessionContext, snapshot: &Arc<Snapshot>) {
        // Whoever names the dump of a row names it last.
        let signature = Signature::variadic_any(Volatility::Stable);
        let function = ObjectUdf { function: self, snapshot: snapshot.clone(), signature };
        context.register_udf(ScalarUDF::new_from_impl(function));
    }
}

/// A function over the dumps of a session.
#[derive(Debug)]
struct ObjectUdf {
    function: &'static ObjectFunction,
    snapshot: Arc<Snapshot>,
    signature: Signature,
}

impl PartialEq for ObjectUdf {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && Arc::ptr_eq(&self.snapshot, &other.snapshot)
    }
}

impl Eq for ObjectUdf {}

impl Hash for ObjectUdf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl ScalarUDFImpl for ObjectUdf {
    fn name(&self) -> &str {
        self.function.doc.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let doc = &self.function.doc;
        let least = doc.arguments.iter().filter(|argument| argument.default == ArgumentDefault::Required);
        if !(least.count()..=doc.arguments.len()).contains(&arguments.len()) {
            return Err(doc.misuse("it has too few or too many arguments").into());
        }
        for (argument, given) in doc.arguments.iter().zip(arguments) {
            let fits = match argument.kind {
                ArgumentKind::Number => given.is_integer() || given.is_null(),
                _ => given.is_string() || given.is_null(),
            };
            if !fits {
                return Err(doc.misuse(&format!("{} is of the wrong type", argument.name)).into());
            }
        }
        match doc.result {
            ResultDoc::Value(value) => Ok(value.data_type.data_type()),
            ResultDoc::Rows(_) => Err(DataFusionError::Internal(format!("{} is no value", doc.name))),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let n_rows = args.number_rows;
        let (mut addresses, mut texts, mut dumps) = (Vec::new(), None, None);
        for (argument, given) in self.function.doc.arguments.iter().zip(&args.args) {
            let given = given.to_array(n_rows)?;
            match argument.kind {
                // A negative number is the address of nothing.
                ArgumentKind::Number => addresses.push(cast(&given, &DataType::UInt64)?),
                ArgumentKind::Dump => dumps = Some(cast(&given, &DataType::Utf8View)?),
                _ => texts = Some(cast(&given, &DataType::Utf8View)?),
            }
        }
        let dumps = dumps.as_ref().map(|dumps| dumps.as_string_view());
        let texts = texts.as_ref().map(|texts| texts.as_string_view());
        let mut rows_of: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
        for row in 0..n_rows {
            match dumps {
                None => rows_of.entry(None).or_default().push(row),
                Some(dumps) if dumps.is_valid(row) => {
                    rows_of.entry(Some(dumps.value(row))).or_default().push(row);
                }
                Some(_) => {}
            }
        }
        let mut answers = Answers::of(args.return_type(), n_rows)?;
        for (dump, rows) in rows_of {
            self.answer(dump, &rows, &addresses, texts, &mut answers)?;
        }
        Ok(ColumnarValue::Array(answers.finish()))
    }
}

impl ObjectUdf {
    /// Answers the rows of one dump.
    fn answer(
        &self,
        dump: Option<&str>,
        rows: &[usize],
        addresses: &[ArrayRef],
        texts: Option<&StringViewArray>,
        answers: &mut Answers,
    ) -> Result<()> {
        let dump = self.snapshot.dump(dump)?;
        let open = self.snapshot.open(&dump, &ImportProgress::default())?;
        let labels = open.labels(self.snapshot.lake())?;
        let node = |address: u64| {
            heaplake_store::with_index!(&*open.index, |index| {
                index.node(address).filter(|node| index.is_there(*node))
            })
        };
        let nodes = addresses.iter().map(|column| {
            let column = column.as_primitive::<UInt64Type>();
            rows.iter().map(|row| column.is_valid(*row).then(|| column.value(*row)).and_then(node)).collect()
        });
        let question = ObjectsQuestion {
            open: &open,
            labels: &labels,
            lake: self.snapshot.lake(),
            nodes: nodes.collect(),
            texts: texts.map_or(Vec::new(), |texts| {
                rows.iter().map(|row| texts.is_valid(*row).then(|| texts.value(*row))).collect()
            }),
        };
        match ((self.function.answer)(&question)?, answers) {
            (ObjectAnswers::Nodes(nodes), Answers::Addresses(all)) => {
                heaplake_store::with_index!(&*open.index, |index| {
                    let found = nodes.into_iter().map(|node| node.map(|node| index.addresses()[node]));
                    rows.iter().zip(found).for_each(|(row, address)| all[*row] = address);
                });
                Ok(())
            }
            (ObjectAnswers::Texts(texts), Answers::Texts(all)) => {
                rows.iter().zip(texts).for_each(|(row, text)| all[*row] = text);
                Ok(())
            }
            _ => Err(DataFusionError::Internal(format!("{} gives something else", self.name()))),
        }
    }
}

/// The column that a call gives, while it is filled.
enum Answers {
    Addresses(Vec<Option<u64>>),
    Texts(Vec<Option<String>>),
}

impl Answers {
    fn of(data_type: &DataType, n_rows: usize) -> Result<Self> {
        match data_type {
            DataType::UInt64 => Ok(Self::Addresses(vec![None; n_rows])),
            DataType::Utf8View => Ok(Self::Texts(vec![None; n_rows])),
            other => Err(DataFusionError::Internal(format!("a function of objects gives {other}"))),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Addresses(addresses) => Arc::new(UInt64Array::from(addresses)),
            Self::Texts(texts) => Arc::new(texts.into_iter().collect::<StringViewArray>()),
        }
    }
}

impl ObjectsQuestion<'_> {
    /// The nodes of an address argument that exist, and for each row which of them it is about.
    pub(crate) fn distinct_nodes(&self, argument: usize) -> Vec<usize> {
        let mut nodes: Vec<usize> = self.nodes[argument].iter().copied().flatten().collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }
}
