//! A minimal connection to Redis. It buffers commands until `flush`, and reads replies in order.

use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The size of each buffer, in bytes.
const BUFFER: usize = 1 << 18;

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A status, such as `OK`.
    Status(String),
    /// An error, with the text of Redis.
    Error(String),
    /// A number.
    Integer(i64),
    /// A bulk string, or nil.
    Bulk(Option<Vec<u8>>),
    /// A list.
    Array(Vec<Reply>),
}

impl Reply {
    /// The number in an integer or a bulk string; 0 for other replies.
    pub(crate) fn number(&self) -> i64 {
        match self {
            Self::Integer(n) => *n,
            Self::Bulk(Some(text)) => String::from_utf8_lossy(text).parse().unwrap_or(0),
            _ => 0,
        }
    }

    /// The text of a status, error, number or bulk string; empty for other replies.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Bulk(Some(text)) => String::from_utf8_lossy(text).into_owned(),
            Self::Status(text) | Self::Error(text) => text.clone(),
            Self::Integer(n) => n.to_string(),
            Self::Bulk(None) | Self::Array(_) => String::new(),
        }
    }

    /// The elements of an array; empty for other replies.
    pub(crate) fn list(self) -> Vec<Reply> {
        match self {
            Self::Array(list) => list,
            _ => Vec::new(),
        }
    }
}

/// A connection over a unix socket.
pub(crate) struct Connection {
    input: BufReader<UnixStream>,
    output: BufWriter<UnixStream>,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).context("connecting to Redis")?;
        Ok(Self {
            input: BufReader::with_capacity(BUFFER, stream.try_clone()?),
            output: BufWriter::with_capacity(BUFFER, stream),
        })
    }

    /// Writes a command into the buffer.
    pub(crate) fn send<A: AsRef<[u8]>>(&mut self, words: &[A]) -> Result<()> {
        write!(self.output, "*{}\r\n", words.len())?;
        for word in words {
            let word = word.as_ref();
            write!(self.output, "${}\r\n", word.len())?;
            self.output.write_all(word)?;
            self.output.write_all(b"\r\n")?;
        }
        Ok(())
    }

    /// Sends what is in the buffer.
    pub(crate) fn flush(&mut self) -> Result<()> {
        Ok(self.output.flush()?)
    }

    /// Whether the next read must wait for Redis.
    pub(crate) fn would_wait(&self) -> bool {
        self.input.buffer().is_empty()
    }

    /// Reads the next reply. An error reply is a value here.
    pub(crate) fn read(&mut self) -> Result<Reply> {
        read_reply(&mut self.input)
    }

    /// Sends one command and reads its reply. An error reply is an error here.
    pub(crate) fn call<A: AsRef<[u8]>>(&mut self, words: &[A]) -> Result<Reply> {
        self.send(words)?;
        self.flush()?;
        match self.read()? {
            Reply::Error(text) => {
                let name = words.first().map_or(&b""[..], AsRef::as_ref);
                bail!("Redis rejected {}: {text}", String::from_utf8_lossy(name))
            }
            reply => Ok(reply),
        }
    }
}

fn read_reply(input: &mut impl Buffered) -> Result<Reply> {
    let line = input.line()?;
    let (kind, rest) = line
        .split_at_checked(1)
        .context("Redis sent an empty line")?;
    Ok(match kind {
        "+" => Reply::Status(rest.to_owned()),
        "-" => Reply::Error(rest.to_owned()),
        ":" => Reply::Integer(rest.parse()?),
        "$" => match usize::try_from(rest.parse::<i64>()?) {
            Err(_) => Reply::Bulk(None),
            Ok(len) => {
                let mut text = vec![0; len + 2];
                input.read_exact(&mut text)?;
                text.truncate(len);
                Reply::Bulk(Some(text))
            }
        },
        "*" => {
            let len = usize::try_from(rest.parse::<i64>()?).unwrap_or(0);
            let mut list = Vec::with_capacity(len);
            for _ in 0..len {
                list.push(read_reply(input)?);
            }
            Reply::Array(list)
        }
        other => bail!("Redis sent a reply of the unknown kind {other:?}"),
    })
}

/// A reader of lines and of counted bytes.
trait Buffered: Read {
    fn line(&mut self) -> Result<String>;
}

impl<R: std::io::BufRead> Buffered for R {
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.read_line(&mut line)? == 0 {
            bail!("Redis closed the connection");
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_replies_are_read() {
        let mut input = &b"*3\r\n$2\r\nok\r\n:7\r\n*2\r\n$-1\r\n+fine\r\n-ERR no\r\n"[..];
        let list = read_reply(&mut input).expect("a list");
        assert_eq!(
            list,
            Reply::Array(vec![
                Reply::Bulk(Some(b"ok".to_vec())),
                Reply::Integer(7),
                Reply::Array(vec![Reply::Bulk(None), Reply::Status("fine".to_owned())]),
            ])
        );
        let error = read_reply(&mut input).expect("an error reply");
        assert_eq!(error, Reply::Error("ERR no".to_owned()));
        read_reply(&mut input).expect_err("the input is empty");
    }
}
