//! Two kinds of plot as SVG: bars along one logarithmic axis, and lines over two.

mod axis;
mod bars;
mod lines;

pub(super) use bars::{Bar, bars};
pub(super) use lines::{Labels, Line, lines};

/// Width of all plots in user units.
const WIDTH: f64 = 860.0;
/// Above the first bar, and above the highest line.
const TOP: f64 = 12.0;
/// From one entry of a legend to the next.
const LEGEND_STEP: f64 = 18.0;

fn open(class: &str, height: f64, title: &str) -> String {
    let title = escaped(title);
    format!(
        "<svg class=\"{class}\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" \
         aria-label=\"{title}\">\n"
    )
}

/// A line of the grid from one point to another, and what to write at a third.
fn grid([x1, y1, x2, y2]: [f64; 4], (x, y, anchor): (f64, f64, &str), label: &str) -> String {
    format!(
        "<line class=\"grid\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>\
         <text class=\"tick\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>\n",
        escaped(label)
    )
}

/// Text for HTML and its attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
