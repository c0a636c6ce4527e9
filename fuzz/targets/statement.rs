//! What people and nodes sign and files hold: approvals, pauses, changes, notes of audit heads, audit entries. The first byte
//! says which.
#![no_main]

use firn_fuzz::NETWORK;
use firn_proto::checkpoint::Note;
use firn_proto::definition::SignedChange;
use firn_proto::envelope::decode_strict;
use firn_proto::ids::SubjectId;
use firn_proto::opinion::SignedOpinion;
use firn_proto::pause::{SignedAct, SignedPause};
use firn_proto::wire;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else { return };
    match which {
        b'o' => {
            let Some(wire) = decode_strict(data) else { return };
            let Ok(opinion) = SignedOpinion::from_wire(&wire, SubjectId::default()) else { return };
            assert_eq!(opinion.to_wire(), wire);
            drop(opinion.verify(&NETWORK));
        }
        b'p' => {
            let Some(wire) = decode_strict(data) else { return };
            let Ok(pause) = SignedPause::from_wire(&wire) else { return };
            assert_eq!(pause.to_wire(), wire);
            drop(pause.verify(&NETWORK));
        }
        b'a' => {
            let Some(wire) = decode_strict(data) else { return };
            let Ok(act) = SignedAct::from_wire(&wire) else { return };
            assert_eq!(act.to_wire(), wire);
            drop(act.verify(&NETWORK));
        }
        b'c' => {
            let Some(wire) = decode_strict::<wire::DefinitionChange>(data) else { return };
            let Ok(change) = SignedChange::from_wire(wire.clone()) else { return };
            assert_eq!(change.to_wire(), wire);
            drop(change.verify(&NETWORK));
        }
        b'n' => {
            let Ok(text) = std::str::from_utf8(data) else { return };
            if let Ok(note) = Note::from_text(text, &NETWORK) {
                let again = Note::from_text(&note.to_text(&NETWORK), &NETWORK).expect("its own form");
                assert_eq!(again, note);
            }
        }
        b'e' => drop(decode_strict::<wire::AuditEntry>(data)),
        _ => {}
    }
});
