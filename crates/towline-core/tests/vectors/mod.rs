//! The vector files that all ports share.

#![allow(dead_code, reason = "each test file takes the parts that it needs")]

use serde_json::Value;
use std::path::PathBuf;

/// The file `<name>.json` of the folder that `TOWLINE_VECTORS` names, else of `spec/vectors`.
pub(crate) fn load(name: &str) -> Value {
    let folder = std::env::var_os("TOWLINE_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/vectors")),
        PathBuf::from,
    );
    let file = folder.join(format!("{name}.json"));
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The entries of a list that has some.
pub(crate) fn array(value: &Value) -> std::slice::Iter<'_, Value> {
    let entries = value
        .as_array()
        .unwrap_or_else(|| panic!("not a list: {value}"));
    assert!(!entries.is_empty(), "an empty list tests nothing");
    entries.iter()
}

/// The text of a value that is one.
pub(crate) fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {value}"))
}

/// The number of a value that is a tick, a count or a size.
pub(crate) fn number(value: &Value) -> u32 {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.unwrap_or_else(|| panic!("not a number of 32 bits: {value}"))
}
