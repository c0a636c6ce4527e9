//! Faults in virtual time: members that lie, that die at any moment, that give a key up together, and messages that are
//! lost or go on for ever.

#[cfg(test)]
mod abandonment;
#[cfg(test)]
mod byzantine;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod losses;
#[cfg(test)]
mod rivals;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod walk;
