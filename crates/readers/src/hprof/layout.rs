//! How large objects are in the VM: the file does not say it.
//!
//! The size of an object follows from the bytes of its header, of a reference, of the head of an array, the unit to which sizes are
//! rounded up, and the way in which fields are packed ([`ObjectLayout`]). Neighbours tell all of them: an object ends at
//! or before the next one in memory, and in a heap that was just collected most end exactly there. So the layout is chosen
//! under which most objects end where the next one begins and fewest reach into it; and the size of a class is corrected
//! where its instances say that it is another one, for what the VM adds to some classes is in no file.

use heaplake_model::{FieldPacking, LayoutOverride};

use super::{
    dialect::{BasicType, Dialect},
    scanned::ArraySample,
};

/// The layout of the objects of a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ObjectLayout {
    /// Bytes before the first field.
    pub(super) header: u32,
    /// Bytes of a reference.
    pub(super) reference: u32,
    /// Bytes before the first element of an array, if elements are not larger.
    pub(super) array_header: u32,
    /// Sizes are multiples of it.
    pub(super) alignment: u32,
    pub(super) packing: FieldPacking,
}

/// How many samples speak for a layout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    /// Samples that end exactly at the next object.
    pub(super) exact: u32,
    pub(super) samples: u32,
}

impl ObjectLayout {
    /// The usual layout of a VM whose ids have so many bytes, for dumps that tell nothing, but for what is given.
    pub(super) fn usual(dialect: Dialect, given: &LayoutOverride) -> Self {
        let reference = given.reference.unwrap_or(4);
        let header = given.header.unwrap_or(if dialect.id_bytes == 8 { 12 } else { 8 });
        // The length of an array follows its header. References of 8 bytes go with padding after it.
        let array_header = if header == 16 { 24 } else { header.next_multiple_of(4) + 4 };
        Self {
            header,
            reference,
            array_header: given.array_header.unwrap_or(array_header),
            alignment: given.alignment.unwrap_or(8),
            packing: given.packing.unwrap_or(FieldPacking::Gaps),
        }
    }

    /// The shallow size of an array.
    pub(super) fn array_bytes(&self, element_bytes: u32, count: u32) -> u64 {
        let base = self.array_header.next_multiple_of(element_bytes.max(1));
        (u64::from(base) + u64::from(element_bytes) * u64::from(count))
            .next_multiple_of(u64::from(self.alignment))
    }

    /// Chooses the layout of arrays, and with it that of references, where it is not given.
    pub(super) fn of_arrays(
        dialect: Dialect,
        samples: &[ArraySample],
        given: &LayoutOverride,
    ) -> (Self, Evidence) {
        let usual = Self::usual(dialect, given);
        let mut best = (usual, Evidence::default(), i64::MIN);
        let references: &[u32] = if dialect.id_bytes == 8 { &[4, 8] } else { &[4] };
        for reference in candidates(given.reference, references) {
            for alignment in candidates(given.alignment, &[8, 16]) {
                for array_header in candidates(given.array_header, &[16, 12, 20, 24, 8]) {
                    let layout = Self { reference, array_header, alignment, ..usual };
                    let is_possible =
                        |header| given.array_header.is_some() || layout.headers().contains(&header);
                    if !given.header.is_none_or(is_possible) {
                        continue;
                    }
                    let evidence = |sample: &ArraySample| {
                        let element =
                            if sample.element_bytes == 0 { reference } else { sample.element_bytes.into() };
                        layout.array_bytes(element, sample.count).cmp(&sample.distance.into())
                    };
                    let found = weigh(samples.iter().map(evidence));
                    // The usual layout is tried first: another must be better.
                    if found.1 > best.2 || (found.1 == best.2 && layout == usual) {
                        best = (layout, found.0, found.1);
                    }
                }
            }
        }
        if best.1.counts() { (best.0, best.1) } else { (usual, best.1) }
    }

    /// The headers of instances that are possible with that of arrays, in which the length of the array follows, and may be
    /// followed by padding.
    fn headers(&self) -> [u32; 2] {
        match self.array_header {
            8 => [4, 8],
            12 => [8, 8],
            16 => [12, 8],
            20 => [16, 12],
            _ => [16, 12],
        }
    }

