//! Two kinds of plot as SVG: bars along one logarithmic axis, and lines over two.

use std::fmt::Write;

/// Width of all plots in user units.
const WIDTH: f64 = 760.0;
/// Room for names on the left of bars.
const NAMES: f64 = 190.0;
/// Height of a bar with its gap.
const BAR_STEP: f64 = 22.0;
const BAR: f64 = 15.0;
/// Room for axes.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;
const LINES_HEIGHT: f64 = 340.0;

/// A bar: a name, the median and where the middle half lies, what to write at its end, and the
/// name of its colour.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) label: String,
    pub(super) class: &'static str,
}

/// A line through points.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) class: String,
}

/// A logarithmic axis from pixel to pixel.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// Whole tenfolds around all values; `None` without any that a logarithm bears.
    fn around(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Option<Axis> {
        let logs: Vec<f64> = values.filter(|value| *value > 0.0).map(f64::log10).collect();
        let low = logs.iter().copied().reduce(f64::min)?.floor();
        let high = logs.iter().copied().reduce(f64::max)?.ceil();
        Some(Axis { low, high: high.max(low + 1.0), from, to })
    }

    fn at(&self, value: f64) -> f64 {
        let log = if value > 0.0 { value.log10() } else { self.low };
        let part = (log.clamp(self.low, self.high) - self.low) / (self.high - self.low);
        self.from + part * (self.to - self.from)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        (self.low as i32..=self.high as i32).map(|power| 10f64.powi(power))
    }
}

fn open(height: f64, title: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{}\">\n",
        escaped(title)
    )
}

/// Bars from top to bottom, in the order given.
pub(super) fn bars(title: &str, bars: &[Bar], tick: fn(f64) -> String) -> Option<String> {
    let ends = bars.iter().flat_map(|bar| [bar.value, bar.low, bar.high]);
    let axis = Axis::around(ends, NAMES, WIDTH - 110.0)?;
    let height = TOP + bars.len() as f64 * BAR_STEP + BOTTOM;
    let bottom = height - BOTTOM;
    let mut svg = open(height, title);
    for value in axis.ticks() {
        let x = axis.at(value);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>\
             <text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 18.0,
            escaped(&tick(value))
        );
    }
    for (index, bar) in bars.iter().enumerate() {
        let y = TOP + index as f64 * BAR_STEP;
        let middle = y + BAR / 2.0;
        let (x, low, high) = (axis.at(bar.value), axis.at(bar.low), axis.at(bar.high));
        let _ = writeln!(
            svg,
            "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{}\" x=\"{NAMES}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\"/>\
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
    svg.push_str("</svg>\n");
    Some(svg)
}

/// How a plot of lines is labelled.
pub(super) struct Labels {
    pub(super) title: String,
    pub(super) x: &'static str,
    pub(super) x_tick: fn(f64) -> String,
    pub(super) y_tick: fn(f64) -> String,
    /// Whether x runs from large to small.
    pub(super) falling: bool,
}

/// Lines over two logarithmic axes, with a legend on the right.
pub(super) fn lines(labels: &Labels, lines: &[Line]) -> Option<String> {
    let (left, right) = (LEFT, WIDTH - RIGHT);
    let (from, to) = if labels.falling { (right, left) } else { (left, right) };
    let points = || lines.iter().flat_map(|line| &line.points);
    let x_axis = Axis::around(points().map(|point| point.0), from, to)?;
    let bottom = LINES_HEIGHT - BOTTOM;
    let y_axis = Axis::around(points().map(|point| point.1), bottom, TOP)?;
    let mut svg = open(LINES_HEIGHT.max(TOP + 20.0 + lines.len() as f64 * 18.0), &labels.title);
    for value in x_axis.ticks() {
        let x = x_axis.at(value);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>\
             <text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 16.0,
            escaped(&(labels.x_tick)(value))
        );
    }
    for value in y_axis.ticks() {
        let y = y_axis.at(value);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 6.0,
            y + 4.0,
            escaped(&(labels.y_tick)(value))
        );
    }
    let _ = writeln!(
        svg,
        "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        (left + right) / 2.0,
        bottom + 34.0,
        escaped(labels.x)
    );
    for (index, line) in lines.iter().enumerate() {
        let at = |(x, y): &(f64, f64)| format!("{:.1},{:.1}", x_axis.at(*x), y_axis.at(*y));
        let points: Vec<String> = line.points.iter().map(at).collect();
        let y = TOP + 10.0 + index as f64 * 18.0;
        let _ = writeln!(
            svg,
            "<polyline class=\"line {0}\" points=\"{1}\"/>\
             <line class=\"line {0}\" x1=\"{2:.1}\" y1=\"{y:.1}\" x2=\"{3:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"name\" x=\"{4:.1}\" y=\"{5:.1}\">{6}</text>",
            line.class,
            points.join(" "),
            right + 12.0,
            right + 32.0,
            right + 38.0,
            y + 4.0,
            escaped(&line.name)
        );
    }
    svg.push_str("</svg>\n");
    Some(svg)
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
