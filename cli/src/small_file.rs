//! Reads the files that settings name: small ones, never a pipe that waits or a device that has no end.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

const MAX_BYTES: u64 = 1024 * 1024;

/// What the file has in it. It must be a regular file of at most 1 MiB.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    let mut bytes = Vec::new();
    // One more shows that it is too long, also of a file that has no length, as in /proc.
    File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("is longer than 1 MiB"));
    }
    Ok(bytes)
}