    /// The layouts of instances that are possible where this one is that of arrays.
    pub(super) fn with_instances(self, given: &LayoutOverride) -> impl Iterator<Item = Self> {
        let packings = candidates(given.packing, &[FieldPacking::Gaps, FieldPacking::After]);
        candidates(given.header, &self.headers()).into_iter().flat_map(move |header| {
            let packings = packings.clone();
            packings.into_iter().map(move |packing| Self { header, packing, ..self })
        })
    }

    /// In words. Without evidence that counts, what is not given is assumed.
    pub(super) fn describe(&self, arrays: Evidence, instances: Evidence, given: &LayoutOverride) -> String {
        let percent =
            |evidence: Evidence| 100 * u64::from(evidence.exact) / u64::from(evidence.samples.max(1));
        let Self { header, reference, array_header, alignment, packing } = self;
        let packing = match packing {
            FieldPacking::Gaps => "",
            FieldPacking::After => ", fields after those of the superclass",
        };
        let given = match given.keys() {
            keys if keys.is_empty() => String::new(),
            keys => format!(" ({} as given)", keys.join(", ")),
        };
        let layout = format!(
            "{header}-byte headers, {array_header} of arrays, {reference}-byte references, sizes in units of {alignment}{packing}{given}"
        );
        if !arrays.counts() {
            return format!("{layout}: assumed, the distances of objects do not tell it");
        }
        format!(
            "{layout}: so {} % of {} arrays and {} % of {} classes end where the next object begins",
            percent(arrays),
            arrays.samples,
            percent(instances),
            instances.samples
        )
    }
}

/// What is given, else all that is possible.
fn candidates<T: Copy>(given: Option<T>, possible: &[T]) -> Vec<T> {
    given.map_or_else(|| possible.to_vec(), |given| vec![given])
}

impl Evidence {
    /// Whether ids are addresses, as far as it tells: some writers number their objects.
    pub(super) fn counts(&self) -> bool {
        self.samples > 0 && self.exact >= self.samples / 4
    }
}

/// The evidence of some comparisons of computed sizes with distances, and its weight: a size that is larger than the
/// distance is impossible, a smaller one only rare.
pub(super) fn weigh(comparisons: impl Iterator<Item = std::cmp::Ordering>) -> (Evidence, i64) {
    let (mut evidence, mut weight) = (Evidence::default(), 0);
    for comparison in comparisons {
        evidence.samples += 1;
        weight += match comparison {
            std::cmp::Ordering::Equal => 1,
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Greater => -4,
        };
        evidence.exact += u32::from(comparison.is_eq());
    }
    (evidence, weight)
}

/// The fields of an object as they are put one after the other, superclasses first.
#[derive(Debug, Clone)]
pub(super) struct FieldPacker {
    layout: ObjectLayout,
    end: u32,
    /// Unused bytes: offset and length.
    gaps: Vec<(u32, u32)>,
}

/// Number of fields by what they are: references, then those of 8, 4, 2 and 1 bytes.
pub(super) type FieldCounts = [u32; 5];

/// What the VM adds to the fields of some classes: no file has it. Pointers have the size of an id, and are counted with 8.
const INJECTED: &[(&str, FieldCounts)] = &[
    ("java.lang.Class", [3, 2, 2, 0, 0]),
    ("java.lang.ClassLoader", [0, 1, 0, 0, 0]),
    ("java.lang.Module", [0, 1, 0, 0, 0]),
    ("java.lang.invoke.MemberName", [0, 1, 0, 0, 0]),
    ("java.lang.invoke.ResolvedMethodName", [1, 1, 0, 0, 0]),
    ("java.lang.invoke.MethodHandleNatives$CallSiteContext", [0, 2, 0, 0, 0]),
    ("java.lang.StackFrameInfo", [0, 0, 0, 1, 0]),
];

/// Bytes before and after fields that several threads write, which the annotation `@Contended` asks for (`ContendedPaddingWidth`).
const PADDING: u32 = 128;

/// A class of the JDK with this annotation, which no file has.
struct ContendedClass {
    name: &'static str,
    /// The class itself has it: all its fields follow a padding.
    is_whole: bool,
    /// The fields of its one group, which a padding separates from the others.
    group: &'static [&'static str],
}

