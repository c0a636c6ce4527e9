//! The engine from outside: a bench of engines and vaults whose every message the test holds in its hand.
#[cfg(test)]
mod audit;
#[cfg(test)]
mod authority;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod byzantine;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod fairness;
#[cfg(test)]
mod governance;
#[cfg(test)]
mod host;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod keygen;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod network;
#[cfg(test)]
mod pause;
#[cfg(test)]
mod pause_chaos;
#[cfg(test)]
mod people;
#[cfg(test)]
mod quarantine;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod reshare;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod restored;
#[cfg(test)]
mod script;
#[cfg(test)]
mod second;
#[cfg(test)]
mod settling;
#[cfg(test)]
mod show;
#[cfg(test)]
mod signing;
#[cfg(test)]
mod timed;
#[cfg(test)]
mod versions;
#[cfg(test)]
mod warm;
#[cfg(test)]
mod witness;
