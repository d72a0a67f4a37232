//! Memory that grows outside of all objects: resident memory of the process against the sizes of its objects.

use super::{Suspect, moments::Moments, words};
use crate::history::{SeriesShape, judge, slope};

/// Resident bytes more from which on the account is opened; below, the allocator's own pages explain it.
const MIN_GROWTH: i64 = 4 << 20;

/// The suspect that no object is, where resident memory grows and the objects do not explain a third of it.
pub(super) fn outside_objects(moments: &Moments) -> Option<Suspect> {
    let of = |moment: usize| {
        let manifest = moments.heap(moment).manifest();
        let resident = i64::try_from(manifest.process.resident_bytes?).ok()?;
        Some((resident, manifest.counts.bytes))
    };
    let all: Vec<(i64, i64)> = (0..moments.len()).map(of).collect::<Option<_>>()?;
    let ((first, first_objects), (last, last_objects)) = (*all.first()?, *all.last()?);
    let (resident, objects) = (last - first, last_objects - first_objects);
    let outside: Vec<i64> = all.iter().map(|(resident, objects)| resident - objects).collect();
    let is_explained = objects.saturating_mul(3) >= resident;
    if moments.len() < 2 || resident < MIN_GROWTH || is_explained {
        return None;
    }
    let shape = judge(&outside).shape;
    let confidence = match (shape, moments.len()) {
        (SeriesShape::Growing, 2) => 0.55,
        (SeriesShape::Growing, _) => 0.8,
        _ => 0.2,
    };
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
        count_growth: Some(0),
        retained: last - last_objects,
        retained_growth: Some(resident - objects),
        per_hour: slope(&hours, &values),
        shape: Some(shape.name()),
        dumps: moments.len() as i64,
        evidence: vec![
            format!("resident memory grew by {}, all objects together by {}", words::bytes(resident), words::bytes(objects)),
            format!("{} of {} resident bytes are of no object", words::bytes(last - last_objects), words::bytes(last)),
        ],
        advice: "No object holds this memory: look at extensions, at buffers that C code allocates, and at the allocator \
                 (fragmentation; compare with MALLOC_ARENA_MAX=2 or malloc_trim)."
            .to_owned(),
        queries: vec!["SELECT id, taken, bytes, tags FROM dump ORDER BY taken".to_owned()],
        path: String::new(),
        cut: None,
        basis: "judged",
    })
}
