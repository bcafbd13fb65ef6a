//! Medians, and how two servers compare.

use crate::workload::{Sample, Unit};

/// The samples of one quantity, of one server or of two.
struct Row {
    name: &'static str,
    unit: Unit,
    values: Vec<Vec<f64>>,
}

/// Collects samples and prints them.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    servers: usize,
}

impl Report {
    /// A report on so many servers.
    pub(crate) fn new(servers: usize) -> Self {
        Report {
            rows: Vec::new(),
            servers,
        }
    }

    /// Adds a sample of server number `server`.
    pub(crate) fn add(&mut self, server: usize, sample: &Sample) {
        let at = self.rows.iter().position(|row| row.name == sample.name);
        let at = at.unwrap_or_else(|| {
            self.rows.push(Row {
                name: sample.name,
                unit: sample.unit,
                values: vec![Vec::new(); self.servers],
            });
            self.rows.len() - 1
        });
        self.rows[at].values[server].push(sample.value);
    }

    /// A line for each quantity: the medians, and with two servers how many times better the first is.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |row: &Row| {
            let medians: Vec<f64> = row.values.iter().map(|values| median(values)).collect();
            let mut line = format!("{:<20} {:>4}", row.name, row.unit.name());
            for median in &medians {
                line.push_str(&format!(" {median:>12.1}"));
            }
            if let [first, second] = medians[..] {
                let ratio = if row.unit.is_rate() {
                    first / second
                } else {
                    second / first
                };
                line.push_str(&format!(" {ratio:>8.2}"));
            }
            line
        };
        self.rows.iter().map(line).collect()
    }
}

/// The middle value, or the mean of the two middle values; of none, not a number.
fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_compared_so_that_more_than_one_is_better() {
        let mut report = Report::new(2);
        for (server, values) in [(0, [300.0, 100.0, 200.0]), (1, [90.0, 100.0, 110.0])] {
            for value in values {
                report.add(
                    server,
                    &Sample {
                        name: "rate",
                        unit: Unit::PerSecond,
                        value,
                    },
                );
                report.add(
                    server,
                    &Sample {
                        name: "time",
                        unit: Unit::Milliseconds,
                        value,
                    },
                );
            }
        }
        assert_eq!(
            report.lines(),
            [
                "rate                  1/s        200.0        100.0     2.00",
                "time                   ms        200.0        100.0     0.50",
            ]
        );
    }

    #[test]
    fn median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
