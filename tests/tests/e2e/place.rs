//! Where things run: here all of them beside the test, on loopback. The tests in namespaces have a module of this name too.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use crate::process::PATIENCE;

/// Connects to whoever listens there.
pub(crate) fn connect(at: SocketAddr) -> Result<TcpStream, String> {
    TcpStream::connect_timeout(&at, PATIENCE).map_err(|error| error.to_string())
}

/// The command as it runs where `at` is an address.
pub(crate) fn beside(_at: SocketAddr, command: Command) -> Command {
    command
}
