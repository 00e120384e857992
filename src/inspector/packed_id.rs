//! Task ids in few bytes, so that a million of them can be kept.

use bytes::Bytes;
use uuid::Uuid;

/// A task id in few bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum PackedId {
    /// A UUID in its usual form, as clients draw them.
    Uuid([u8; 16]),
    /// Any other id. It need not be UTF-8.
    Other(Box<[u8]>),
}

impl PackedId {
    pub(super) fn new(id: &[u8]) -> Self {
        match Uuid::try_parse_ascii(id) {
            Ok(uuid) if text_of(uuid, &mut [0; 36]).as_bytes() == id => {
                Self::Uuid(uuid.into_bytes())
            }
            _ => Self::Other(id.into()),
        }
    }

    /// The id as it is in Redis.
    pub(super) fn bytes(&self) -> Bytes {
        match self {
            Self::Uuid(uuid) => {
                let mut text = [0; 36];
                Bytes::copy_from_slice(text_of(Uuid::from_bytes(*uuid), &mut text).as_bytes())
            }
            Self::Other(id) => Bytes::copy_from_slice(id),
        }
    }
}

fn text_of(uuid: Uuid, text: &mut [u8; 36]) -> &str {
    uuid.as_hyphenated().encode_lower(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_reads_back_as_it_was() {
        let uuid = "00000000-89ab-cdef-0123-456789abcdef";
        assert!(matches!(PackedId::new(uuid.as_bytes()), PackedId::Uuid(_)));
        let upper = uuid.to_uppercase();
        let braces = format!("{{{uuid}}}");
        let plain = uuid.replace('-', "");
        let texts = [uuid, &upper, &braces, &plain, "", "id-1"];
        let not_utf8 = &b"\xff\x00"[..];
        for id in texts.map(str::as_bytes).into_iter().chain([not_utf8]) {
            assert_eq!(PackedId::new(id).bytes(), id);
        }
        assert_eq!(size_of::<PackedId>(), 24);
    }
}
