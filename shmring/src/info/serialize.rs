//! `serde::Serialize` for types that cannot derive it: `ring` imports nothing but `core`, since the
//! model crate compiles it too, and a type name is stored as bytes.

use std::path::PathBuf;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::info::TypeName;
use crate::ring::Corrupt;
use crate::ring::membership::Role;

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (index, name) = match self {
            Self::Producer => (0, "producer"),
            Self::Consumer => (1, "consumer"),
        };
        serializer.serialize_unit_variant("Role", index, name)
    }
}

impl Serialize for Corrupt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { what, position, found } = self;
        let mut fields = serializer.serialize_struct("Corrupt", 3)?;
        fields.serialize_field("what", what)?;
        fields.serialize_field("position", position)?;
        fields.serialize_field("found", found)?;
        fields.end()
    }
}

/// As stored, without the escapes of `Display`: a serializer has its own.
impl Serialize for TypeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Serializes a path that need not be UTF-8, which serde's own implementation refuses.
pub(super) fn lossy_path<S: Serializer>(
    path: &Option<PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}
