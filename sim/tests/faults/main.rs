//! Faults in virtual time: members that lie, that die at any moment, and that give a key up together.

#[cfg(test)]
mod abandonment;
#[cfg(test)]
mod byzantine;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod stage;
