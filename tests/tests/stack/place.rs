//! Where things run: each address in a namespace of its own, and the test reaches it from inside.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::namespace::{command_within, within};
use crate::process::PATIENCE;

static PLACES: Mutex<BTreeMap<SocketAddr, String>> = Mutex::new(BTreeMap::new());

/// Says which namespace an address belongs to.
pub(crate) fn put(at: SocketAddr, namespace: &str) {
    PLACES.lock().unwrap_or_else(PoisonError::into_inner).insert(at, namespace.to_owned());
}

fn namespace(at: SocketAddr) -> Result<String, String> {
    let places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    places.get(&at).cloned().ok_or_else(|| format!("{at} is in no namespace"))
}

/// Connects to whoever listens there.
pub(crate) fn connect(at: SocketAddr) -> Result<TcpStream, String> {
    within(&namespace(at)?, || TcpStream::connect_timeout(&at, PATIENCE).map_err(|error| error.to_string()))?
}

/// The command as it runs where `at` is an address.
pub(crate) fn beside(at: SocketAddr, command: Command) -> Command {
    command_within(&namespace(at).expect("the address has a place"), &command)
}
