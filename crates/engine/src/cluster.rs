//! What a cluster and the engine ask of each other. How a plan is cut into parts, sent and run elsewhere is not known here.
//!
//! A [`Cluster`] spreads the statements of a session over workers. A worker has a [`WorkerSession`] over the same lake: the functions
//! of ours, and the files that the scans of a part read. A part names files by their paths in the lake, so that a worker reads its
//! own copy of the lake, and only files that a manifest names.

use std::{collections::HashMap, fmt, sync::Arc};

use datafusion::{
    common::tree_node::{Transformed, TreeNode as _},
    datasource::{
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder, ParquetSource},
        source::DataSourceExec,
    },
    error::DataFusionError,
    execution::{SessionState, SessionStateBuilder},
    physical_plan::ExecutionPlan,
    prelude::SessionContext,
    scalar::ScalarValue,
};
use futures::future::BoxFuture;
use heaplake_store::{Lake, Manifest};

use crate::{
    Error, Result,
    files::{LakeFile, LakeFiles, MAX_HELD, ReadingMode},
    functions,
    snapshot::{Snapshot, SnapshotOptions},
};

/// Machines that run parts of statements.
pub trait Cluster: fmt::Debug + Send + Sync {
    /// Adds to a session what spreads its statements.
    fn extend(
        &self,
        builder: SessionStateBuilder,
        names: &NamedDumps,
    ) -> Result<SessionStateBuilder, DataFusionError>;

    /// The workers that have stopped answering since the last call, which get no more parts. An error if none is left. Asked after a
    /// statement has failed.
    fn lost_workers(&self) -> BoxFuture<'_, Result<Vec<String>>>;
}

/// The dumps that `current` and `baseline` mean in a session, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedDumps {
    /// The dump of bare table names; `None` where the lake has no dumps.
    pub current: Option<String>,
    /// The dump to compare with, if there is one.
    pub baseline: Option<String>,
}

/// What a worker needs for the parts of one statement.
#[derive(Debug)]
pub struct WorkerSession {
    snapshot: Arc<Snapshot>,
}

impl WorkerSession {
    /// A session in which names mean the dumps that they mean where the statement was planned.
    pub fn open(lake: &Lake, names: &NamedDumps) -> Result<Self> {
        let (current, baseline) = (names.current.as_deref(), names.baseline.as_deref());
        let snapshot = Snapshot::new(lake.snapshot(), current, baseline, SnapshotOptions::default())?;
        Ok(Self { snapshot: Arc::new(snapshot) })
    }

    /// The state with the functions of ours.
    pub fn state(&self, builder: SessionStateBuilder) -> SessionState {
        let context = SessionContext::new_with_state(builder.build());
        functions::register(&context, &self.snapshot);
        context.state()
    }

    /// The plan with its scans reading this worker's lake. An error if it reads anything else.
    pub fn with_files(
        &self,
        plan: Arc<dyn ExecutionPlan>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let mut manifests = HashMap::new();
        let opened = plan.transform_up(|node| match node.downcast_ref::<DataSourceExec>() {
            Some(scan) => Ok(Transformed::yes(self.with_files_of(scan, &mut manifests)?)),
            None => Ok(Transformed::no(node)),
        });
        Ok(opened?.data)
    }

    fn with_files_of(
        &self,
        scan: &DataSourceExec,
        manifests: &mut HashMap<String, Arc<Manifest>>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let config = scan.data_source().downcast_ref::<FileScanConfig>();
        let source = config.and_then(|config| config.file_source().downcast_ref::<ParquetSource>());
        let (Some(config), Some(source)) = (config, source) else {
            return Err(Error::query("a worker reads tables of the lake only".to_owned()).into());
        };
        let mut n_files = 0;
        let groups = config.file_groups.iter().map(|group| {
            let files = group.iter().map(|file| {
                n_files += 1;
                self.opened(file, n_files <= MAX_HELD, manifests)
            });
            Ok::<_, Error>(FileGroup::new(files.collect::<Result<_>>()?))
        });
        let groups = groups.collect::<Result<_>>()?;
        let source = source.clone().with_parquet_file_reader_factory(Arc::new(LakeFiles));
        let config = FileScanConfigBuilder::from(config.clone())
            .with_source(Arc::new(source))
            .with_file_groups(groups)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    /// A file of a scan, opened here.
    fn opened(
        &self,
        file: &PartitionedFile,
        hold: bool,
        manifests: &mut HashMap<String, Arc<Manifest>>,
    ) -> Result<PartitionedFile> {
        let Some(ScalarValue::Utf8View(Some(dump))) = file.partition_values.first() else {
            return Err(Error::Internal("a file of a scan is of no dump".to_owned()));
        };
        let manifest = match manifests.get(dump) {
            Some(manifest) => manifest.clone(),
            None => {
                let found = self.snapshot.manifests().find(dump)?;
                let manifest = found.ok_or_else(|| Error::Removed(dump.clone()))?;
                manifests.entry(dump.clone()).or_insert(manifest).clone()
            }
        };
        let entry = manifest.files.iter().find(|entry| entry.path.as_str() == file.path().as_ref());
        let entry = entry.ok_or_else(|| Error::Removed(dump.clone()))?;
        // A worker has a part of the rows to read.
        let mode = ReadingMode::Parts;
        let opened = LakeFile::new(self.snapshot.lake(), dump, entry, mode, hold)?;
        Ok(file.clone().with_extension(Arc::new(opened)))
    }
}

/// Whether a plan is a scan of a table of the lake.
pub fn is_scan_of_lake(plan: &dyn ExecutionPlan) -> bool {
    let scan = plan.downcast_ref::<DataSourceExec>();
    let config = scan.and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>());
    config.is_some_and(|config| {
        let mut files = config.file_groups.iter().flat_map(|group| group.iter());
        files.all(|file| file.extension::<Arc<LakeFile>>().is_some())
    })
}
