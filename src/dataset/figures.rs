//! Figures of a data set, as SVG.

use plotters::prelude::{
    BLACK, ChartBuilder, Color, IntoDrawingArea, LineSeries, Palette, Palette99, PathElement,
    Rectangle, SVGBackend, SeriesLabelPosition, Text, WHITE,
};

use crate::{Error, Result};

/// What drawing may fail with.
type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

/// Classes of a histogram.
const CLASSES: usize = 60;
/// Height of a bar with the space around it, and the widths of names and bars, in pixels.
const ROW: i32 = 20;
const NAMES: i32 = 220;
const BARS: i32 = 560;

/// Histograms of several series over one axis: how many values of each lie in each of 60 equal classes.
pub fn histogram(title: &str, axis: &str, series: &[(String, Vec<f64>)]) -> Result<String> {
    let all = || series.iter().flat_map(|(_, values)| values).copied();
    let low = all().fold(f64::INFINITY, f64::min);
    let high = all().fold(f64::NEG_INFINITY, f64::max);
    if !(low.is_finite() && high.is_finite()) {
        return Err(Error::input(
            "there are no values to draw",
            "give a list that has some",
        ));
    }
    let width = ((high - low) / CLASSES as f64).max(f64::MIN_POSITIVE);
    let counts = series.iter().map(|(name, values)| {
        let mut counts = vec![0usize; CLASSES];
        for value in values {
            counts[(((value - low) / width) as usize).min(CLASSES - 1)] += 1;
        }
        (name, counts)
    });
    let counts: Vec<_> = counts.collect();
    let most = counts
        .iter()
        .flat_map(|(_, counts)| counts)
        .max()
        .copied()
        .unwrap_or(1);
    let high = high.max(low + CLASSES as f64 * width);
    draw((900, 500), |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 18))
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(low..high, 0..most + most / 20 + 1)?;
        chart.configure_mesh().x_desc(axis).y_desc("pairs").draw()?;
        for (i, (name, counts)) in counts.iter().enumerate() {
            let colour = Palette99::pick(i).to_rgba();
            let corners = counts.iter().enumerate().flat_map(|(class, count)| {
                let left = low + class as f64 * width;
                [(left, *count), (left + width, *count)]
            });
            chart
                .draw_series(LineSeries::new(corners, &colour))?
                .label(name.as_str())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 15, y)], colour));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .draw()?;
        Ok(())
    })
}

/// A bar for each label, one below the other, with its number.
pub fn bars(title: &str, counts: &[(String, usize)]) -> Result<String> {
    let most = counts
        .iter()
        .map(|(_, count)| *count)
        .max()
        .unwrap_or(1)
        .max(1);
    let height = (counts.len() as i32 + 2) * ROW + 20;
    let width = NAMES + BARS + 100;
    draw((width as u32, height as u32), |area| {
        let style = ("sans-serif", 13);
        area.draw(&Text::new(title.to_string(), (10, 8), ("sans-serif", 16)))?;
        for (row, (label, count)) in (0..).zip(counts) {
            let top = 10 + (row + 1) * ROW + ROW / 2;
            let length = (*count as f64 / most as f64 * f64::from(BARS)).round() as i32;
            let colour = Palette99::pick(0).filled();
            area.draw(&Text::new(label.clone(), (10, top), style))?;
            area.draw(&Rectangle::new(
                [(NAMES, top), (NAMES + length, top + ROW - 6)],
                colour,
            ))?;
            area.draw(&Text::new(
                count.to_string(),
                (NAMES + length + 6, top),
                style,
            ))?;
        }
        area.draw(&PathElement::new(
            [(NAMES, 10 + ROW), (NAMES, height - 10)],
            BLACK,
        ))?;
        Ok(())
    })
}

type Area<'a> = plotters::drawing::DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// The SVG of what `content` draws on white.
fn draw(size: (u32, u32), content: impl FnOnce(&Area) -> Drawn) -> Result<String> {
    let mut picture = String::new();
    let drawn = (|| -> Drawn {
        let area = SVGBackend::with_string(&mut picture, size).into_drawing_area();
        area.fill(&WHITE)?;
        content(&area)?;
        area.present()?;
        Ok(())
    })();
    drawn.map_err(|e| Error::internal(format!("a figure failed ({e})")))?;
    Ok(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_show_every_series_and_label() {
        let series = [
            (
                "picture-music".to_string(),
                (0..500).map(|i| f64::from(i % 37) / 50.0).collect(),
            ),
            ("caption-caption".to_string(), vec![0.1; 20]),
        ];
        let picture = histogram("Similarities", "cosine", &series).unwrap();
        for text in [
            "<svg",
            "Similarities",
            "picture-music",
            "caption-caption",
            "cosine",
        ] {
            assert!(picture.contains(text), "{text}");
        }
        // All values in one place.
        histogram("One", "cosine", &series[1..]).unwrap();
        assert!(histogram("None", "cosine", &[]).is_err());
        let picture = bars(
            "Styles",
            &[("Cubism & more".into(), 12), ("(none)".into(), 0)],
        )
        .unwrap();
        assert!(picture.contains("Cubism &amp; more") && picture.contains("12"));
    }
}
