//! The log of a training run: a table as CSV, and a plot of it as SVG.

use plotters::prelude::{
    ChartBuilder, IntoDrawingArea, IntoLogRange, LineSeries, Palette, Palette99, PathElement,
    SVGBackend, SeriesLabelPosition, WHITE,
};
use plotters::style::Color;
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use crate::{Error, Result, files::write_file};

/// Figures by step, as they have been logged.
pub(super) struct Log {
    file: PathBuf,
    /// Step, name and figure, in the order of the file.
    rows: Vec<(usize, String, f64)>,
}

impl Log {
    /// Opens the log in `folder` and forgets what was logged behind step `until`: those steps will
    /// be taken again.
    pub fn open(folder: &Path, until: usize) -> Result<Self> {
        let file = folder.join("log.csv");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let rows = text.lines().skip(1).filter_map(|line| {
            let mut fields = line.splitn(3, ',');
            let step: usize = fields.next()?.parse().ok()?;
            let (name, value) = (fields.next()?, fields.next()?.parse().ok()?);
            (step <= until).then(|| (step, name.to_string(), value))
        });
        let log = Self {
            rows: rows.collect(),
            file,
        };
        let lines = log.rows.iter().map(line).collect::<String>();
        let text = format!("step,name,value\n{lines}");
        crate::files::write_file(&log.file, text.as_bytes())?;
        Ok(log)
    }

    /// Notes figures of one step.
    pub fn add(&mut self, step: usize, figures: &[(String, f64)]) -> Result<()> {
        let failed = |e| Error::file("write", &self.file, e);
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(&self.file)
            .map_err(failed)?;
        for (name, value) in figures {
            let row = (step, name.clone(), *value);
            file.write_all(line(&row).as_bytes()).map_err(failed)?;
            self.rows.push(row);
        }
        Ok(())
    }

    /// Draws all figures above zero over the steps, on a logarithmic scale.
    pub fn plot(&self, title: &str) -> Result<()> {
        let mut series: BTreeMap<&str, Vec<(usize, f64)>> = BTreeMap::new();
        for (step, name, value) in self.rows.iter().filter(|row| row.2 > 0.0) {
            series.entry(name).or_default().push((*step, *value));
        }
        let points = || series.values().flatten();
        let last = points().map(|point| point.0).max().unwrap_or(0).max(1);
        let low = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
        let high = points().map(|point| point.1).fold(0.0, f64::max);
        if high <= 0.0 {
            return Ok(());
        }
        let mut picture = String::new();
        let drawn = (|| -> std::result::Result<(), Box<dyn std::error::Error>> {
            let area = SVGBackend::with_string(&mut picture, (900, 500)).into_drawing_area();
            area.fill(&WHITE)?;
            let mut chart = ChartBuilder::on(&area)
                .caption(title, ("sans-serif", 18))
                .margin(10)
                .x_label_area_size(30)
                .y_label_area_size(60)
                .build_cartesian_2d(0..last, (low * 0.9..high * 1.1).log_scale())?;
            chart.configure_mesh().x_desc("step").draw()?;
            for (i, (name, points)) in series.iter().enumerate() {
                let colour = Palette99::pick(i).to_rgba();
                chart
                    .draw_series(LineSeries::new(points.iter().copied(), &colour))?
                    .label(*name)
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 15, y)], colour));
            }
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .background_style(WHITE.mix(0.8))
                .draw()?;
            area.present()?;
            Ok(())
        })();
        drawn.map_err(|e| Error::internal(format!("the plot of the losses failed ({e})")))?;
        let path = self.file.with_file_name("losses.svg");
        write_file(&path, picture.as_bytes())
    }
}

fn line((step, name, value): &(usize, String, f64)) -> String {
    format!("{step},{name},{value}\n")
}
