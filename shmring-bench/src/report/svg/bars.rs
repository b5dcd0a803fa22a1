//! Bars along one axis.

use std::fmt::Write;

use super::axis::Axis;
use super::{TOP, WIDTH, escaped, grid, open};

/// Room for names on the left of bars, and for figures on the right of the longest.
const NAMES: f64 = 190.0;
const FIGURES: f64 = 90.0;
/// Height of a bar with its gap.
const STEP: f64 = 22.0;
const HEIGHT: f64 = 15.0;
const BOTTOM: f64 = 30.0;

/// A bar: a name, the median and where the middle half lies, what to write at its end, and the
/// name of its colour.
pub(in super::super) struct Bar {
    pub(in super::super) name: String,
    pub(in super::super) value: f64,
    pub(in super::super) low: f64,
    pub(in super::super) high: f64,
    pub(in super::super) label: String,
    pub(in super::super) class: &'static str,
}

/// Bars from top to bottom, in the order given; `None` without any.
pub(in super::super) fn bars(title: &str, bars: &[Bar], tick: fn(f64) -> String) -> Option<String> {
    let ends = bars.iter().flat_map(|bar| [bar.value, bar.low, bar.high]);
    let axis = Axis::around(ends, NAMES, WIDTH - FIGURES)?;
    let height = TOP + bars.len() as f64 * STEP + BOTTOM;
    let bottom = height - BOTTOM;
    let mut svg = open("bars", height, title);
    for value in axis.ticks() {
        let x = axis.at(value);
        svg.push_str(&grid([x, TOP, x, bottom], (x, bottom + 18.0, "middle"), &tick(value)));
    }
    for (index, bar) in bars.iter().enumerate() {
        draw(&mut svg, bar, &axis, TOP + index as f64 * STEP);
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

fn draw(svg: &mut String, bar: &Bar, axis: &Axis, y: f64) {
    let middle = y + HEIGHT / 2.0;
    let (x, low, high) = (axis.at(bar.value), axis.at(bar.low), axis.at(bar.high));
    let _ = writeln!(
        svg,
        "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
         <rect class=\"{}\" x=\"{NAMES}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{HEIGHT}\"/>\
         <line class=\"spread\" x1=\"{low:.1}\" y1=\"{middle:.1}\" x2=\"{high:.1}\" \
         y2=\"{middle:.1}\"/>\
         <text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        NAMES - 8.0,
        middle + 4.0,
        escaped(&bar.name),
        bar.class,
        (x - NAMES).max(1.0),
        x.max(high) + 6.0,
        middle + 4.0,
        escaped(&bar.label)
    );
}
