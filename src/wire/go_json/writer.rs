//! Writes one value, and what consists of several values: lists, structs and maps.

use std::io::Write as _;
use std::ops::Range;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::fault::JsonFault;
use super::key::KeyText;
use super::{go_float, go_text};

/// The names under which serde_json passes a JSON text, and a number of any size, as one field.
const VERBATIM: [&str; 2] = [
    "$serde_json::private::RawValue",
    "$serde_json::private::Number",
];

/// Writes one value.
pub(super) struct Writer<'o>(pub(super) &'o mut Vec<u8>);

impl<'o> Writer<'o> {
    fn put(self, text: impl AsRef<[u8]>) {
        self.0.extend(text.as_ref());
    }

    /// Writes the begin of `{"variant":…}`.
    fn begin_variant(self, variant: &str) -> &'o mut Vec<u8> {
        self.0.push(b'{');
        go_text::write_text(self.0, variant);
        self.0.push(b':');
        self.0
    }
}

macro_rules! whole_numbers {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Result<(), JsonFault> {
            // A write into a vector does not fail.
            let _ = write!(self.0, "{value}");
            Ok(())
        })*
    };
}

impl<'o> Serializer for Writer<'o> {
    type Ok = ();
    type Error = JsonFault;
    type SerializeSeq = Items<'o>;
    type SerializeTuple = Items<'o>;
    type SerializeTupleStruct = Items<'o>;
    type SerializeTupleVariant = Items<'o>;
    type SerializeMap = Entries<'o>;
    type SerializeStruct = Fields<'o>;
    type SerializeStructVariant = Fields<'o>;

    whole_numbers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    }

    fn serialize_bool(self, value: bool) -> Result<(), JsonFault> {
        self.put(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), JsonFault> {
        go_float::write_f32(self.0, value)
    }

    fn serialize_f64(self, value: f64) -> Result<(), JsonFault> {
        go_float::write_f64(self.0, value)
    }

    fn serialize_char(self, value: char) -> Result<(), JsonFault> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), JsonFault> {
        go_text::write_text(self.0, value);
        Ok(())
    }

    /// A list of numbers, because this is what serde_json reads as bytes.
    fn serialize_bytes(self, value: &[u8]) -> Result<(), JsonFault> {
        self.collect_seq(value)
    }

    fn serialize_none(self) -> Result<(), JsonFault> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), JsonFault> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), JsonFault> {
        self.put("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), JsonFault> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), JsonFault> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), JsonFault> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), JsonFault> {
        let out = self.begin_variant(variant);
        value
            .serialize(Writer(out))
            .map_err(|fault| fault.in_field(variant))?;
        out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'o>, JsonFault> {
        Ok(Items::begin(self.0, "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'o>, JsonFault> {
        Ok(Items::begin(self.0, "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'o>, JsonFault> {
        Ok(Items::begin(self.0, "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'o>, JsonFault> {
        Ok(Items::begin(self.begin_variant(variant), "]}"))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Entries<'o>, JsonFault> {
        Ok(Entries::begin(self.0, len))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields<'o>, JsonFault> {
        Ok(if VERBATIM.contains(&name) {
            Fields::Verbatim(self.0)
        } else {
            Fields::begin(self.0, "}")
        })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields<'o>, JsonFault> {
        Ok(Fields::begin(self.begin_variant(variant), "}}"))
    }
}

/// A list.
pub(super) struct Items<'o> {
    out: &'o mut Vec<u8>,
    count: usize,
    end: &'static str,
}

impl<'o> Items<'o> {
    fn begin(out: &'o mut Vec<u8>, end: &'static str) -> Self {
        out.push(b'[');
        Self { out, count: 0, end }
    }

    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonFault> {
        if self.count > 0 {
            self.out.push(b',');
        }
        value
            .serialize(Writer(self.out))
            .map_err(|fault| fault.at(self.count))?;
        self.count += 1;
        Ok(())
    }

    fn finish(self) {
        self.out.extend(self.end.as_bytes());
    }
}

macro_rules! items {
    ($($trait:ident::$method:ident),*) => {
        $(impl $trait for Items<'_> {
            type Ok = ();
            type Error = JsonFault;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonFault> {
                self.add(value)
            }

            fn end(self) -> Result<(), JsonFault> {
                self.finish();
                Ok(())
            }
        })*
    };
}

items! {
    SerializeSeq::serialize_element, SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field, SerializeTupleVariant::serialize_field
}

/// A struct. Its fields keep their order.
pub(super) enum Fields<'o> {
    Written {
        out: &'o mut Vec<u8>,
        is_empty: bool,
        end: &'static str,
    },
    /// The one field is JSON already.
    Verbatim(&'o mut Vec<u8>),
}

impl<'o> Fields<'o> {
    fn begin(out: &'o mut Vec<u8>, end: &'static str) -> Self {
        out.push(b'{');
        let is_empty = true;
        Self::Written { out, is_empty, end }
    }

    fn add<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), JsonFault> {
        match self {
            Self::Written { out, is_empty, .. } => {
                if !std::mem::replace(is_empty, false) {
                    out.push(b',');
                }
                go_text::write_text(out, name);
                out.push(b':');
                value
                    .serialize(Writer(out))
                    .map_err(|fault| fault.in_field(name))
            }
            Self::Verbatim(out) => {
                go_text::write_compact(out, &value.serialize(KeyText)?);
                Ok(())
            }
        }
    }

    fn finish(self) {
        if let Self::Written { out, end, .. } = self {
            out.extend(end.as_bytes());
        }
    }
}

macro_rules! fields {
    ($($trait:ident),*) => {
        $(impl $trait for Fields<'_> {
            type Ok = ();
            type Error = JsonFault;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), JsonFault> {
                self.add(name, value)
            }

            fn end(self) -> Result<(), JsonFault> {
                self.finish();
                Ok(())
            }
        })*
    };
}

fields! { SerializeStruct, SerializeStructVariant }

/// A map. Its entries are collected, and sorted by their keys at the end.
///
/// A struct with `#[serde(flatten)]` arrives as a map of unknown length. Its fields keep their order,
/// and entries of a flattened map come behind them, sorted. A field is known by its key of the type
/// `str`: no map owns such keys, because they have no size.
pub(super) struct Entries<'o> {
    out: &'o mut Vec<u8>,
    may_have_fields: bool,
    /// The values, one after the other.
    values: Vec<u8>,
    entries: Vec<MapEntry>,
    /// The key whose value comes next.
    key: Option<String>,
}