const CONTENDED: &[ContendedClass] = &[
    ContendedClass {
        name: "java.lang.Thread",
        is_whole: false,
        group: &["threadLocalRandomSeed", "threadLocalRandomProbe", "threadLocalRandomSecondarySeed"],
    },
    ContendedClass { name: "java.util.concurrent.ConcurrentHashMap$CounterCell", is_whole: true, group: &[] },
    ContendedClass { name: "java.util.concurrent.Exchanger$Node", is_whole: true, group: &[] },
    ContendedClass {
        name: "java.util.concurrent.ForkJoinPool",
        is_whole: false,
        group: &["ctl", "parallelism"],
    },
    ContendedClass {
        name: "java.util.concurrent.ForkJoinPool$WorkQueue",
        is_whole: false,
        group: &["top", "source", "nsteals"],
    },
    ContendedClass {
        name: "java.util.concurrent.SubmissionPublisher$BufferedSubscription",
        is_whole: true,
        group: &["demand", "waiting"],
    },
    ContendedClass { name: "java.util.concurrent.atomic.Striped64$Cell", is_whole: true, group: &[] },
];

/// The fields of a class itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ClassFields {
    plain: FieldCounts,
    /// Those that a padding separates from the others.
    contended: FieldCounts,
}

impl ClassFields {
    /// Counts the fields of the class with this name, given as name and type.
    pub(super) fn count<'n>(class: &str, fields: impl Iterator<Item = (&'n str, BasicType)>) -> Self {
        let group = CONTENDED.iter().find(|contended| contended.name == class).map_or(&[][..], |c| c.group);
        let mut counted = Self::default();
        for (name, basic) in fields {
            let is_contended = group.contains(&name);
            count_field(if is_contended { &mut counted.contended } else { &mut counted.plain }, basic);
        }
        counted
    }
}

impl FieldPacker {
    pub(super) fn new(layout: ObjectLayout) -> Self {
        Self { layout, end: layout.header, gaps: Vec::new() }
    }

    /// Adds the fields of a class itself.
    ///
    /// As HotSpot's `FieldLayoutBuilder::compute_regular_layout`: a padding before the fields if the class is contended, one
    /// before the fields of its group, and one at the end if there was any.
    pub(super) fn add_class(&mut self, name: &str, fields: ClassFields) {
        let injected =
            INJECTED.iter().find(|(class, _)| *class == name).map_or([0; 5], |(_, counts)| *counts);
        let plain: FieldCounts = std::array::from_fn(|i| fields.plain[i] + injected[i]);
        let is_whole = CONTENDED.iter().any(|contended| contended.name == name && contended.is_whole);
        let has_group = fields.contended != [0; 5];
        if is_whole {
            self.add_padded(plain);
        } else {
            match self.layout.packing {
                FieldPacking::Gaps => self.add_into_gaps(plain),
                FieldPacking::After => self.add_after(plain),
            }
        }
        if has_group {
            self.add_padded(fields.contended);
        }
        if is_whole || has_group {
            // Fields of subclasses follow the padding at the end.
            self.end = self.end.saturating_add(PADDING).next_multiple_of(8);
            self.gaps.clear();
        }
    }

    /// Adds fields after a padding, without filling gaps.
    fn add_padded(&mut self, [references, eight, four, two, one]: FieldCounts) {
        self.end = self.end.saturating_add(PADDING);
        for (bytes, n) in [(8, eight), (4, four), (2, two), (1, one), (self.layout.reference, references)] {
            self.gaps.clear();
            self.add_fields(bytes, n);
        }
        self.gaps.clear();
    }

    /// The largest fields first, references last; each into the smallest gap that it fits.
    fn add_into_gaps(&mut self, [references, eight, four, two, one]: FieldCounts) {
        for (bytes, n) in [(8, eight), (4, four), (2, two), (1, one), (self.layout.reference, references)] {
            self.add_fields(bytes, n);
        }
    }

    fn add_fields(&mut self, bytes: u32, mut n: u32) {
        while n > 0 {
            let fits = |(offset, len): (u32, u32)| offset.next_multiple_of(bytes) + bytes <= offset + len;
            let gaps = self.gaps.iter().enumerate().filter(|(_, gap)| fits(**gap));
            let Some(best) = gaps.min_by_key(|(_, (_, len))| *len).map(|(i, _)| i) else { break };
            let (offset, len) = self.gaps.swap_remove(best);
            let start = offset.next_multiple_of(bytes);
            self.gaps.extend([(offset, start - offset)].into_iter().filter(|(_, len)| *len > 0));
            self.gaps.extend(
                [(start + bytes, offset + len - start - bytes)].into_iter().filter(|(_, len)| *len > 0),
            );
            n -= 1;
        }
        if n > 0 {
            let start = self.end.next_multiple_of(bytes);
            self.gaps.extend([(self.end, start - self.end)].into_iter().filter(|(_, len)| *len > 0));
            self.end = start.saturating_add(n.saturating_mul(bytes));
        }
    }

