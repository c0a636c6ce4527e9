//! Who tests the tester: seeded bugs, coalitions that are too large, and what the checkers may not miss.

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod list;
#[cfg(test)]
mod meta;
#[cfg(test)]
mod seeded;
#[cfg(test)]
mod stage;
