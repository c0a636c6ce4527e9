//! Documentation that points nowhere is worse than none.

use std::collections::{BTreeMap, BTreeSet};

use crate::files::{File, Problem, assert_none, tree};

/// Anchors of the headings of a page, as forges build them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::new();
    let mut all = BTreeSet::new();
    for (_, line) in prose(text) {
        let Some(heading) = line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')) else {
            continue;
        };
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect();
        let count = seen.entry(slug.clone()).or_insert(0_usize);
        all.insert(if *count == 0 { slug } else { format!("{slug}-{count}") });
        *count += 1;
    }
    all
}

/// Lines outside fenced blocks.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (number, line) in crate::files::numbered(text) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push((number, line));
        }
    }
    lines
}

/// Targets of `[text](target)` in a line, without those quoted as code.
fn targets(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("](") {
        let is_code = line[..at].matches('`').count() % 2 == 1;
        let target = line[at + 2..].split([')', ' ']).next().unwrap_or_default();
        if !is_code {
            found.push(target);
        }
    }
    found
}

/// The path of a link from the repository's root; nothing if it leads out of the repository.
fn resolve(page: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn broken_links(files: &[File]) -> Vec<Problem> {
    let pages = files.iter().filter(|file| file.has_extension(&["md"]));
    let by_path: BTreeMap<_, _> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    let is_folder = |path: &str| files.iter().any(|file| file.path.starts_with(&format!("{path}/")));
    let complaint = |page: &File, target: &str| -> Option<String> {
        if target.contains("://") || target.starts_with("mailto:") {
            return None;
        }
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = if path.is_empty() { Some(page.path.clone()) } else { resolve(&page.path, path) };
        let file = path.as_deref().and_then(|path| by_path.get(path));
        match (path.as_deref(), file) {
            (None, _) => Some(format!("link `{target}` leads out of the repository")),
            (Some(path), None) if !is_folder(path) => Some(format!("link `{target}`: there is no {path}")),
            (_, Some(file)) if !anchor.is_empty() && file.has_extension(&["md"]) => {
                let known = anchors(&file.text).contains(anchor);
                (!known).then(|| format!("link `{target}`: {} has no heading #{anchor}", file.path))
            }
            _ => None,
        }
    };
    let in_page = |page: &File| -> Vec<Problem> {
        let links =
            prose(&page.text).into_iter().flat_map(|(at, line)| targets(line).into_iter().map(move |t| (at, t)));
        links.filter_map(|(at, target)| complaint(page, target).map(|what| page.problem(at, what))).collect()
    };
    pages.flat_map(in_page).collect()
}

/// A user reads here what a new version changes.
fn changelog(file: &File) -> Vec<Problem> {
    let is_version =
        |line: &str| line.starts_with("## Unreleased") || line.starts_with("## 0.") || line.starts_with("## 1.");
    let first = file.lines().find(|(_, line)| line.starts_with("## "));
    match first {
        Some((_, line)) if is_version(line) => Vec::new(),
        Some((at, line)) => vec![file.problem(at, format!("`{line}` is no version; start with ## Unreleased"))],
        None => vec![file.problem(1, "no section; start with ## Unreleased")],
    }
}

#[test]
fn links_resolve() {
    assert_none(&broken_links(&tree()));
}

#[test]
fn broken_links_are_found() {
    let other = File::new("docs/adr/0001-a.md", "# A title: `code`, and more\n## Twice\n## Twice\n");
    let check =
        |text: &str| broken_links(&[File::new("docs/README.md", text), File::new("a.rs", ""), copy(&other)]).len();
    let good = "[a](adr/0001-a.md) [b](adr/0001-a.md#a-title-code-and-more) [c](../a.rs) [d](adr/) [e](https://x.y)\n\
                # Here\n[f](#here) `[g](gone)` [h](adr/0001-a.md#twice-1)\n```\n[i](gone.md)\n```\n";
    assert_eq!(check(good), 0);
    for bad in ["[a](adr/0002.md)", "[a](adr/0001-a.md#b)", "[a](#gone)", "[a](../../x.md)", "x [a](adr) [b](c)"] {
        assert_eq!(check(bad), 1, "{bad}");
    }
}

fn copy(file: &File) -> File {
    File::new(&file.path, &file.text)
}

#[test]
fn the_changelog_starts_with_a_version() {
    assert_none(&changelog(&File::read("CHANGELOG.md")));
    crate::files::assert_finds(changelog, "CHANGELOG.md", "# Changelog\n", &[1]);
    crate::files::assert_finds(changelog, "CHANGELOG.md", "# Changelog\n\n## Soon\n", &[3]);
}
