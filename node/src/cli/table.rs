//! Aligned columns for people.

/// Wider columns are not filled up; the formatter takes no more than 65,535.
const WIDTH_MAX: usize = 4_096;

/// A table: a header and rows of as many cells.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this header.
    pub fn new(header: &[&str]) -> Self {
        Self { rows: vec![header.iter().map(|cell| (*cell).to_string()).collect()] }
    }

    /// Appends a row.
    ///
    /// # Panics
    /// When it has another number of cells than the header.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        assert_eq!(cells.len(), self.rows[0].len(), "one cell a column");
        self.rows.push(cells);
    }

    /// The text: numbers to the right, everything else to the left, two spaces between.
    pub fn render(&self) -> String {
        let columns = 0..self.rows[0].len();
        let width = |column: usize| {
            let widest = self.rows.iter().map(|row| row[column].chars().count()).max();
            widest.unwrap_or(0).min(WIDTH_MAX)
        };
        let widths: Vec<usize> = columns.clone().map(width).collect();
        let is_number: Vec<bool> = columns.map(|column| self.is_number(column)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), is_number) in row.iter().zip(&widths).zip(&is_number) {
                let gap = if line.is_empty() { "" } else { "  " };
                line.push_str(gap);
                match is_number {
                    true => line.push_str(&format!("{cell:>width$}")),
                    false => line.push_str(&format!("{cell:<width$}")),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn is_number(&self, column: usize) -> bool {
        let is_figure = |letter: char| letter.is_ascii_digit() || matches!(letter, '.' | '-');
        let mut cells = self.rows.iter().skip(1).map(|row| &row[column]);
        cells.all(|cell| cell.chars().all(is_figure)) && self.rows.len() > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_end_together() {
        let mut table = Table::new(&["asset", "amount", "note"]);
        table.row(["QRT", "12.5", ""].map(String::from));
        table.row(["a-long-name", "1000", "x"].map(String::from));
        let expected = "asset        amount  note\nQRT            12.5\na-long-name    1000  x\n";
        assert_eq!(table.render(), expected);
    }

    #[test]
    fn a_cell_that_is_wider_than_any_column_is_shown_whole() {
        let mut table = Table::new(&["name", "n"]);
        table.row(["x".repeat(70_000), "1".into()]);
        table.row(["y".into(), "2".into()]);
        assert!(table.render().contains(&"x".repeat(70_000)));
    }
}
