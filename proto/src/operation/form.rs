//! The two written forms of a kind, wire and JSON, field by field.
//!
//! Each form has one way to write a value: addresses of 20 bytes, integers of 32, decimal digits without leading zeros.

use super::{Terms, malformed};
use crate::code::Refusal;
use alloy_primitives::{Address, Bytes, FixedBytes, U256};
use alloy_sol_types::SolStruct;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A kind with its two forms.
pub(super) trait Form: SolStruct {
    /// Its message in the schema.
    type Wire;
    /// What JSON is read into.
    type Json;

    /// What every operation says.
    fn terms(&self) -> Terms;
    fn from_wire(wire: &Self::Wire) -> Result<Self, Refusal>;
    fn to_wire(&self) -> Self::Wire;
    fn from_json(json: &Self::Json) -> Result<Self, Refusal>;
    fn to_json(&self) -> Self::Json;
}

/// A type of field in both forms.
pub(super) trait Field: Sized {
    /// On the wire.
    type Wire;
    /// In JSON.
    type Json;

    fn from_wire(wire: &Self::Wire, name: &str) -> Result<Self, Refusal>;
    fn to_wire(&self) -> Self::Wire;
    fn from_json(json: &Self::Json, name: &str) -> Result<Self, Refusal>;
    fn to_json(&self) -> Self::Json;
}

impl Field for Address {
    type Wire = Vec<u8>;
    type Json = String;

    fn from_wire(wire: &Vec<u8>, name: &str) -> Result<Self, Refusal> {
        Self::try_from(wire.as_slice()).map_err(|_| malformed(name))
    }

    fn to_wire(&self) -> Vec<u8> {
        self.to_vec()
    }

    /// Small letters, or the checksum of EIP-55: a mistyped one is seen.
    fn from_json(json: &String, name: &str) -> Result<Self, Refusal> {
        let parsed: Option<Self> = json.strip_prefix("0x").and_then(|hex| hex.parse().ok());
        parsed
            .filter(|address| *json == address.to_json() || *json == address.to_string())
            .ok_or_else(|| malformed(&format!("{name}: an address, in small letters or with its checksum")))
    }

    fn to_json(&self) -> String {
        format!("{self:#x}")
    }
}

impl Field for U256 {
    type Wire = Vec<u8>;
    type Json = String;

    fn from_wire(wire: &Vec<u8>, name: &str) -> Result<Self, Refusal> {
        <[u8; 32]>::try_from(wire.as_slice()).map(Self::from_be_bytes).map_err(|_| malformed(name))
    }

    fn to_wire(&self) -> Vec<u8> {
        self.to_be_bytes_vec()
    }

    fn from_json(json: &String, name: &str) -> Result<Self, Refusal> {
        let parsed = Self::from_str_radix(json, 10).ok().filter(|integer| integer.to_string() == *json);
        parsed.ok_or_else(|| malformed(&format!("{name}: a decimal integer as a string")))
    }

    fn to_json(&self) -> String {
        self.to_string()
    }
}

impl<const N: usize> Field for FixedBytes<N> {
    type Wire = Vec<u8>;
    type Json = String;

    fn from_wire(wire: &Vec<u8>, name: &str) -> Result<Self, Refusal> {
        Self::try_from(wire.as_slice()).map_err(|_| malformed(name))
    }

    fn to_wire(&self) -> Vec<u8> {
        self.to_vec()
    }

    fn from_json(json: &String, name: &str) -> Result<Self, Refusal> {
        let bytes = Bytes::from_json(json, name)?;
        Self::try_from(bytes.as_ref()).map_err(|_| malformed(&format!("{name}: 0x and {} hexadecimal digits", 2 * N)))
    }

    fn to_json(&self) -> String {
        self.to_string()
    }
}

impl Field for Bytes {
    type Wire = Vec<u8>;
    type Json = String;

    fn from_wire(wire: &Vec<u8>, _: &str) -> Result<Self, Refusal> {
        Ok(Self::copy_from_slice(wire))
    }

    fn to_wire(&self) -> Vec<u8> {
        self.to_vec()
    }

    fn from_json(json: &String, name: &str) -> Result<Self, Refusal> {
        let bytes = json.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok()).map(Self::from);
        bytes
            .filter(|bytes| *json == bytes.to_json())
            .ok_or_else(|| malformed(&format!("{name}: 0x and hexadecimal digits in small letters")))
    }

    fn to_json(&self) -> String {
        self.to_string()
    }
}

impl<T: Field> Field for Vec<T> {
    type Wire = Vec<T::Wire>;
    type Json = Vec<T::Json>;

    fn from_wire(wire: &Self::Wire, name: &str) -> Result<Self, Refusal> {
        wire.iter().map(|item| T::from_wire(item, name)).collect()
    }

    fn to_wire(&self) -> Self::Wire {
        self.iter().map(T::to_wire).collect()
    }

    fn from_json(json: &Self::Json, name: &str) -> Result<Self, Refusal> {
        json.iter().map(|item| T::from_json(item, name)).collect()
    }

    fn to_json(&self) -> Self::Json {
        self.iter().map(T::to_json).collect()
    }
}

impl Field for String {
    type Wire = Self;
    type Json = Self;

    fn from_wire(wire: &Self, _: &str) -> Result<Self, Refusal> {
        Ok(wire.clone())
    }

    fn to_wire(&self) -> Self {
        self.clone()
    }

    fn from_json(json: &Self, _: &str) -> Result<Self, Refusal> {
        Ok(json.clone())
    }

    fn to_json(&self) -> Self {
        self.clone()
    }
}

impl Field for u32 {
    type Wire = Self;
    type Json = Self;

    fn from_wire(wire: &Self, _: &str) -> Result<Self, Refusal> {
        Ok(*wire)
    }

    fn to_wire(&self) -> Self {
        *self
    }

    fn from_json(json: &Self, _: &str) -> Result<Self, Refusal> {
        Ok(*json)
    }

    fn to_json(&self) -> Self {
        *self
    }
}

impl Field for u64 {
    type Wire = Self;
    type Json = Self;

    fn from_wire(wire: &Self, _: &str) -> Result<Self, Refusal> {
        Ok(*wire)
    }

    fn to_wire(&self) -> Self {
        *self
    }

    fn from_json(json: &Self, _: &str) -> Result<Self, Refusal> {
        Ok(*json)
    }

    fn to_json(&self) -> Self {
        *self
    }
}

/// Fields of structs that are their own JSON, for `serde(with = "written")`.
pub(super) mod written {
    use super::{Deserialize, Deserializer, Error, Field, Serialize, Serializer};

    pub(in crate::operation) fn serialize<T, S>(field: &T, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Field<Json: Serialize>,
        S: Serializer,
    {
        field.to_json().serialize(serializer)
    }

    pub(in crate::operation) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: Field<Json: Deserialize<'de>>,
        D: Deserializer<'de>,
    {
        T::from_json(&T::Json::deserialize(deserializer)?, "value").map_err(|refusal| D::Error::custom(refusal.detail))
    }
}
