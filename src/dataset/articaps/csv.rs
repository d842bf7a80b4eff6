//! Tables as CSV: RFC 4180, with quoted fields that hold commas, quotes and lines.

use std::{collections::HashMap, fs, path::Path};

use crate::{Error, Result};

/// A table with a row of names.
#[derive(Debug)]
pub struct Table {
    columns: HashMap<String, usize>,
    /// The rows, each with the number of the line that it begins in.
    rows: Vec<(usize, Vec<String>)>,
    place: String,
}

impl Table {
    /// Reads the file `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|e| Error::file("read", path, e))?;
        Self::parse(&text, path.display().to_string())
    }

    /// Reads `text`, which a person knows as `place`.
    fn parse(text: &str, place: String) -> Result<Self> {
        // Some editors begin a file with a byte-order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rows = rows(text, &place)?.into_iter();
        let Some((_, names)) = rows.next() else {
            return Err(Error::input(
                format!("{place} is empty"),
                "give a table whose first line has the names of its columns",
            ));
        };
        let columns: HashMap<String, usize> = names.iter().cloned().zip(0..).collect();
        let rows: Vec<_> = rows.collect();
        if let Some((line, row)) = rows.iter().find(|(_, row)| row.len() != names.len()) {
            return Err(Error::format(
                format!(
                    "line {line} of {place} has {} fields where {} have names",
                    row.len(),
                    names.len()
                ),
                "quote fields that hold commas",
            ));
        }
        Ok(Self {
            columns,
            rows,
            place,
        })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The place of the column `name`.
    pub fn column(&self, name: &str) -> Result<usize> {
        self.columns.get(name).copied().ok_or_else(|| {
            Error::input(
                format!("{} has no column {name}", self.place),
                "use the table as it is published",
            )
        })
    }

    /// A field.
    pub fn field(&self, row: usize, column: usize) -> &str {
        &self.rows[row].1[column]
    }

    /// `template` with the fields of a row in place of column names in braces.
    pub fn filled(&self, template: &str, row: usize) -> Result<String> {
        let mut filled = String::new();
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('{') {
            let Some((name, behind)) = behind.split_once('}') else {
                return Err(Error::input(
                    format!("{template} has a brace without its end"),
                    "write names of columns like {this}",
                ));
            };
            filled.push_str(before);
            filled.push_str(self.field(row, self.column(name)?));
            rest = behind;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

/// The rows, each with the number of its first line. Empty lines are none.
fn rows(text: &str, place: &str) -> Result<Vec<(usize, Vec<String>)>> {
    let mut rows = Vec::new();
    let (mut row, mut field) = (Vec::new(), String::new());
    let (mut line, mut first, mut quoted) = (1, 1, false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\n' {
            line += 1;
        }
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted && letters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                if row.len() > 1 || !row[0].is_empty() {
                    rows.push((first, std::mem::take(&mut row)));
                }
                row.clear();
                first = line;
            }
            other => field.push(other),
        }
    }
    if quoted {
        return Err(Error::format(
            format!("{place} ends inside of a field that begins in line {first} or behind"),
            "get the whole file again",
        ));
    }
    if !row.is_empty() || !field.is_empty() {
        row.push(field);
        rows.push((first, row));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Result<Table> {
        Table::parse(text, "a.csv".into())
    }

    #[test]
    fn quoted_fields_hold_anything() {
        let text =
            "\u{feff}name,said\r\n\"a, b\",\"he said \"\"so\"\",\nand left\"\r\n\r\nc,\nd,\"\"";
        let table = table(text).unwrap();
        let said = table.column("said").unwrap();
        assert_eq!(table.len(), 3);
        assert_eq!(table.field(0, table.column("name").unwrap()), "a, b");
        assert_eq!(table.field(0, said), "he said \"so\",\nand left");
        assert_eq!((table.field(1, said), table.field(2, said)), ("", ""));
        assert_eq!(table.filled("x/{name}.jpg", 1).unwrap(), "x/c.jpg");
        assert!(table.filled("{name", 1).is_err() && table.filled("{who}", 1).is_err());
    }

    #[test]
    fn faults_are_told_with_their_line() {
        let error = |text: &str| table(text).unwrap_err().to_string();
        assert!(error("a,b\n1,2\n\n3\n").contains("line 4 of a.csv has 1 fields"));
        assert!(error("a,b\n1,\"2\n").contains("ends inside of a field"));
        assert!(error("").contains("is empty"));
        let unknown = table("a,b\n1,2\n").unwrap().column("c").unwrap_err();
        assert!(unknown.message().contains("no column c"));
    }
}
