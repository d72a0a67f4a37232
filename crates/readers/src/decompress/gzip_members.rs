//! gzip of many members, inflated on several threads.
//!
//! HotSpot (`jcmd GC.heap_dump -gz`) writes a member for each MiB of a dump, BGZF one for each 64 KiB. No member says how long it
//! is. So the input is cut into pieces where a header like that of the first member occurs, and each piece is inflated on its own. A
//! piece that ends exactly with a member proves that the next one begins with a member. Where one does not, for its cut was
//! inside a member, or for damage, everything from there on is left to the ordinary decompressor, whose bytes and errors are
//! therefore those of the input read in one go.
//!
//! The caller's thread reads the source and hands over pieces. Memory: one more piece than there are threads, each of at
//! most 3 MiB in the input and 32 MiB inflated; 64 KiB and 1 MiB are usual.

use std::{
    collections::VecDeque,
    io::{self, Cursor, Read},
    thread,
};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use flate2::bufread::GzDecoder;

use super::Whole;

/// Bytes of the head of a member that all of a file have in common.
const HEAD_LEN: usize = 10;
/// How a head begins: the magic and the only method.
const MAGIC: &[u8] = &[0x1f, 0x8b, 8];
/// The position of the flags in a head, which the time follows. HotSpot's first member has a comment, the others have none.
const FLAGS_AT: usize = 3;
/// The position of the level in a head, which the system follows. HotSpot's first member has others than those after it.
const LEVEL_AT: usize = 8;
/// Numbers of levels in a head: not said, best, and fastest.
const LEVELS: [u8; 3] = [0, 2, 4];
/// The last number of a system in a head, and the one for none of them.
const SYSTEMS: (u8, u8) = (13, 255);
/// Bytes of a piece in the input: another member is added to less.
const PIECE_BYTES: usize = 1 << 16;
/// Members of a piece at most.
const PIECE_MEMBERS: usize = 16;
/// A member that is longer is left to the ordinary decompressor, with all that follow.
const MAX_MEMBER_BYTES: usize = 2 << 20;
/// So are those of a piece that is longer when it is inflated.
const MAX_INFLATED_BYTES: usize = 32 << 20;
/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 18;

/// Inflates the members of a source as long as it can be cut between them.
pub(crate) struct GzipMembers<R: Read> {
    cutter: Cutter<R>,
    jobs: Sender<(Vec<u8>, Sender<Inflated>)>,
    /// Pieces that are inflated at the moment, in their order.
    in_flight: VecDeque<Receiver<Inflated>>,
    max_in_flight: usize,
    /// Inflated bytes to hand out.
    ready: Cursor<Vec<u8>>,
    /// What comes after `ready` and could not be inflated here.
    rest: Vec<u8>,
    has_ended: bool,
}

/// A piece as it came back.
struct Inflated {
    piece: Vec<u8>,
    /// What it becomes; `None` if it does not consist of whole members, or of too many bytes.
    text: Option<Vec<u8>>,
}

impl<R: Read> GzipMembers<R> {
    /// Begins with a source that is gzip. Gives it back where it cannot be cut, as far as its first 2 MiB tell.
    pub(crate) fn new(source: Whole<R>, threads: usize) -> io::Result<Result<Self, Whole<R>>> {
        let mut cutter = Cutter::new(source);
        if !cutter.finds_second()? {
            return Ok(Err(cutter.into_whole(Vec::new())));
        }
        // At most `max_in_flight` wait.
        let (jobs, waiting) = unbounded::<(Vec<u8>, Sender<Inflated>)>();
        for _ in 0..threads {
            let waiting = waiting.clone();
            // It ends when no more pieces can come; the reader may be gone before its last piece is done.
            thread::Builder::new().name("inflate".to_owned()).spawn(move || {
                for (piece, done) in waiting {
                    let text = inflated(&piece);
                    drop(done.send(Inflated { piece, text }));
                }
            })?;
        }
        Ok(Ok(Self {
            cutter,
            jobs,
            in_flight: VecDeque::new(),
            max_in_flight: threads + 1,
            ready: Cursor::default(),
            rest: Vec::new(),
            has_ended: false,
        }))
    }

    /// The source, which was read further than the inflated bytes.
    pub(crate) fn whole(&self) -> &Whole<R> {
        &self.cutter.source
    }

