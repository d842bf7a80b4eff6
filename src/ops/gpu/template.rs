//! Kernels as text: loops that are written out, because an array in registers is slow on many devices.

use std::fmt::Write;

use super::sources;

/// Writes a kernel out.
///
/// `//% for NAME in COUNT` repeats the lines up to its `//% end`, with `<NAME>` standing for 0, 1, …;
/// `//% if NAME` keeps them where the value is not 0, and those behind `//% else` where it is.
/// `//% include FILE.wgsl` inserts another file of `kernels/`, expanded with the same values. `<NAME>` and
/// `<2 + NAME>` stand for values anywhere.
///
/// # Panics
///
/// When the kernel's own text is wrong: tests expand each of them.
pub fn expand(text: &str, values: &[(&str, usize)]) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut values: Vec<(&str, usize)> = values.to_vec();
    let mut out = String::with_capacity(4 * text.len());
    block(&lines, &mut values, &mut out);
    out
}

fn block<'a>(lines: &[&'a str], values: &mut Vec<(&'a str, usize)>, out: &mut String) {
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        at += 1;
        let Some(directive) = line.trim().strip_prefix("//% ") else {
            substitute(line, values, out);
            out.push('\n');
            continue;
        };
        if let Some(file) = directive.strip_prefix("include ") {
            let text = sources::text(file.trim_end_matches(".wgsl"));
            let included: Vec<&str> = text.lines().collect();
            block(&included, values, out);
            continue;
        }
        let (other, end) = extent(&lines[at..]);
        let (body, rest) = (&lines[at..at + end], at + end + 1);
        let words: Vec<&str> = directive.split(' ').collect();
        match words[..] {
            ["for", name, "in", count] => {
                for i in 0..value(count, values) {
                    values.push((name, i));
                    block(body, values, out);
                    values.pop();
                }
            }
            ["if", name] => {
                let kept = match (value(name, values), other) {
                    (0, None) => &[],
                    (0, Some(other)) => &body[other + 1..],
                    (_, other) => &body[..other.unwrap_or(end)],
                };
                block(kept, values, out);
            }
            _ => panic!("a kernel has the unknown directive {directive}"),
        }
        at = rest;
    }
}

/// Where the `else` (if there is one) and the `end` of a block stand.
fn extent(lines: &[&str]) -> (Option<usize>, usize) {
    let (mut depth, mut other) = (0, None);
    for (at, line) in lines.iter().enumerate() {
        match line.trim().strip_prefix("//% ") {
            Some("end") if depth == 0 => return (other, at),
            Some("end") => depth -= 1,
            Some("else") if depth == 0 => other = Some(at),
            Some(line) if line.starts_with("include ") => {}
            Some("else") | None => {}
            Some(_) => depth += 1,
        }
    }
    panic!("a block of a kernel has no end")
}

fn value(name: &str, values: &[(&str, usize)]) -> usize {
    find(name, values).unwrap_or_else(|| panic!("a kernel names {name}, which has no value"))
}

/// The innermost value of a name.
fn find(name: &str, values: &[(&str, usize)]) -> Option<usize> {
    let mut newest = values.iter().rev();
    newest.find(|(other, _)| *other == name).map(|(_, v)| *v)
}

fn substitute(line: &str, values: &[(&str, usize)], out: &mut String) {
    let mut rest = line;
    while let Some(start) = rest.find('<') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let found = rest.find('>').and_then(|end| {
            let inner = &rest[1..end];
            let (offset, name) = inner.split_once(" + ").unwrap_or(("0", inner));
            Some((end, offset.parse::<usize>().ok()? + find(name, values)?))
        });
        match found {
            Some((end, value)) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "{value}");
                rest = &rest[end + 1..];
            }
            None => {
                out.push('<');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn loops_are_written_out() {
        let text = "//% for i in N\n//% for j in N\nlet a<i>_<j> = <1 + j>;\n//% end\n//% end\narray<f32> a < b";
        let expected =
            "let a0_0 = 1;\nlet a0_1 = 2;\nlet a1_0 = 1;\nlet a1_1 = 2;\narray<f32> a < b\n";
        assert_eq!(expand(text, &[("N", 2)]), expected);
    }

    #[test]
    fn files_are_included_where_they_are_wanted() {
        let text = "//% if A\n//% include tile.wgsl\n//% end\nfn main() {}";
        let values = |a| [("A", a), ("F16_TILES", 0)];
        assert_eq!(expand(text, &values(0)), "fn main() {}\n");
        assert!(expand(text, &values(1)).contains("alias TileVec4 = vec4f;"));
    }

    #[test]
    fn one_of_two_parts_is_kept() {
        let text = "//% if A\nyes\n//% if B\nboth\n//% end\n//% else\nno\n//% end";
        assert_eq!(expand(text, &[("A", 1), ("B", 0)]), "yes\n");
        assert_eq!(expand(text, &[("A", 1), ("B", 1)]), "yes\nboth\n");
        assert_eq!(expand(text, &[("A", 0), ("B", 1)]), "no\n");
    }
}