    /// Fields begin after those of the superclass; only a gap before the first of 8 bytes is filled.
    fn add_after(&mut self, [references, eight, four, two, one]: FieldCounts) {
        self.gaps.clear();
        let reference = self.layout.reference;
        self.end = self.end.next_multiple_of(reference.min(4));
        for (bytes, n) in [(8, eight), (4, four), (2, two), (1, one), (reference, references)] {
            self.add_fields(bytes, n);
        }
        self.end = self.end.next_multiple_of(reference);
        self.gaps.clear();
    }

    /// Adds static fields, which follow the fields of a class object, references first and without filling gaps.
    pub(super) fn add_statics(&mut self, [references, eight, four, two, one]: FieldCounts) {
        self.end = self.end.next_multiple_of(8);
        self.gaps.clear();
        for (bytes, n) in [(self.layout.reference, references), (8, eight), (4, four), (2, two), (1, one)] {
            self.add_fields(bytes, n);
            self.gaps.clear();
        }
    }

    /// The shallow size of an object with these fields.
    pub(super) fn size(&self) -> u32 {
        self.end.next_multiple_of(self.layout.alignment)
    }
}

/// Adds a field of this type to the counts.
fn count_field(counts: &mut FieldCounts, basic: BasicType) {
    let position = match (basic, basic.bytes(0)) {
        (BasicType::Object, _) => 0,
        (_, 8) => 1,
        (_, 4) => 2,
        (_, 2) => 3,
        _ => 4,
    };
    counts[position] += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPRESSED: ObjectLayout = ObjectLayout {
        header: 12,
        reference: 4,
        array_header: 16,
        alignment: 8,
        packing: FieldPacking::Gaps,
    };
    const COMPACT: ObjectLayout = ObjectLayout { header: 8, array_header: 12, ..COMPRESSED };
    const WIDE: ObjectLayout = ObjectLayout { header: 16, reference: 8, array_header: 24, ..COMPRESSED };

    fn plain(plain: FieldCounts) -> ClassFields {
        ClassFields { plain, ..ClassFields::default() }
    }

    #[test]
    fn fields_fill_the_gaps_of_superclasses() {
        // byte, long | int, boolean | short, reference, double, char
        let classes: [FieldCounts; 3] = [[0, 1, 0, 0, 1], [0, 0, 1, 0, 1], [1, 1, 0, 2, 0]];
        let size = |layout| {
            let mut packer = FieldPacker::new(layout);
            classes.iter().for_each(|counts| packer.add_class("A", plain(*counts)));
            packer.size()
        };
        assert_eq!(size(COMPRESSED), 48);
        assert_eq!(size(ObjectLayout { packing: FieldPacking::After, ..COMPRESSED }), 48);
        assert_eq!(size(COMPACT), 40);
        assert_eq!(size(WIDE), 56);
    }

    #[test]
    fn classes_and_threads_are_as_large_as_in_hotspot() {
        // java.lang.reflect.Proxy and a class without statics, as JDK 17 has them: 112 bytes by the fields of java.lang.Class.
        let size = |statics| {
            let mut packer = FieldPacker::new(COMPRESSED);
            packer.add_class("java.lang.Class", plain([14, 0, 1, 0, 0]));
            packer.add_statics(statics);
            packer.size()
        };
        assert_eq!(size([0; 5]), 112);
        // The gap before the long stays.
        assert_eq!(size([5, 1, 0, 0, 1]), 152);
        let mut thread = FieldPacker::new(COMPRESSED);
        let fields = ClassFields { plain: [11, 3, 2, 0, 3], contended: [0, 1, 2, 0, 0] };
        thread.add_class("java.lang.Thread", fields);
        assert_eq!(thread.size(), 368);
        thread.add_class("FinalizerThread", plain([0, 0, 0, 0, 1]));
        assert_eq!(thread.size(), 376);
        // Without a field in the file: the VM adds a reference and a pointer.
        for (layout, bytes) in
            [(COMPRESSED, 24), (WIDE, 32), (ObjectLayout { reference: 8, ..COMPRESSED }, 32)]
        {
            let mut resolved = FieldPacker::new(layout);
            resolved.add_class("java.lang.invoke.ResolvedMethodName", plain([0; 5]));
            assert_eq!(resolved.size(), bytes, "{layout:?}");
        }
    }

    #[test]
    fn contended_classes_are_as_large_as_in_hotspot() {
        use BasicType::{Int, Long, Object};
        const OF_POOL: &[(&str, BasicType, usize)] =
            &[("keepAlive", Long, 2), ("mode", Int, 4), ("queues", Object, 7), ("ctl", Long, 1)];
        const OF_QUEUE: &[(&str, BasicType, usize)] = &[
            ("phase", Int, 4),
            ("array", Object, 2),
            ("top", Int, 1),
            ("source", Int, 1),
            ("nsteals", Int, 1),
        ];
        const OF_SUBSCRIPTION: &[(&str, BasicType, usize)] = &[
            ("timeout", Long, 1),
            ("head", Int, 4),
            ("array", Object, 8),
            ("demand", Long, 1),
            ("waiting", Int, 1),
        ];
        // JDK 17 by jcmd GC.class_histogram, with -UseCompressedOops, and with -UseCompressedClassPointers as well.
        for (class, fields, sizes) in [
            ("java.util.concurrent.atomic.Striped64$Cell", &[("value", Long, 1)][..], [280, 280, 280]),
            ("java.util.concurrent.ConcurrentHashMap$CounterCell", &[("value", Long, 1)], [280, 280, 280]),
            (
                "java.util.concurrent.Exchanger$Node",
                &[("hash", Int, 4), ("item", Object, 3)],
                [296, 312, 312],
            ),
            ("java.util.concurrent.ForkJoinPool", OF_POOL, [336, 368, 368]),
            ("java.util.concurrent.ForkJoinPool$WorkQueue", OF_QUEUE, [304, 320, 320]),
            (
                "java.util.concurrent.SubmissionPublisher$BufferedSubscription",
                OF_SUBSCRIPTION,
                [472, 504, 504],
            ),
        ] {
            let layouts = [COMPRESSED, ObjectLayout { reference: 8, ..COMPRESSED }, WIDE];
            for (layout, size) in layouts.into_iter().zip(sizes) {
                let mut packer = FieldPacker::new(layout);
                let fields =
                    fields.iter().flat_map(|(name, basic, n)| std::iter::repeat_n((*name, *basic), *n));
                packer.add_class(class, ClassFields::count(class, fields));
                assert_eq!(packer.size(), size, "{class} {layout:?}");
            }
        }
    }

    #[test]
    fn the_layout_of_arrays_is_found_by_their_distances() {
        let dialect = Dialect { id_bytes: 8, is_android: false };
        let layouts = [
            COMPRESSED,
            COMPACT,
            WIDE,
            ObjectLayout { array_header: 20, ..WIDE },
            ObjectLayout { reference: 8, ..COMPRESSED },
            ObjectLayout { alignment: 16, ..COMPRESSED },
        ];
        for layout in layouts {
            let samples: Vec<ArraySample> = (0..300)
                .map(|i| {
                    let element_bytes = [0, 1, 2, 4, 8][i % 5];
                    let bytes = if element_bytes == 0 { layout.reference } else { element_bytes.into() };
                    let distance = layout.array_bytes(bytes, i as u32 % 17) as u32;
                    // Some are followed by something that is not in the dump.
                    let distance = if i.is_multiple_of(10) { distance + 64 } else { distance };
                    ArraySample { count: i as u32 % 17, element_bytes, distance }
                })
                .collect();
            let (found, evidence) = ObjectLayout::of_arrays(dialect, &samples, &LayoutOverride::default());
            let arrays = |layout: ObjectLayout| (layout.reference, layout.array_header, layout.alignment);
            assert_eq!((arrays(found), evidence), (arrays(layout), Evidence { exact: 270, samples: 300 }));
            assert!(
                found.with_instances(&LayoutOverride::default()).any(|found| found == layout),
                "{layout:?}"
            );
        }
        let nothing = LayoutOverride::default();
        let (assumed, evidence) = ObjectLayout::of_arrays(dialect, &[], &nothing);
        assert_eq!((assumed, evidence), (COMPRESSED, Evidence::default()));
        assert!(
            assumed
                .describe(evidence, evidence, &nothing)
                .ends_with("assumed, the distances of objects do not tell it")
        );
    }
}
