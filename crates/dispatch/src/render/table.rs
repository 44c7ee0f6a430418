//! Tables.

/// A column: its heading, and on which side its cells stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    heading: &'static str,
    right: bool,
}

impl Column {
    pub(crate) const fn left(heading: &'static str) -> Self {
        Self { heading, right: false }
    }

    pub(crate) const fn right(heading: &'static str) -> Self {
        Self { heading, right: true }
    }
}

/// A heading and rows, without an end of the last line.
pub(crate) fn table<const N: usize>(columns: &[Column; N], rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|at| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.fold(columns[at].heading.chars().count(), usize::max)
    });
    let line = |cells: [&str; N]| {
        let cells: Vec<String> = (0..N)
            .map(|at| match columns[at].right {
                true => format!("{:>width$}", cells[at], width = widths[at]),
                false => format!("{:<width$}", cells[at], width = widths[at]),
            })
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    let heading = line(columns.map(|column| column.heading));
    let rows = rows.iter().map(|row| line(row.each_ref().map(String::as_str)));
    std::iter::once(heading).chain(rows).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        let columns = [Column::left("name"), Column::right("n")];
        assert_eq!(table(&columns, &[]), "name  n");
        let rows = [row("é", "1,000"), row("longer", "")];
        assert_eq!(table(&columns, &rows), "name        n\né       1,000\nlonger");
    }
}
