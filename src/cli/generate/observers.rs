//! What a person, or a program, sees while music is made.

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    cli::{human_bytes, print_json},
    pipeline::{Event, Observer},
};

/// Prints every event as a line of JSON.
pub(super) struct JsonObserver;

impl Observer for JsonObserver {
    fn event(&mut self, event: Event) {
        // A failure to print ends the program when the result is printed.
        let _ = print_json(&event);
    }
}

/// Shows a bar for bytes and steps.
pub(super) struct BarObserver {
    bar: ProgressBar,
}

impl BarObserver {
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{prefix:>10} {wide_bar} {msg}") {
            bar.set_style(style);
        }
        Self { bar }
    }
}

impl Observer for BarObserver {
    fn event(&mut self, event: Event) {
        let left = |eta: Option<f64>| match eta {
            Some(ms) => format!("about {:.0} s left", (ms / 1e3).ceil()),
            None => String::new(),
        };
        match event {
            Event::Load {
                stage,
                loaded,
                total,
            } => {
                self.bar.set_prefix(stage);
                self.bar.set_length(total);
                self.bar.set_position(loaded);
                let message = format!("{} of {}", human_bytes(loaded), human_bytes(total));
                self.bar.set_message(message);
            }
            Event::Stage {
                stage,
                index,
                count,
                eta_ms,
            } => {
                self.bar.set_prefix(stage);
                self.bar.set_length(count as u64);
                self.bar.set_position(index as u64);
                self.bar.set_message(left(eta_ms));
            }
            Event::Step {
                stage,
                step,
                steps,
                eta_ms,
            } => {
                self.bar.set_prefix(stage);
                self.bar.set_length(steps as u64);
                self.bar.set_position(step as u64);
                let message = format!("step {step} of {steps}, {}", left(eta_ms));
                self.bar.set_message(message);
            }
            Event::Done { .. } => self.bar.finish_and_clear(),
        }
    }
}