    /// What remains once there is nothing more to read here: from the beginning of a member to the end of the source.
    pub(crate) fn into_rest(self) -> Whole<R> {
        self.cutter.into_whole(self.rest)
    }

    /// Takes the next piece in order; `false` when there is none.
    fn advance(&mut self) -> io::Result<bool> {
        while self.in_flight.len() < self.max_in_flight
            && let Some(piece) = self.cutter.piece()?
        {
            let (done, inflated) = bounded(1);
            let lost = |_| io::Error::other("the threads that inflate have ended");
            self.jobs.send((piece, done)).map_err(lost)?;
            self.in_flight.push_back(inflated);
        }
        let Some(first) = self.in_flight.pop_front() else { return Ok(false) };
        let Inflated { piece, text } = received(&first)?;
        if let Some(text) = text {
            self.ready = Cursor::new(text);
            return Ok(true);
        }
        // What was inflated of later pieces is of no use: where their members begin is not known.
        self.rest = piece;
        for later in std::mem::take(&mut self.in_flight) {
            self.rest.extend(received(&later)?.piece);
        }
        Ok(false)
    }
}

impl<R: Read> Read for GzipMembers<R> {
    /// Returns 0 where the source ends or the rest must be read in the ordinary way.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() && !self.has_ended {
            let n_read = self.ready.read(buffer)?;
            if n_read > 0 {
                return Ok(n_read);
            }
            self.has_ended = !self.advance()?;
        }
        Ok(0)
    }
}

fn received(from: &Receiver<Inflated>) -> io::Result<Inflated> {
    from.recv().map_err(|_| io::Error::other("a thread that inflates has ended early"))
}

/// What whole members become; `None` if there is anything else, or if it is too much.
fn inflated(mut members: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    while !members.is_empty() {
        let mut decoder = GzDecoder::new(members);
        let limit = MAX_INFLATED_BYTES + 1 - text.len();
        decoder.by_ref().take(limit as u64).read_to_end(&mut text).ok()?;
        if text.len() > MAX_INFLATED_BYTES {
            return None;
        }
        members = decoder.into_inner();
    }
    Some(text)
}

/// Cuts a source into pieces that probably begin with a member each.
struct Cutter<R: Read> {
    source: Whole<R>,
    /// What was read and is of no piece yet; begins with a member.
    bytes: Vec<u8>,
    /// The head of the first member.
    head: [u8; HEAD_LEN],
    /// Up to here `bytes` were looked at for heads.
    searched: usize,
    /// Members in what was looked at, without the one that it ends in.
    n_members: usize,
    is_at_end: bool,
    /// The source failed, or a member is too long: no more pieces.
    has_stopped: bool,
}

impl<R: Read> Cutter<R> {
    fn new(source: Whole<R>) -> Self {
        Self {
            source,
            bytes: Vec::new(),
            head: [0; HEAD_LEN],
            searched: 1,
            n_members: 0,
            is_at_end: false,
            has_stopped: false,
        }
    }

    /// Whether a second member seems to follow the first.
    fn finds_second(&mut self) -> io::Result<bool> {
        loop {
            if let Some(head) = self.bytes.first_chunk() {
                self.head = *head;
                if self.next_head().is_some() {
                    self.searched = 1;
                    return Ok(true);
                }
            }
            if self.is_at_end || self.bytes.len() >= MAX_MEMBER_BYTES {
                return Ok(false);
            }
            self.read_on()?;
        }
    }

