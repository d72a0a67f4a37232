//! Groups of rows that are sorted by some of the columns only.
//!
//! DataFusion groups such rows part by part: those of one value of the sorted columns are complete when the next value comes.
//! It gives the groups of a part out in batches, and moves all that remain for each batch, so that the time is the square of the
//! number of groups in a part. All texts of a dump have one type, and are sorted by it: their groups by value are millions in one
//! part. A hash table of all groups takes as much memory as one of the largest part, and time in proportion to their number.

use std::sync::Arc;

use datafusion::{
    common::{
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode},
    },
    datasource::{
        physical_plan::{FileScanConfig, FileScanConfigBuilder},
        source::DataSourceExec,
    },
    error::Result,
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{ExecutionPlan, InputOrderMode, aggregates::AggregateExec},
};

/// Hides the order of files from aggregations whose groups are not sorted by all of their columns. It comes before all other
/// rules: later ones rely on orders that were found.
#[derive(Debug)]
pub(crate) struct GroupUnsorted;

impl PhysicalOptimizerRule for GroupUnsorted {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rewritten = plan.transform_down(|node| match node.downcast_ref::<AggregateExec>() {
            Some(groups) if matches!(groups.input_order_mode(), InputOrderMode::PartiallySorted(_)) => {
                node.transform_up(unsorted)
            }
            _ => Ok(Transformed::no(node)),
        });
        Ok(rewritten?.data)
    }

    fn name(&self) -> &str {
        "group_unsorted"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A scan that does not say in which order its rows are.
fn unsorted(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let scan = node.downcast_ref::<DataSourceExec>();
    let files = scan.and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>());
    let Some(files) = files.filter(|files| !files.output_ordering.is_empty()) else {
        return Ok(Transformed::no(node));
    };
    let files = FileScanConfigBuilder::from(files.clone()).with_output_ordering(Vec::new()).build();
    Ok(Transformed::yes(DataSourceExec::from_data_source(files)))
}
