//! Sizes: a file is one idea, a function fits a screen, the vault can be read in one sitting.

use crate::files::{File, Problem, assert_finds, assert_none, assert_tidy, tree};
use crate::source::{code_only, functions};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const VAULT_LINES_MAX: usize = 3_300;

fn file_length(file: &File) -> Vec<Problem> {
    let lines = file.text.lines().count();
    if !file.has_extension(&["rs", "sol", "js", "proto"]) || lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    let what =
        format!("{lines} lines, at most {FILE_LINES_MAX}; move one of its ideas, or its tests, to a file of its own");
    vec![file.problem(FILE_LINES_MAX + 1, what)]
}

fn function_length(file: &File) -> Vec<Problem> {
    let keywords: &[&str] = if file.has_extension(&["rs"]) {
        &["fn"]
    } else if file.has_extension(&["sol"]) {
        &["function", "constructor", "modifier", "fallback", "receive"]
    } else {
        return Vec::new();
    };
    let long = functions(&code_only(&file.text), keywords).into_iter().filter(|f| f.length > FUNCTION_LINES_MAX);
    long.map(|f| {
        let what = format!("`{}` takes {} lines, at most {FUNCTION_LINES_MAX}; name its steps", f.name, f.length);
        file.problem(f.line, what)
    })
    .collect()
}

/// Lines of the vault that an auditor has to read: without test modules, in files of their own or inside others.
fn vault_length(files: &[File]) -> Vec<Problem> {
    let in_vault = |file: &&File| file.path.starts_with("vault/src/") && file.has_extension(&["rs"]);
    let tests: Vec<_> = files.iter().filter(in_vault).flat_map(test_module_files).collect();
    let is_read = |file: &&File| in_vault(file) && !file.is_test() && !tests.contains(&file.path);
    let files: Vec<_> = files.iter().filter(is_read).collect();
    let lines: usize = files.iter().map(|file| file.text.lines().count() - test_module_lines(&file.text)).sum();
    match files.first() {
        Some(file) if lines >= VAULT_LINES_MAX => {
            let what = format!(
                "vault/src has {lines} lines without tests, fewer than {VAULT_LINES_MAX} are allowed; what is public arithmetic or needs no secret belongs to coordinator/"
            );
            vec![file.problem(1, what)]
        }
        _ => Vec::new(),
    }
}

/// Files of the modules that this one declares under `#[cfg(test)]`.
fn test_module_files(file: &File) -> Vec<String> {
    let folder = match file.name() {
        "lib.rs" | "main.rs" => file.path.rsplit_once('/').map_or("", |(folder, _)| folder),
        _ => file.path.trim_end_matches(".rs"),
    };
    let lines: Vec<_> = file.text.lines().map(str::trim).collect();
    let pairs = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    let names = pairs.filter_map(|pair| pair[1].strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name));
    names.map(|name| format!("{folder}/{name}.rs")).collect()
}

fn test_module_lines(text: &str) -> usize {
    let code = code_only(text);
    let modules = functions(&code, &["mod"]);
    let lines: Vec<_> = code.lines().collect();
    let is_test = |line: usize| line >= 2 && lines[line - 2].contains("#[cfg(test)]");
    modules.iter().filter(|module| is_test(module.line)).map(|module| module.length).sum()
}

#[test]
fn files_are_short() {
    assert_tidy(file_length);
}

#[test]
fn long_files_are_found() {
    assert_finds(file_length, "a.rs", &"x\n".repeat(FILE_LINES_MAX + 1), &[FILE_LINES_MAX + 1]);
    assert_finds(file_length, "a.sol", &"x\n".repeat(FILE_LINES_MAX), &[]);
    assert_finds(file_length, "a.json", &"x\n".repeat(FILE_LINES_MAX + 1), &[]);
}

#[test]
fn functions_fit_a_screen() {
    assert_tidy(function_length);
}

#[test]
fn long_functions_are_found() {
    let body = "x();\n".repeat(FUNCTION_LINES_MAX - 1);
    assert_finds(function_length, "a.rs", &format!("fn f() {{\n{body}}}\n"), &[1]);
    assert_finds(function_length, "a.rs", &format!("\nimpl A {{\nfn f() {{\n// {{\n{body}}}\n}}"), &[3]);
    assert_finds(function_length, "a.rs", &format!("mod a {{ fn f() {{}}\n{body}}}\n"), &[]);
    assert_finds(function_length, "a.sol", &format!("contract A {{ constructor() {{\n{body}}}\n}}"), &[1]);
}

#[test]
fn the_vault_can_be_read_in_one_sitting() {
    assert_none(&vault_length(&tree()));
}

#[test]
fn a_vault_too_long_is_found() {
    let long = |path: &str| File::new(path, &"x\n".repeat(VAULT_LINES_MAX));
    assert_eq!(vault_length(&[long("vault/src/a.rs")]).len(), 1);
    assert_eq!(vault_length(&[long("vault/src/a/tests.rs"), long("node/src/a.rs")]).len(), 0);
    let declares = File::new("vault/src/lib.rs", "#[cfg(test)]\npub(crate) mod testing;\nmod a;\n");
    assert_eq!(vault_length(&[declares, long("vault/src/testing.rs")]).len(), 0);
    let tests = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n", "x\n".repeat(VAULT_LINES_MAX));
    assert_eq!(vault_length(&[File::new("vault/src/a.rs", &tests)]).len(), 0);
}
