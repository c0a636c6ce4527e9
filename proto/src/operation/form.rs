//! The two written forms of a kind, wire and JSON, made of the same list of fields, so that neither can lack one.
//!
//! Each form has one way to write a value: addresses of 20 bytes, integers of 32, decimal digits without leading zeros.

use super::malformed;
use crate::code::Refusal;
use alloy_primitives::{Address, Bytes, FixedBytes, U256};

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

impl Field for FixedBytes<4> {
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
        Self::try_from(bytes.as_ref()).map_err(|_| malformed(&format!("{name}: 0x and 8 hexadecimal digits")))
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

/// Types that are the same in all forms.
macro_rules! as_is {
    ($($kind:ty),*) => {$(
        impl Field for $kind {
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
    )*};
}

as_is!(String, u32, u64);

/// Makes both forms of a kind, and the [`super::Signed`] part of it, out of its fields: Solidity's name, the name in the two
/// forms, the type.
macro_rules! forms {
    ($kind:ident, $json:ident { $($field:ident $name:ident: $type:ty),* $(,)? }) => {
        #[doc = concat!("[`", stringify!($kind), "`] in JSON. Unknown and duplicate keys are refused, and so are floats.")]
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $json {
            $(pub(super) $name: <$type as $crate::operation::form::Field>::Json),*
        }

        impl $kind {
            pub(super) fn from_wire(wire: &$crate::wire::$kind) -> Result<Self, $crate::code::Refusal> {
                use $crate::operation::form::Field;
                Ok(Self { $($field: <$type>::from_wire(&wire.$name, stringify!($name))?),* })
            }

            pub(super) fn to_wire(&self) -> $crate::wire::$kind {
                use $crate::operation::form::Field;
                $crate::wire::$kind { $($name: Field::to_wire(&self.$field)),* }
            }

            pub(super) fn from_json(json: &$json) -> Result<Self, $crate::code::Refusal> {
                use $crate::operation::form::Field;
                Ok(Self { $($field: <$type>::from_json(&json.$name, stringify!($name))?),* })
            }

            pub(super) fn to_json(&self) -> $json {
                use $crate::operation::form::Field;
                $json { $($name: Field::to_json(&self.$field)),* }
            }
        }

        impl $crate::operation::Signed for $kind {
            fn terms(&self) -> $crate::operation::Terms {
                let Self { avs, account, nonce, deadline, .. } = self;
                $crate::operation::Terms { avs: *avs, account: *account, nonce: *nonce, deadline: *deadline }
            }

            fn signing_hash(&self, domain: &alloy_sol_types::Eip712Domain) -> alloy_primitives::B256 {
                alloy_sol_types::SolStruct::eip712_signing_hash(self, domain)
            }

            fn encoded_type(&self) -> String {
                <Self as alloy_sol_types::SolStruct>::eip712_encode_type().into_owned()
            }
        }
    };
}

pub(super) use forms;
