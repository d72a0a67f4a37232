//! Memory outside of all objects: what C code has allocated, where the dumps say it, else resident memory less the sizes of objects.

use heaplake_model::MemoryPart;

use super::{Suspect, moments::Moments, words};
use crate::history::{SeriesShape, judge, slope};

/// Bytes more from which on the account is opened; below, the allocator's own pages explain it.
const MIN_GROWTH: i64 = 4 << 20;
/// Bytes of C code from which on they are worth a word in a single dump.
const MIN_NATIVE: i64 = 8 << 20;

/// What the dumps say of memory outside of objects.
struct Account {
    /// By moment, bytes outside of objects.
    outside: Vec<i64>,
    confidence: f64,
    shape: Option<SeriesShape>,
    evidence: Vec<String>,
}

/// The suspect that no object is: C code has half of the memory, or it grows and objects do not explain that.
pub(super) fn outside_objects(moments: &Moments) -> Option<Suspect> {
    let account = native(moments).or_else(|| resident(moments))?;
    let Account { outside, confidence, shape, evidence } = account;
    let (first, last) = (*outside.first()?, *outside.last()?);
    let has_growth = outside.len() > 1;
    let taken = moments.taken();
    let hours: Vec<f64> = taken.iter().map(|at| (*at - taken[0]).as_seconds_f64() / 3600.0).collect();
    let values: Vec<f64> = outside.iter().map(|bytes| *bytes as f64).collect();
    Some(Suspect {
        confidence,
        idiom: "outside_objects",
        holder: None,
        holder_type: String::new(),
        holder_path: "(not in objects)".to_owned(),
        held_by: None,
        type_name: "(memory outside of objects)".to_owned(),
        count: 0,
        count_growth: has_growth.then_some(0),
        retained: last,
        retained_growth: has_growth.then_some(last - first),
        per_hour: slope(&hours, &values),
        shape: shape.map(SeriesShape::name),
        dumps: moments.len() as i64,
        evidence,
        advice: "No object holds this memory: look at extensions, at buffers that C code allocates, and at the allocator \
                 (fragmentation; compare with MALLOC_ARENA_MAX=2 or malloc_trim)."
            .to_owned(),
        queries: vec!["SELECT id, taken, bytes, tags FROM dump ORDER BY taken".to_owned()],
        path: String::new(),
        cut: None,
        basis: "judged",
    })
}

/// Bytes that C code has allocated and no object shows; `None` where a dump does not say, and where they are few or stay as they are.
fn native(moments: &Moments) -> Option<Account> {
    let of = |moment: usize| {
        let manifest = moments.heap(moment).manifest();
        let account = manifest.process.account(manifest.counts.bytes)?;
        Some((bytes(account.part(MemoryPart::Native)), bytes(account.total), manifest.counts.bytes))
    };
    let all: Vec<(i64, i64, i64)> = (0..moments.len()).map(of).collect::<Option<_>>()?;
    let ((first, _, first_objects), (last, total, last_objects)) = (*all.first()?, *all.last()?);
    let outside: Vec<i64> = all.iter().map(|(native, ..)| *native).collect();
    let part = format!(
        "{} of {} that the process has are allocated by C code and of no object",
        words::bytes(last),
        words::bytes(total)
    );
    if moments.len() == 1 {
        let is_half = last >= MIN_NATIVE && last.saturating_mul(2) >= total;
        let evidence =
            vec!["there is one dump: it shows what is held, not whether it grows".to_owned(), part];
        return is_half.then_some(Account { outside, confidence: 0.25, shape: None, evidence });
    }
    let (growth, objects) = (last - first, last_objects - first_objects);
    if growth < MIN_GROWTH || objects >= growth {
        return None;
    }
    let evidence = vec![
        format!(
            "memory of C code grew by {}, all objects together by {}",
            words::bytes(growth),
            words::bytes(objects)
        ),
        part,
    ];
    let (confidence, shape) = judged(&outside);
    Some(Account { outside, confidence, shape: Some(shape), evidence })
}

/// Resident bytes less those of objects, where they grow and the objects do not explain a third of it, of dumps that say no more.
fn resident(moments: &Moments) -> Option<Account> {
    let of = |moment: usize| {
        let manifest = moments.heap(moment).manifest();
        let says_more = manifest.process.account(manifest.counts.bytes).is_some();
        let resident = manifest.process.resident_bytes.filter(|_| !says_more)?;
        Some((bytes(resident), manifest.counts.bytes))
    };
    let all: Vec<(i64, i64)> = (0..moments.len()).map(of).collect::<Option<_>>()?;
    let ((first, first_objects), (last, last_objects)) = (*all.first()?, *all.last()?);
    let (resident, objects) = (last - first, last_objects - first_objects);
    let is_explained = objects.saturating_mul(3) >= resident;
    if moments.len() < 2 || resident < MIN_GROWTH || is_explained {
        return None;
    }
    let outside: Vec<i64> = all.iter().map(|(resident, objects)| resident - objects).collect();
    let evidence = vec![
        format!(
            "resident memory grew by {}, all objects together by {}",
            words::bytes(resident),
            words::bytes(objects)
        ),
        format!(
            "{} of {} resident bytes are of no object",
            words::bytes(last - last_objects),
            words::bytes(last)
        ),
    ];
    let (confidence, shape) = judged(&outside);
    Some(Account { outside, confidence, shape: Some(shape), evidence })
}

fn judged(outside: &[i64]) -> (f64, SeriesShape) {
    let shape = judge(outside).shape;
    let confidence = match (shape, outside.len()) {
        (SeriesShape::Growing, 2) => 0.55,
        (SeriesShape::Growing, _) => 0.8,
        _ => 0.2,
    };
    (confidence, shape)
}

fn bytes(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
