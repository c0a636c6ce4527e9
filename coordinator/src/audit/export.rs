//! An exported log as a file: read entry by entry, and believed nothing that the network definition does not confirm (R60).
//!
//! A file is a list of frames, each a length (u32, big-endian) and an `AuditExportFrame`: the header first, then the entries.

use super::Head;
use super::verify::Stored;
use firn_proto::envelope::decode_strict;
use firn_proto::wire::audit_export_frame::Frame;
use firn_proto::{Digest, NetworkId, NodeId, wire};
use prost::Message as _;
use std::fmt;
use std::io::{self, Read};

/// The schema of the files that this release writes and reads.
const SCHEMA: u32 = 1;

/// No entry is larger than a record of the store, 1 MiB; its frame needs a few bytes more.
const FRAME_BYTES_MAX: usize = 1024 * 1024 + 1024;

/// Whose log a file claims to hold, and how far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The network.
    pub network: NetworkId,
    /// The node.
    pub node: NodeId,
    /// The head when it was exported: an end that is cut off shows by it, unless the header is changed as well.
    pub head: Head,
}

/// A file that is read to its end once.
#[derive(Debug)]
pub struct Export<R> {
    reader: R,
    header: Header,
    /// How many frames were read.
    frames: u64,
    failed: bool,
}

/// Why a file cannot be read further.
#[derive(Debug)]
pub enum ExportError {
    /// The system failed to read.
    Read(io::Error),
    /// This frame, counted from zero, is not what an export has there.
    Malformed {
        /// The frame.
        frame: u64,
    },
    /// The file was written by a release that this one does not know.
    Schema(u32),
}

impl Header {
    /// The first frame of a file.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        frame(Frame::Header(wire::AuditExportHeader {
            schema: SCHEMA,
            network: self.network.0.0.to_vec(),
            node: self.node.0.into(),
            size: self.head.size,
            head: self.head.hash.0.to_vec(),
        }))
    }
}

/// The frame of an entry.
#[must_use]
pub fn entry_frame(stored: &Stored) -> Vec<u8> {
    frame(Frame::Entry(wire::AuditExportEntry { number: stored.number, entry: stored.bytes.clone() }))
}

impl<R: Read> Export<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Where the file does not begin with one.
    pub fn open(mut reader: R) -> Result<Self, ExportError> {
        let malformed = || ExportError::Malformed { frame: 0 };
        let Some(Frame::Header(header)) = next_frame(&mut reader, 0)? else { return Err(malformed()) };
        if header.schema != SCHEMA {
            return Err(ExportError::Schema(header.schema));
        }
        let header = Header {
            network: NetworkId(Digest::from_slice(&header.network).ok_or_else(malformed)?),
            node: NodeId(u16::try_from(header.node).map_err(|_| malformed())?),
            head: Head { size: header.size, hash: Digest::from_slice(&header.head).ok_or_else(malformed)? },
        };
        Ok(Self { reader, header, frames: 1, failed: false })
    }

    /// What the file says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    fn read(&mut self) -> Result<Option<Stored>, ExportError> {
        let frame = self.frames;
        match next_frame(&mut self.reader, frame)? {
            None => Ok(None),
            Some(Frame::Entry(entry)) => {
                self.frames = frame.saturating_add(1);
                Ok(Some(Stored { number: entry.number, bytes: entry.entry }))
            }
            Some(Frame::Header(_)) => Err(ExportError::Malformed { frame }),
        }
    }
}

/// The entries; nothing after the first error.
impl<R: Read> Iterator for Export<R> {
    type Item = Result<Stored, ExportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.read().transpose();
        self.failed = !matches!(next, Some(Ok(_)));
        next
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Malformed { frame: 0 } => f.write_str("it does not begin as an export does"),
            Self::Malformed { frame } => write!(f, "what comes after {} entries is none", frame.saturating_sub(1)),
            Self::Schema(found) => write!(f, "it has schema {found}, this release reads {SCHEMA}"),
        }
    }
}

impl std::error::Error for ExportError {}

fn frame(content: Frame) -> Vec<u8> {
    let content = wire::AuditExportFrame { frame: Some(content) }.encode_to_vec();
    let length = u32::try_from(content.len()).ok().filter(|_| content.len() <= FRAME_BYTES_MAX);
    assert!(length.is_some(), "the store takes no entry of more than 1 MiB");
    [&length.unwrap_or_default().to_be_bytes()[..], &content].concat()
}

/// `None` at the end of the file. The length is the file's own word, so that nothing is allocated beyond the bound.
fn next_frame(reader: &mut impl Read, number: u64) -> Result<Option<Frame>, ExportError> {
    let malformed = || ExportError::Malformed { frame: number };
    let mut bytes = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut bytes).map_err(ExportError::Read)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let length = <[u8; 4]>::try_from(bytes.as_slice()).map_err(|_| malformed())?;
    let length = usize::try_from(u32::from_be_bytes(length)).ok().filter(|length| *length <= FRAME_BYTES_MAX);
    let length = length.ok_or_else(malformed)?;
    bytes.clear();
    let wanted = u64::try_from(length).map_err(|_| malformed())?;
    reader.by_ref().take(wanted).read_to_end(&mut bytes).map_err(ExportError::Read)?;
    if bytes.len() != length {
        return Err(malformed());
    }
    let frame: wire::AuditExportFrame = decode_strict(&bytes).ok_or_else(malformed)?;
    Ok(Some(frame.frame.ok_or_else(malformed)?))
}
