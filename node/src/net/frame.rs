//! Frames on a substream: four bytes of length, big-endian, then that many bytes.

use std::{io, time::Duration};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::code::{FRAME_EMPTY, FRAME_TOO_LARGE, Fault, PEER_SLOW};

/// Reads one frame. The deadline runs from its first byte, so an idle substream is fine and a half-sent frame is not.
pub(super) async fn read<R: AsyncRead + Unpin>(
    reader: &mut R,
    bytes_max: usize,
    deadline: Duration,
) -> Result<Vec<u8>, Fault> {
    let mut first = [0u8; 1];
    reader.read_exact(&mut first).await.map_err(Fault::broken)?;
    match timeout(deadline, read_rest(reader, first, bytes_max)).await {
        Ok(frame) => frame,
        Err(_) => Err(Fault::refusal(PEER_SLOW, format!("half a frame after {deadline:?}"))),
    }
}

async fn read_rest<R: AsyncRead + Unpin>(reader: &mut R, first: [u8; 1], bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let mut rest = [0u8; 3];
    reader.read_exact(&mut rest).await.map_err(Fault::broken)?;
    let ([a], [b, c, d]) = (first, rest);
    let announced = u32::from_be_bytes([a, b, c, d]);
    // Before allocating: the number is the peer's.
    let length = match usize::try_from(announced) {
        Ok(length) if length <= bytes_max => length,
        _ => return Err(Fault::offence(FRAME_TOO_LARGE, format!("{announced} bytes announced, at most {bytes_max}"))),
    };
    if length == 0 {
        return Err(Fault::offence(FRAME_EMPTY, "frame of no bytes"));
    }
    let mut frame = vec![0; length];
    reader.read_exact(&mut frame).await.map_err(Fault::broken)?;
    Ok(frame)
}

/// Appends a frame to a buffer, so that length and content leave in one write.
pub(super) fn append(buffer: &mut Vec<u8>, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(frame);
    Ok(())
}

/// Writes one frame and flushes.
pub(super) async fn write<W: AsyncWrite + Unpin>(writer: &mut W, frame: &[u8]) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(frame.len().saturating_add(4));
    append(&mut buffer, frame)?;
    writer.write_all(&buffer).await?;
    writer.flush().await
}
