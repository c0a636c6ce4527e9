//! Rules of the project that no lint knows, checked over every file git would commit.
//!
//! Each rule is a function from a file (or a graph) to problems, with a test that shows it failing on a bad sample
//! beside the test that runs it over the tree.

#[cfg(test)]
mod closure;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod files;
#[cfg(test)]
mod links;
#[cfg(test)]
mod mutants;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod requirements;
#[cfg(test)]
mod shape;
#[cfg(test)]
mod size;
#[cfg(test)]
mod source;
#[cfg(test)]
mod words;
