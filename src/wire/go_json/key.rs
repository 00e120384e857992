//! The keys of maps: texts, and what JSON writes as a text in their place.

use serde::ser::{Impossible, Serialize, Serializer};

use super::fault::JsonFault;
use super::go_float;

/// Makes the text of a key, without quotes and escapes. It takes texts, numbers, booleans, and variants
/// and wrappers of these.
pub(super) struct KeyText;

fn not_a_key<T>() -> Result<T, JsonFault> {
    Err(JsonFault::new(
        "the key of a map is neither a text nor a number",
    ))
}

macro_rules! printed {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Result<String, JsonFault> {
            Ok(value.to_string())
        })*
    };
}

macro_rules! refused {
    ($($method:ident($($argument:ty),*) -> $result:ty;)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<$result, JsonFault> {
            not_a_key()
        })*
    };
}

type Never = Impossible<String, JsonFault>;

impl Serializer for KeyText {
    type Ok = String;
    type Error = JsonFault;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    printed! {
        serialize_bool: bool, serialize_char: char, serialize_str: &str,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    }

    refused! {
        serialize_bytes(&[u8]) -> String;
        serialize_none() -> String;
        serialize_unit() -> String;
        serialize_unit_struct(&'static str) -> String;
        serialize_seq(Option<usize>) -> Never;
        serialize_tuple(usize) -> Never;
        serialize_tuple_struct(&'static str, usize) -> Never;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never;
        serialize_map(Option<usize>) -> Never;
        serialize_struct(&'static str, usize) -> Never;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never;
    }

    fn serialize_f32(self, value: f32) -> Result<String, JsonFault> {
        let mut text = Vec::new();
        go_float::write_f32(&mut text, value)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn serialize_f64(self, value: f64) -> Result<String, JsonFault> {
        let mut text = Vec::new();
        go_float::write_f64(&mut text, value)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<String, JsonFault> {
        value.serialize(self)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<String, JsonFault> {
        Ok(variant.to_owned())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<String, JsonFault> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<String, JsonFault> {
        not_a_key()
    }
}
