//! The table `field` while an import runs.
//!
//! Rows are collected up to a limit, sorted by type, name and address, and written in row groups that end where another field
//! begins, as far as they are long enough. So the statistics of most row groups name one field, and a query for one reads
//! little of a large table.

use std::{collections::HashMap, sync::Arc};

use arrow::array::{ArrayRef, Float64Builder, Int64Builder, StringArray, StringBuilder, UInt64Array};
use heaplake_model::schema::Table;
use heaplake_readers::{FieldKey, FieldRows, FieldValue, TypeTable};

use super::appended::AppendedTable;
use crate::{Result, file_names::FileNames, parquet_file::FileSum, properties};

pub(super) struct FieldFile<'f> {
    table: AppendedTable,
    types: &'f TypeTable,
    keys: Vec<FieldKey>,
    key_ids: HashMap<FieldKey, u32>,
    rows: Vec<Row>,
    /// Rows to collect before they are written.
    max_rows: usize,
}

/// The key, the address of the object and the bits of the value.
type Row = (u32, u64, u64);

/// The longest row group.
const MAX_GROUP: usize = 1 << 16;
/// A row group of so many rows ends where another field begins.
const MIN_GROUP: usize = 1 << 13;

impl<'f> FieldFile<'f> {
    /// `bytes` of memory are for rows that were not written yet.
    pub(super) fn create(names: &FileNames<'_>, types: &'f TypeTable, bytes: usize) -> Result<Self> {
        Ok(Self {
            table: AppendedTable::create(names, Table::Field, properties::field())?,
            types,
            keys: Vec::new(),
            key_ids: HashMap::new(),
            rows: Vec::new(),
            max_rows: (bytes / size_of::<Row>()).max(MAX_GROUP),
        })
    }

    /// Bytes of memory that grow with the number of fields, not of objects.
    pub(super) fn memory(&self) -> usize {
        self.keys.len() * 2 * (size_of::<FieldKey>() + size_of::<u32>())
    }

    pub(super) fn push(&mut self, fields: FieldRows) -> Result<()> {
        let FieldRows { keys, key_ids, addresses, bits } = fields;
        let ids: Vec<u32> = keys.into_iter().map(|key| self.key_id(key)).collect();
        for ((key, address), bits) in key_ids.into_iter().zip(addresses).zip(bits) {
            let Some(key) = ids.get(key as usize) else { continue };
            self.rows.push((*key, address, bits));
            if self.rows.len() >= self.max_rows {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn key_id(&mut self, key: FieldKey) -> u32 {
        if let Some(known) = self.key_ids.get(&key) {
            return *known;
        }
        let id = self.keys.len() as u32;
        self.keys.push(key.clone());
        self.key_ids.insert(key, id);
        id
    }

    /// Writes the remaining rows.
    pub(super) fn finish(mut self) -> Result<(FileSum, u64)> {
        self.flush()?;
        self.table.finish()
    }

    fn flush(&mut self) -> Result<()> {
        let type_names = self.types.names();
        let type_name = |key: &FieldKey| type_names.get(key.type_id as usize).map_or("", |name| &**name);
        let mut order: Vec<u32> = (0..self.keys.len() as u32).collect();
        let sort_key = |id: u32| {
            let key = &self.keys[id as usize];
            (type_name(key), &key.name, key.kind)
        };
        order.sort_unstable_by(|a, b| sort_key(*a).cmp(&sort_key(*b)));
        let mut ranks = vec![0_u32; order.len()];
        order.iter().zip(0..).for_each(|(id, rank)| ranks[*id as usize] = rank);
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_unstable_by_key(|(key, address, _)| (ranks[*key as usize], *address));
        let mut rest = &rows[..];
        while !rest.is_empty() {
            let group = &rest[..group_len(rest)];
            rest = &rest[group.len()..];
            let keys = || group.iter().map(|(key, ..)| &self.keys[*key as usize]);
            let mut integers = Int64Builder::with_capacity(group.len());
            let mut floats = Float64Builder::with_capacity(group.len());
            let mut texts = StringBuilder::new();
            for (key, (.., bits)) in keys().zip(group) {
                let value = key.kind.value(*bits);
                let (mut integer, mut float, mut text) = (None, None, None);
                match value {
                    FieldValue::Integer(value) => integer = Some(value),
                    FieldValue::Float(value) => float = Some(value),
                    FieldValue::Char(value) => text = Some(value),
                }
                integers.append_option(integer);
                floats.append_option(float);
                texts.append_option(text.map(|c| c.to_string()));
            }
            let columns: Vec<ArrayRef> = vec![
                Arc::new(UInt64Array::from_iter_values(group.iter().map(|(_, address, _)| *address))),
                Arc::new(StringArray::from_iter_values(keys().map(type_name))),
                Arc::new(StringArray::from_iter_values(keys().map(|key| &*key.name))),
                Arc::new(StringArray::from_iter_values(keys().map(|key| key.kind.name()))),
                Arc::new(integers.finish()),
                Arc::new(floats.finish()),
                Arc::new(texts.finish()),
            ];
            self.table.append(columns)?;
        }
        rows.clear();
        self.rows = rows;
        Ok(())
    }
}

/// Rows of the next row group.
fn group_len(rows: &[Row]) -> usize {
    let longest = rows.len().min(MAX_GROUP);
    let ends = (MIN_GROUP..longest).find(|end| rows[*end].0 != rows[end - 1].0);
    ends.unwrap_or(longest)
}
