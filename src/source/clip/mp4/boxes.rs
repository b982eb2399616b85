//! Boxes: a size, a name, a payload.

/// A box that contradicts itself, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) String);

impl Malformed {
    pub(super) fn new(kind: &[u8; 4]) -> Self {
        Self(kind.escape_ascii().to_string())
    }
}

/// The beginning of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: [u8; 4],
    /// Where the payload begins, from the start of the box.
    pub(super) payload: u64,
    /// From the start of the box to its end.
    pub(super) size: u64,
}

impl Header {
    /// Reads a header from its (up to) 16 first bytes; [`None`]: it needs more bytes than there are.
    /// A size of 0 reaches to the end, `room` bytes away.
    pub(super) fn parse(data: &[u8], room: u64) -> Option<Result<Self, Malformed>> {
        let size = u32::from_be_bytes(*data.first_chunk()?);
        let kind = *data.get(4..)?.first_chunk()?;
        let (payload, size) = match size {
            0 => (8, room),
            1 => (16, u64::from_be_bytes(*data.get(8..)?.first_chunk()?)),
            n => (8, u64::from(n)),
        };
        Some(if size < payload { Err(Malformed::new(&kind)) } else { Ok(Self { kind, payload, size }) })
    }
}

/// The boxes in a payload, one after the other.
pub(super) fn boxes(data: &[u8]) -> impl Iterator<Item = Result<([u8; 4], &[u8]), Malformed>> {
    let mut rest = data;
    std::iter::from_fn(move || {
        // Up to seven zeros behind the last box are common padding.
        if rest.len() < 8 {
            return None;
        }
        let header = match Header::parse(rest, rest.len() as u64)? {
            Ok(header) => header,
            Err(e) => {
                rest = &[];
                return Some(Err(e));
            }
        };
        let end = usize::try_from(header.size).unwrap_or(usize::MAX);
        let Some(payload) = rest.get(header.payload as usize..end) else {
            rest = &[];
            return Some(Err(Malformed::new(&header.kind)));
        };
        rest = &rest[end..];
        Some(Ok((header.kind, payload)))
    })
}

/// The first box of a kind in a payload.
pub(super) fn find<'a>(data: &'a [u8], kind: &[u8; 4]) -> Result<Option<&'a [u8]>, Malformed> {
    for found in boxes(data) {
        let (k, payload) = found?;
        if &k == kind {
            return Ok(Some(payload));
        }
    }
    Ok(None)
}

/// Reads the numbers of a payload; an error names the box.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    data: &'a [u8],
    kind: &'static [u8; 4],
}

impl<'a> Fields<'a> {
    pub(super) const fn new(data: &'a [u8], kind: &'static [u8; 4]) -> Self {
        Self { data, kind }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (&field, rest) = self.data.split_first_chunk().ok_or_else(|| self.malformed())?;
        self.data = rest;
        Ok(field)
    }

    pub(super) fn malformed(&self) -> Malformed {
        Malformed::new(self.kind)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.take().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.take().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.take().map(u64::from_be_bytes)
    }

    /// Version and flags, which most boxes begin with.
    pub(super) fn version(&mut self) -> Result<(u8, u32), Malformed> {
        let word = self.u32()?;
        Ok(((word >> 24) as u8, word & 0xff_ffff))
    }

    /// A count of entries of `bytes` each, which must be there.
    pub(super) fn count(&mut self, bytes: usize) -> Result<usize, Malformed> {
        let count = self.u32()? as usize;
        match count.checked_mul(bytes) {
            Some(n) if n <= self.data.len() => Ok(count),
            _ => Err(self.malformed()),
        }
    }

    pub(super) fn skip(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.data = self.data.get(bytes..).ok_or_else(|| self.malformed())?;
        Ok(())
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.data
    }
}