struct MapEntry {
    key: String,
    is_field: bool,
    value: Range<usize>,
}

impl<'o> Entries<'o> {
    fn begin(out: &'o mut Vec<u8>, len: Option<usize>) -> Self {
        Self {
            out,
            may_have_fields: len.is_none(),
            values: Vec::new(),
            entries: Vec::with_capacity(len.unwrap_or(0).min(1024)),
            key: None,
        }
    }

    fn add<T: Serialize + ?Sized>(
        &mut self,
        key: String,
        value: &T,
        is_field: bool,
    ) -> Result<(), JsonFault> {
        let begin = self.values.len();
        value
            .serialize(Writer(&mut self.values))
            .map_err(|fault| match is_field {
                true => fault.in_field(key.clone()),
                false => fault.in_entry(),
            })?;
        let value = begin..self.values.len();
        self.entries.push(MapEntry {
            key,
            is_field,
            value,
        });
        Ok(())
    }
}

impl SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = JsonFault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), JsonFault> {
        self.key = Some(key.serialize(KeyText)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonFault> {
        let key = self
            .key
            .take()
            .ok_or_else(|| JsonFault::new("a value of a map comes without its key"))?;
        self.add(key, value, false)
    }

    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result<(), JsonFault> {
        let key_has_no_size = size_of::<&K>() > size_of::<usize>();
        let is_field = self.may_have_fields && key_has_no_size;
        let key = key.serialize(KeyText)?;
        self.add(key, value, is_field)
    }

    fn end(mut self) -> Result<(), JsonFault> {
        // This sort keeps the order of equal ones: fields come first, in their order.
        self.entries.sort_by(|a, b| match (a.is_field, b.is_field) {
            (false, false) => a.key.cmp(&b.key),
            _ => b.is_field.cmp(&a.is_field),
        });
        self.out.push(b'{');
        for (n, entry) in self.entries.iter().enumerate() {
            if n > 0 {
                self.out.push(b',');
            }
            go_text::write_text(self.out, &entry.key);
            self.out.push(b':');
            self.out.extend(&self.values[entry.value.clone()]);
        }
        self.out.push(b'}');
        Ok(())
    }
}
