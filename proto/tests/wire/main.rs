//! The wire from outside: what peers, requesters and files can send, and what becomes of it.

#[cfg(test)]
mod account;
#[cfg(test)]
mod authority;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod change;
#[cfg(test)]
mod checkpoint;
#[cfg(test)]
mod code;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod declared;
#[cfg(test)]
mod definition;
#[cfg(test)]
mod diversity;
#[cfg(test)]
mod envelope;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod nested;
#[cfg(test)]
mod operation;
#[cfg(test)]
mod opinion;
#[cfg(test)]
mod pause;
#[cfg(test)]
mod point;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod property;
#[cfg(test)]
mod records;
#[cfg(test)]
mod request;
#[cfg(test)]
mod roster;
#[cfg(test)]
mod safe;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod signature;
