//! The kernel by itself: runs of scenarios built by hand.

#[cfg(test)]
mod crashes;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod stage;
