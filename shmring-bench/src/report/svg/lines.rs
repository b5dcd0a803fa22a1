//! Lines over two axes.

use std::fmt::Write;

use super::axis::Axis;
use super::{LEGEND_STEP, TOP, WIDTH, escaped, grid, open};

/// Room for the axis on the left, the legend on the right, the axis below.
const LEFT: f64 = 76.0;
const RIGHT: f64 = 220.0;
const BOTTOM: f64 = 44.0;
const HEIGHT: f64 = 360.0;
/// Dashes that there are for lines of one colour, and tones of it.
const DASHES: usize = 5;
const TONES: usize = 3;

/// A line through points, from left to right.
pub(in super::super) struct Line {
    pub(in super::super) name: String,
    pub(in super::super) points: Vec<(f64, f64)>,
    /// The name of its colour.
    pub(in super::super) class: &'static str,
}

/// How a plot of lines is labelled.
pub(in super::super) struct Labels {
    pub(in super::super) title: String,
    pub(in super::super) x: &'static str,
    /// Where there are ticks on the x axis, and what they say.
    pub(in super::super) x_ticks: Vec<(f64, String)>,
    pub(in super::super) y_tick: fn(f64) -> String,
    /// Whether x runs from large to small.
    pub(in super::super) falling: bool,
}

/// Lines over two logarithmic axes, with a legend on the right in the order in which they lie;
/// `None` without any.
pub(in super::super) fn lines(labels: &Labels, mut lines: Vec<Line>) -> Option<String> {
    let (left, right) = (LEFT, WIDTH - RIGHT);
    let (from, to) = if labels.falling { (right, left) } else { (left, right) };
    let points = || lines.iter().flat_map(|line| &line.points);
    let height = HEIGHT.max(TOP + 20.0 + lines.len() as f64 * LEGEND_STEP);
    let bottom = height - BOTTOM;
    let x_axis = Axis::of(points().map(|point| point.0), from, to)?;
    let y_axis = Axis::around(points().map(|point| point.1), bottom, TOP)?;
    let mut svg = open("lines", height, &labels.title);
    for (value, label) in &labels.x_ticks {
        let x = x_axis.at(*value);
        svg.push_str(&grid([x, TOP, x, bottom], (x, bottom + 16.0, "middle"), label));
    }
    for value in y_axis.ticks() {
        let (y, label) = (y_axis.at(value), (labels.y_tick)(value));
        svg.push_str(&grid([left, y, right, y], (left - 6.0, y + 4.0, "end"), &label));
    }
    let _ = writeln!(
        svg,
        "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        (left + right) / 2.0,
        bottom + 34.0,
        escaped(labels.x)
    );
    lines.sort_by(|a, b| height_of(b).total_cmp(&height_of(a)));
    for (index, line) in lines.iter().enumerate() {
        let before = lines[..index].iter().filter(|other| other.class == line.class).count();
        let at = |(x, y): &(f64, f64)| format!("{:.1},{:.1}", x_axis.at(*x), y_axis.at(*y));
        let points: Vec<String> = line.points.iter().map(at).collect();
        draw(&mut svg, line, &points.join(" "), before, index);
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// How high a line lies, all in all.
fn height_of(line: &Line) -> f64 {
    let logs = line.points.iter().map(|(_, y)| y.max(f64::MIN_POSITIVE).ln());
    logs.sum::<f64>() / line.points.len().max(1) as f64
}

/// A line and its entry in the legend, which belong together for a pointer on either.
fn draw(svg: &mut String, line: &Line, points: &str, before: usize, index: usize) {
    let class = format!("{} dash{} tone{}", line.class, before % DASHES, before / DASHES % TONES);
    let (x, y) = (WIDTH - RIGHT + 14.0, TOP + 10.0 + index as f64 * LEGEND_STEP);
    let _ = writeln!(
        svg,
        "<g class=\"series\"><title>{0}</title><polyline class=\"line {class}\" points=\"{points}\"/>\
         <line class=\"line {class}\" x1=\"{x:.1}\" y1=\"{y:.1}\" x2=\"{1:.1}\" y2=\"{y:.1}\"/>\
         <text class=\"name\" x=\"{2:.1}\" y=\"{3:.1}\">{0}</text></g>",
        escaped(&line.name),
        x + 26.0,
        x + 32.0,
        y + 4.0,
    );
}
