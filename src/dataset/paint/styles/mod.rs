//! One file per style family.

mod colour_field;
mod constructivist;
mod cubist;
mod dabs;
mod gestural;
mod ink_wash;
mod landscape;
mod nocturne;

use super::{Style, scene::Scene};

/// Paints the scene in a style.
pub(super) fn paint(style: Style, scene: &mut Scene) {
    match style {
        Style::ColourField => colour_field::paint(scene),
        Style::Impressionist => dabs::impressionist(scene),
        Style::Pointillist => dabs::pointillist(scene),
        Style::Constructivist => constructivist::paint(scene),
        Style::InkWash => ink_wash::paint(scene),
        Style::Landscape => landscape::paint(scene),
        Style::Nocturne => nocturne::paint(scene),
        Style::Gestural => gestural::paint(scene),
        Style::Cubist => cubist::paint(scene),
        Style::Mosaic => dabs::mosaic(scene),
    }
}
