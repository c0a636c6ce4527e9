//! Definitions: refused, or written and read back as the same, with the same digest.
#![no_main]

use firn_proto::definition::Definition;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(definition) = Definition::parse(text) {
        let again = Definition::parse(&definition.to_toml()).expect("what was written is read");
        assert_eq!(again.digest(), definition.digest());
        assert_eq!(again, definition);
    }
});
