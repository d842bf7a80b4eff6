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

use crate::{Error, Result};

/// Figures by step, as they have been logged.
pub(super) struct Log {
    file: PathBuf,
    /// For each name the steps and figures.
    series: BTreeMap<String, Vec<(usize, f64)>>,
}

impl Log {
    /// Opens the log in `folder` and forgets what was logged behind step `until`: those steps will
    /// be taken again.
    pub fn open(folder: &Path, until: usize) -> Result<Self> {
        let file = folder.join("log.csv");
        let mut log = Self {
            file,
            series: BTreeMap::new(),
        };
        let text = fs::read_to_string(&log.file).unwrap_or_default();
        for line in text.lines().skip(1) {
            let mut fields = line.splitn(3, ',');
            let step = fields.next().and_then(|field| field.parse().ok());
            let name = fields.next();
            let value = fields.next().and_then(|field| field.parse().ok());
            if let (Some(step), Some(name), Some(value)) = (step, name, value)
                && step <= until
            {
                log.series
                    .entry(name.into())
                    .or_default()
                    .push((step, value));
            }
        }
        log.rewrite()?;
        Ok(log)
    }

    fn rewrite(&self) -> Result<()> {
        let mut rows: Vec<(usize, &str, f64)> = self
            .series
            .iter()
            .flat_map(|(name, points)| {
                points
                    .iter()
                    .map(move |&(step, v)| (step, name.as_str(), v))
            })
            .collect();
        rows.sort_by_key(|row| row.0);
        let mut text = String::from("step,name,value\n");
        for (step, name, value) in rows {
            text += &format!("{step},{name},{value}\n");
        }
        fs::write(&self.file, text).map_err(|e| Error::file("write", &self.file, e))
    }

    /// Notes figures of one step.
    pub fn add(&mut self, step: usize, figures: &[(String, f64)]) -> Result<()> {
        let failed = |e| Error::file("write", &self.file, e);
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(&self.file)
            .map_err(failed)?;
        for (name, value) in figures {
            writeln!(file, "{step},{name},{value}").map_err(failed)?;
            let series = self.series.entry(name.clone()).or_default();
            series.push((step, *value));
        }
        Ok(())
    }

    /// Draws all figures above zero over the steps, on a logarithmic scale.
    pub fn plot(&self, title: &str) -> Result<()> {
        let points = || {
            self.series
                .values()
                .flatten()
                .filter(|(_, value)| *value > 0.0)
        };
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
            for (i, (name, points)) in self.series.iter().enumerate() {
                let colour = Palette99::pick(i).to_rgba();
                let points = points.iter().filter(|(_, value)| *value > 0.0).copied();
                chart
                    .draw_series(LineSeries::new(points, &colour))?
                    .label(name)
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
        fs::write(&path, picture).map_err(|e| Error::file("write", &path, e))
    }
}
