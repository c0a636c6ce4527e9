//! Just enough of Rust's and Solidity's grammar: what is code, and where a function ends.

/// The text with comments, strings and character literals blanked; every line keeps its number.
pub(crate) fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let length = not_code(&chars, at);
        if length == 0 {
            code.push(chars[at]);
            at += 1;
        }
        for _ in 0..length {
            code.push(if chars[at] == '\n' { '\n' } else { ' ' });
            at += 1;
        }
    }
    code
}

/// Length of the comment, string or character literal that starts here; 0 if none does.
fn not_code(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let inside_word = at > 0 && is_word(chars[at - 1]);
    let length = match rest {
        ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['r', '"' | '#', ..] if !inside_word => raw_string(rest, 1),
        ['b' | 'c', 'r', '"' | '#', ..] if !inside_word => raw_string(rest, 2),
        ['"', ..] => quoted(rest, '"'),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(rest, '\''),
        _ => 0,
    };
    length.min(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => depth += 1,
            ['*', '/', ..] => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            break;
        }
    }
    at
}

fn raw_string(rest: &[char], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    let start = prefix + hashes;
    if rest.get(start) != Some(&'"') {
        return 0; // a raw identifier
    }
    let is_end = |at: usize| rest[at] == '"' && rest[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    let end = (start + 1..rest.len()).find(|at| is_end(*at)).unwrap_or(rest.len());
    end + 1 + hashes
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where this word stands by itself in the text, as byte offsets.
pub(crate) fn word_positions<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bounded = move |at: &usize| {
        let before = text[..*at].chars().next_back();
        let after = text[*at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    };
    text.match_indices(word).map(|(at, _)| at).filter(bounded)
}

pub(crate) fn has_word(text: &str, word: &str) -> bool {
    word_positions(text, word).next().is_some()
}

pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// A function with a body: the line of its keyword and how many lines it takes from there to its last brace.
pub(crate) struct Function {
    pub(crate) line: usize,
    pub(crate) length: usize,
    pub(crate) name: String,
}

/// Functions in code without comments and strings. `keywords` start one: `fn` in Rust, several in Solidity.
pub(crate) fn functions(code: &str, keywords: &[&str]) -> Vec<Function> {
    let mut found: Vec<_> = keywords.iter().flat_map(|word| word_positions(code, word)).collect();
    found.sort_unstable();
    found.into_iter().filter_map(|start| function_at(code, start)).collect()
}

fn function_at(code: &str, start: usize) -> Option<Function> {
    let end = body_end(&code[start..])? + start;
    let words: Vec<_> = code[start..].split(|c| !is_word(c)).filter(|word| !word.is_empty()).take(2).collect();
    let line = line_of(code, start);
    Some(Function { line, length: line_of(code, end) + 1 - line, name: words.join(" ") })
}

/// Offset of the brace that closes the first body; nothing if the declaration ends without one.
fn body_end(code: &str) -> Option<usize> {
    let mut braces = 0_usize;
    let mut parentheses = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => parentheses += 1,
            ')' | ']' => parentheses = parentheses.checked_sub(1)?, // a function pointer as the last argument
            '{' => braces += 1,
            '}' if braces == 1 => return Some(at),
            '}' => braces = braces.checked_sub(1)?,
            ';' if braces == 0 && parentheses == 0 => return None,
            _ => {}
        }
    }
    None
}

#[test]
fn comments_strings_and_characters_are_not_code() {
    let sample = "a /* b /* c */ d */ e // f\n\"g\\\" h\" r#\"i \" j\"# '}' '\\'' k<'l> br\"m\" r#n o";
    let words: Vec<_> = code_only(sample).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["a", "e", "k<'l>", "r#n", "o"]);
    assert_eq!(code_only(sample).lines().count(), 2);
}

#[test]
fn a_function_ends_at_its_brace() {
    let sample = "fn a(f: fn(u8) -> [u8; 2]) -> u8 {\n  if x { '{' } else { \"}\" }\n}\nfn b();\nfn c() {}\n";
    let found = functions(&code_only(sample), &["fn"]);
    let shown: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.line, f.length)).collect();
    assert_eq!(shown, [("fn a", 1, 3), ("fn c", 5, 1)]);
}

#[test]
fn words_are_whole() {
    assert!(has_word("let x: f64 = y", "f64") && !has_word("let f64_like = leaf64", "f64"));
}
