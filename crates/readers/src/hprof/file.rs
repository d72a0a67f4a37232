//! Reads a file at any position, through a window that moves forwards or through cached pages.

use std::{fs::File, io};

/// Reads at a position of a file, as much as there is.
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match read_some(file, &mut buffer[done..], position + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(unix)]
fn read_some(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, position)
}

#[cfg(windows)]
fn read_some(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, position)
}

/// Replaces the content of `buffer` by `n` bytes of a file, or fewer at its end. The caller has checked `n`.
pub(super) fn read_range(file: &File, buffer: &mut Vec<u8>, position: u64, n: usize) -> io::Result<()> {
    buffer.resize(n, 0);
    let n_read = read_at(file, buffer, position)?;
    buffer.truncate(n_read);
    Ok(())
}

/// A part of a file that moves forwards.
pub(super) struct Window<'f> {
    file: &'f File,
    /// Where the bytes begin in the file.
    start: u64,
    bytes: Vec<u8>,
}

/// Bytes that a window reads at a time.
const WINDOW_BYTES: usize = 1 << 20;

impl<'f> Window<'f> {
    pub(super) fn new(file: &'f File) -> Self {
        Self { file, start: 0, bytes: Vec::new() }
    }

    /// The file, to read elsewhere without moving the window.
    pub(super) fn file(&self) -> &'f File {
        self.file
    }

    /// The bytes at a position: at least `n`, or all there are before the end of the file.
    #[inline]
    pub(super) fn at(&mut self, position: u64, n: usize) -> io::Result<&[u8]> {
        let is_inside = position >= self.start && position + n as u64 <= self.start + self.bytes.len() as u64;
        if !is_inside {
            self.start = position;
            read_range(self.file, &mut self.bytes, position, n.max(WINDOW_BYTES))?;
        }
        Ok(&self.bytes[(position - self.start) as usize..])
    }
}

/// Pages of a file, the last ones that were used.
pub(super) struct Pages<'f> {
    file: &'f File,
    /// Direct-mapped by the number of the page.
    pages: Vec<Page>,
    /// A range that crosses pages.
    joined: Vec<u8>,
}

struct Page {
    number: u64,
    bytes: Vec<u8>,
}

const PAGE_BYTES: u64 = 1 << 13;
const N_PAGES: u64 = 512;
/// The largest range that is read through pages.
pub(super) const MAX_RANGE: usize = 1 << 16;

impl<'f> Pages<'f> {
    pub(super) fn new(file: &'f File) -> Self {
        let pages = (0..N_PAGES).map(|_| Page { number: u64::MAX, bytes: Vec::new() }).collect();
        Self { file, pages, joined: Vec::new() }
    }

    /// `n` bytes at a position, at most [`MAX_RANGE`]; fewer at the end of the file or where it cannot be read.
    pub(super) fn at(&mut self, position: u64, n: usize) -> &[u8] {
        let n = n.min(MAX_RANGE);
        let (first, at) = (position / PAGE_BYTES, (position % PAGE_BYTES) as usize);
        let len = self.page(first).len();
        if at + n <= len || len < PAGE_BYTES as usize {
            return self.page(first).get(at..).map_or(&[], |rest| &rest[..n.min(rest.len())]);
        }
        let mut joined = std::mem::take(&mut self.joined);
        joined.clear();
        let mut number = first;
        while joined.len() < at + n {
            let page = self.page(number);
            joined.extend_from_slice(page);
            if page.len() < PAGE_BYTES as usize {
                break;
            }
            number += 1;
        }
        self.joined = joined;
        let end = self.joined.len().min(at + n);
        self.joined.get(at..end).unwrap_or_default()
    }

    fn page(&mut self, number: u64) -> &[u8] {
        let page = &mut self.pages[(number % N_PAGES) as usize];
        if page.number != number {
            page.number = number;
            let read = read_range(
                self.file,
                &mut page.bytes,
                number.saturating_mul(PAGE_BYTES),
                PAGE_BYTES as usize,
            );
            if read.is_err() {
                page.bytes.clear();
            }
        }
        &page.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn windows_and_pages_give_the_bytes_of_the_file() {
        let bytes: Vec<u8> = (0..300_000_u32).flat_map(|i| i.to_le_bytes()).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let (mut window, mut pages) = (Window::new(&file), Pages::new(&file));
        for position in [0, 5, 32_760, 32_768, 1_199_990, 65_535, 1_200_000, 1_300_000, 17] {
            for n in [0, 1, 9, 40_000, MAX_RANGE] {
                let end = bytes.len().min(position + n);
                let expected = bytes.get(position..end).unwrap_or_default();
                assert_eq!(pages.at(position as u64, n), expected, "{position} {n}");
                let found = window.at(position as u64, n).unwrap();
                assert!(found.len() >= expected.len() && found.starts_with(expected), "{position} {n}");
            }
        }
    }
}
