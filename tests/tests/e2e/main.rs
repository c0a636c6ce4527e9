//! Whole networks of real processes: five nodes, a chain, faults, and bytes that should not be there.
//!
//! The tests are a client like any other: they start the `firn` binary, talk HTTP, sockets and the chain's JSON-RPC,
//! and use `firn-proto` for digests and messages. What a refusal says is checked as people and programs see it: a
//! stable code, a cause, a next step.

#[cfg(test)]
mod acts;
#[cfg(test)]
mod asking;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod authority;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod chain_plan;
#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod epochs;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod governance;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod host;
#[cfg(test)]
mod http;
#[cfg(test)]
mod keygen;
#[cfg(test)]
mod life;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod losses;
#[cfg(test)]
mod member;
#[cfg(test)]
mod net;
#[cfg(test)]
mod newcomer;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod pause;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod people;
#[cfg(test)]
mod place;
#[cfg(test)]
mod process;
#[cfg(test)]
#[path = "../stack/random.rs"]
mod random;
#[cfg(test)]
mod records;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod timelock;
#[cfg(test)]
mod treasury;
#[cfg(test)]
mod versions;
#[cfg(test)]
mod watch;
