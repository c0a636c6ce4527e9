//! The known word nearest to a misspelt one.

/// The nearest of `known` by edit distance, if it is near enough to be meant. No word is near to one that shares nothing with it.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = word.chars().count();
    let room = (letters / 3).max(2).min(letters.saturating_sub(1));
    let scored = known.into_iter().map(|candidate| (distance(word, candidate), candidate));
    scored.filter(|(distance, _)| *distance <= room).min().map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut two_above: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    let mut last = None;
    for (row, letter) in from.chars().enumerate() {
        let mut line = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&above, column) + usize::from(letter != *other);
            let mut best = replaced.min(at(&above, column + 1) + 1).min(at(&line, column) + 1);
            let previous = column.checked_sub(1);
            if let Some(before) = previous.filter(|before| last == Some(*other) && to.get(*before) == Some(&letter)) {
                best = best.min(at(&two_above, before) + 1);
            }
            line.push(best);
        }
        two_above = std::mem::replace(&mut above, line);
        last = Some(letter);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn counts_edits() {
        for (from, to, edits) in
            [("", "", 0), ("crash", "crash", 0), ("crahs", "crash", 1), ("crsh", "crash", 1), ("lost", "crash", 4)]
        {
            assert_eq!((distance(from, to), distance(to, from)), (edits, edits), "{from} {to}");
        }
    }

    #[test]
    fn a_far_word_is_not_suggested() {
        assert_eq!(nearest("partion", ["partition", "one-way"]), Some("partition"));
        assert_eq!(nearest("volcano", ["partition", "one-way"]), None);
        assert_eq!(nearest("9", ["0", "N1"]), None);
        assert_eq!(nearest("N9", ["0", "N1"]), Some("N1"));
    }
}