    /// The next piece; `None` when there are no more.
    fn piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            while let Some(at) = self.next_head() {
                self.searched = at + 1;
                self.n_members += 1;
                if at >= PIECE_BYTES || self.n_members == PIECE_MEMBERS {
                    let later = self.bytes.split_off(at);
                    (self.searched, self.n_members) = (1, 0);
                    return Ok(Some(std::mem::replace(&mut self.bytes, later)));
                }
            }
            if self.has_stopped {
                return Ok(None);
            }
            if self.is_at_end {
                return Ok(Some(std::mem::take(&mut self.bytes)).filter(|bytes| !bytes.is_empty()));
            }
            if self.bytes.len() > PIECE_BYTES + MAX_MEMBER_BYTES {
                self.has_stopped = true;
                return Ok(None);
            }
            // The error comes again where the source is read in the ordinary way, after all that is before it.
            self.has_stopped = self.read_on().is_err();
        }
    }

    /// Where the next head is, from `searched` on.
    fn next_head(&mut self) -> Option<usize> {
        let mut from = self.searched;
        loop {
            let unseen = self.bytes.get(from..)?;
            let Some(at) = memchr::memmem::find(unseen, MAGIC).map(|at| from + at) else {
                self.searched = from.max(self.bytes.len().saturating_sub(MAGIC.len() - 1));
                return None;
            };
            let Some(found) = self.bytes[at..].first_chunk::<HEAD_LEN>() else {
                self.searched = at;
                return None;
            };
            if self.is_head(found) {
                return Some(at);
            }
            from = at + 1;
        }
    }

    /// Whether these bytes are the head of a member by the writer of the first one.
    fn is_head(&self, found: &[u8; HEAD_LEN]) -> bool {
        let flags = found[FLAGS_AT];
        (flags == 0 || flags == self.head[FLAGS_AT])
            && found[..FLAGS_AT] == self.head[..FLAGS_AT]
            && found[FLAGS_AT + 1..LEVEL_AT] == self.head[FLAGS_AT + 1..LEVEL_AT]
            && LEVELS.contains(&found[LEVEL_AT])
            && (found[LEVEL_AT + 1] <= SYSTEMS.0 || found[LEVEL_AT + 1] == SYSTEMS.1)
    }

    fn read_on(&mut self) -> io::Result<()> {
        let n_read = self.source.by_ref().take(READ_BYTES as u64).read_to_end(&mut self.bytes)?;
        self.is_at_end = n_read == 0;
        Ok(())
    }

    /// The source with bytes put back: those of `first`, then what is of no piece yet.
    fn into_whole(self, mut first: Vec<u8>) -> Whole<R> {
        first.extend(self.bytes);
        let (head, source) = self.source.into_inner();
        let n_taken = (head.position() as usize).min(head.get_ref().len());
        first.extend(&head.get_ref()[n_taken..]);
        Cursor::new(first).chain(source)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, GzBuilder};

    use super::*;
    use crate::decompress::Decoder;

    /// Hardly compressible bytes.
    fn some_bytes(len: usize, seed: u32) -> Vec<u8> {
        let mut state = seed | 1;
        let next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        };
        std::iter::repeat_with(next).take(len).collect()
    }

    fn member(builder: GzBuilder, text: &[u8], level: u32) -> Vec<u8> {
        let mut gzip = builder.write(Vec::new(), Compression::new(level));
        gzip.write_all(text).unwrap();
        gzip.finish().unwrap()
    }

    /// As HotSpot writes them: a comment in the first one, which has another level and system than the others.
    fn hotspot(texts: &[Vec<u8>]) -> Vec<u8> {
        let builder = |i| match i {
            0 => GzBuilder::new().comment("HPROF BLOCKSIZE=1048576"),
            _ => GzBuilder::new(),
        };
        let members = texts.iter().enumerate().map(|(i, text)| {
            let mut member = member(builder(i), text, 1);
            member[LEVEL_AT..HEAD_LEN].copy_from_slice(if i == 0 { &[4, 0] } else { &[0, 3] });
            member
        });
        members.collect::<Vec<_>>().concat()
    }

    /// As BGZF has them: each says how long it is, which nobody needs here.
    fn bgzf(texts: &[Vec<u8>]) -> Vec<u8> {
        let builder = || GzBuilder::new().extra([b"BC\x02\x00".as_slice(), &[0x12, 0x34]].concat());
        texts.iter().flat_map(|text| member(builder(), text, 6)).collect()
    }

    /// Fails after its bytes, again and again.
    struct Failing(Cursor<Vec<u8>>);

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("the disk is gone")),
                n => Ok(n),
            }
        }
    }

    /// The text and the error of a source; and the source itself is read to its end and given back.
    fn decompressed(source: impl Read, threads: usize) -> (Vec<u8>, Option<String>) {
        let mut decoder = Decoder::new(source, threads).unwrap();
        let mut text = Vec::new();
        let error = decoder.read_to_end(&mut text).err().map(|error| error.to_string());
        assert!(decoder.source().is_some() && decoder.into_source().is_some());
        (text, error)
    }

    #[track_caller]
    fn same_on_threads(input: &[u8]) -> (Vec<u8>, Option<String>) {
        let expected = decompressed(Cursor::new(input), 1);
        for threads in [2, 3, 8] {
            let found = decompressed(Cursor::new(input), threads);
            assert_eq!(found.1, expected.1, "{threads}");
            assert!(found.0 == expected.0, "{threads}: {} and {} bytes", found.0.len(), expected.0.len());
        }
        expected
    }

    fn is_cut(input: &[u8]) -> bool {
        GzipMembers::new(Cursor::new(Vec::new()).chain(Cursor::new(input.to_vec())), 2).unwrap().is_ok()
    }

    #[test]
    fn members_give_their_bytes_in_order() {
        let texts: Vec<Vec<u8>> =
            (0..40).map(|i| some_bytes([100_000, 0, 3, 70_000][i % 4], i as u32)).collect();
        for input in [hotspot(&texts), bgzf(&texts)] {
            assert!(is_cut(&input));
            assert_eq!(same_on_threads(&input), (texts.concat(), None));
            // Padding of tapes and object stores.
            assert_eq!(same_on_threads(&[&input[..], &[0; 999]].concat()), (texts.concat(), None));
        }
        // Many zeros in few bytes.
        let zeros = vec![vec![0; 1 << 20]; 70];
        assert_eq!(same_on_threads(&hotspot(&zeros)), (zeros.concat(), None));
    }

    #[test]
    fn what_cannot_be_cut_is_read_as_before() {
        let long = some_bytes(3 << 20, 7);
        let one = member(GzBuilder::new(), &long, 1);
        assert!(!is_cut(&one) && !is_cut(&member(GzBuilder::new(), b"abc", 1)) && !is_cut(b"\x1f\x8b"));
        assert_eq!(same_on_threads(&one), (long.clone(), None));
        // A member that is too long comes after some that are not.
        let texts = [some_bytes(1 << 17, 1), some_bytes(1 << 17, 2), long, some_bytes(1 << 17, 3)];
        assert_eq!(same_on_threads(&hotspot(&texts)), (texts.concat(), None));
        // A member that becomes too much.
        let texts = [some_bytes(1 << 17, 1), vec![0; MAX_INFLATED_BYTES + 1], some_bytes(1 << 17, 3)];
        assert_eq!(same_on_threads(&hotspot(&texts)), (texts.concat(), None));
    }

    #[test]
    fn heads_inside_of_members_change_nothing() {
        let head = hotspot(&[Vec::new(), Vec::new()]).split_off(44);
        assert_eq!(head[..FLAGS_AT], *MAGIC);
        let inside =
            |seed| [some_bytes(90_000, seed), head[..HEAD_LEN].to_vec(), some_bytes(9_000, seed)].concat();
        let stored = |text: &Vec<u8>| member(GzBuilder::new(), text, 0);
        // As if by the writer of the others, which has another level.
        let like = |mut member: Vec<u8>| {
            member[..HEAD_LEN].copy_from_slice(&head[..HEAD_LEN]);
            member
        };
        let texts: Vec<Vec<u8>> = (0..9).map(|seed| inside(seed + 1)).collect();
        let input: Vec<u8> = texts.iter().flat_map(|text| like(stored(text))).collect();
        assert!(is_cut(&input));
        assert_eq!(same_on_threads(&input), (texts.concat(), None));
    }

    #[test]
    fn damage_is_met_at_the_same_byte() {
        let texts: Vec<Vec<u8>> = (0..12).map(|i| some_bytes(80_000, i + 1)).collect();
        let input = hotspot(&texts);
        for at in (20..input.len()).step_by(61_007) {
            let cut = same_on_threads(&input[..at]);
            assert!(cut.1.is_some() && texts.concat().starts_with(&cut.0), "{at}");
            let mut wrong = input.clone();
            wrong[at] ^= 0x55;
            same_on_threads(&wrong);
        }
        for rest in [&b"x"[..], &[0, 0, 1], &input[..5]] {
            assert!(same_on_threads(&[&input, rest].concat()).1.is_some());
        }
        for end in [300_000, 700_000] {
            let failed = |threads| decompressed(Failing(Cursor::new(input[..end].to_vec())), threads);
            assert_eq!(failed(3).1.as_deref(), Some("the disk is gone"));
            assert!(failed(3).0.len() > 200_000 && failed(1).0.starts_with(&failed(3).0));
        }
    }
}
