//! Just enough of XML to notice a document that a parser would refuse.

/// Tags are closed in order, attributes quoted and single, and no bare `<` or `&` is left in text.
pub(super) fn assert_well_formed(text: &str) {
    let text = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").unwrap_or(text);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "a control character");
    let mut open = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        assert_text(&rest[..start]);
        let end = rest[start..].find('>').expect("a tag that does not end") + start;
        tag(&rest[start + 1..end], &mut open);
        rest = &rest[end + 1..];
    }
    assert_eq!(rest.trim(), "", "after the document");
    assert!(open.is_empty(), "never closed: {open:?}");
}

fn tag<'a>(tag: &'a str, open: &mut Vec<&'a str>) {
    if let Some(name) = tag.strip_prefix('/') {
        assert_eq!(open.pop(), Some(name), "closed in another order");
        return;
    }
    let inner = tag.strip_suffix('/').unwrap_or(tag);
    let (name, mut rest) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
    assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "a tag named {name:?}");
    let mut seen = Vec::new();
    while let Some((attribute, after)) = rest.trim_start().split_once("=\"") {
        assert!(attribute.chars().all(|c| c.is_ascii_alphanumeric() || "-:".contains(c)), "{attribute:?} in {tag:?}");
        assert!(!seen.contains(&attribute), "{attribute} twice in {tag:?}");
        seen.push(attribute);
        let (value, after) = after.split_once('"').expect("a quote that does not end");
        assert_text(value);
        rest = after;
    }
    assert_eq!(rest.trim(), "", "in {tag:?}");
    if inner.len() == tag.len() {
        open.push(name);
    }
}

fn assert_text(text: &str) {
    for (at, _) in text.match_indices('&') {
        let entity = text[at + 1..].split(';').next().unwrap_or_default();
        assert!(["amp", "lt", "gt", "quot", "#39"].contains(&entity), "&{entity}");
    }
}

#[test]
#[should_panic(expected = "closed in another order")]
fn crossed_tags_are_noticed() {
    assert_well_formed("<a><b></a></b>");
}

#[test]
#[should_panic(expected = "& b")]
fn bare_ampersands_are_noticed() {
    assert_well_formed("<a>a & b</a>");
}
