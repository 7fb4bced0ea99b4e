//! A chart as SVG within HTML. There is no script in it: what stands at a time is told by the browser, for the strip
//! that the pointer is over.

use std::fmt::Write as _;

use super::escape;
use super::scale::{Scale, Unit, nice};
use crate::meter::Phase;

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 230.0;
/// Room for what stands beside the axes.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 18.0;
const BOTTOM: f64 = 24.0;

/// A stretch of time that is a phase.
#[derive(Clone, Debug)]
pub(super) struct Band {
    pub(super) phase: Phase,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// A chart.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) unit: Unit,
    /// Of this run.
    pub(super) series: Vec<Series>,
    pub(super) bands: Vec<Band>,
}

/// Values over time.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: String,
    /// Which one of the colours.
    pub(super) colour: usize,
    /// Whether it is of an earlier run.
    pub(super) is_earlier: bool,
    /// Seconds, and the value then if there is one.
    pub(super) values: Vec<(f64, Option<f64>)>,
}

impl Chart {
    /// Appends it.
    pub(super) fn render(&self, out: &mut String) {
        let unit = self.unit.name();
        let _ = write!(
            out,
            "<figure>\n<figcaption><b>{}</b> <i>{unit}</i>\n<span class=\"legend\">",
            escape(self.title)
        );
        for series in &self.series {
            let (class, name) = (series.class(), escape(&series.name));
            let _ = write!(out, "<span class=\"{class}\">{name}</span>");
        }
        let _ = write!(
            out,
            "</span></figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escape(self.title)
        );
        let values = self.series.iter().flat_map(|series| &series.values);
        let scale = Scale::new(self.unit, values.filter_map(|(_, value)| *value));
        let frame = Frame {
            end: self.end(),
            scale,
        };
        self.bands(out, &frame);
        axes(out, &frame);
        // What is of an earlier run lies behind, and the first one of this run before all others.
        for is_earlier in [true, false] {
            let series = self.series.iter().rev();
            for series in series.filter(|it| it.is_earlier == is_earlier) {
                series.render(out, &frame);
            }
        }
        self.strips(out, &frame);
        out.push_str("</svg>\n</figure>\n");
    }

    /// The last second of this run.
    fn end(&self) -> f64 {
        let ends = self.bands.iter().map(|band| band.to);
        ends.fold(0.0, f64::max).max(1e-3)
    }

    fn bands(&self, out: &mut String, frame: &Frame) {
        for band in &self.bands {
            let (from, to) = (frame.x(band.from), frame.x(band.to));
            let (class, height) = (band.phase.name().replace(' ', "-"), HEIGHT - TOP - BOTTOM);
            let width = to - from;
            let _ = writeln!(
                out,
                "<rect class=\"band {class}\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"/>"
            );
            // A letter takes some 5.5.
            let name = band.phase.name();
            if 5.5 * name.len() as f64 + 6.0 < width {
                let x = from + 4.0;
                let _ = writeln!(
                    out,
                    "<text class=\"phase\" x=\"{x:.1}\" y=\"12\">{name}</text>"
                );
            }
        }
    }

    /// What stands at each time, for the pointer.
    fn strips(&self, out: &mut String, frame: &Frame) {
        let own = || self.series.iter().filter(|series| !series.is_earlier);
        let Some(longest) = own().max_by_key(|series| series.values.len()) else {
            return;
        };
        let mut left = LEFT;
        for (place, (at, _)) in longest.values.iter().enumerate() {
            let right = frame.x(*at);
            let (width, height) = ((right - left).max(0.1), HEIGHT - TOP - BOTTOM);
            let mut text = format!("{at:.1} s");
            for series in own() {
                if let Some((_, Some(value))) = series.values.get(place) {
                    let _ = write!(text, "\n{}: {}", series.name, self.unit.text(*value));
                }
            }
            let _ = writeln!(
                out,
                "<rect class=\"strip\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"><title>{}</title></rect>",
                escape(&text)
            );
            left = right;
        }
    }
}

impl Series {
    fn class(&self) -> String {
        let earlier = if self.is_earlier { " earlier" } else { "" };
        format!("c{}{earlier}", self.colour % COLOURS)
    }

    /// Lines between neighbours; a value between two that are missing is a dot.
    fn render(&self, out: &mut String, frame: &Frame) {
        let mut path = String::new();
        let mut is_down = false;
        for (place, (at, value)) in self.values.iter().enumerate() {
            let Some(value) = value.filter(|_| *at <= frame.end + 1e-9) else {
                is_down = false;
                continue;
            };
            let (x, y) = (frame.x(*at), frame.y(value));
            let has_next = matches!(self.values.get(place + 1), Some((_, Some(_))));
            if !is_down && !has_next {
                let class = self.class();
                let _ = writeln!(
                    out,
                    "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>"
                );
            }
            let _ = write!(path, "{}{x:.1} {y:.1}", if is_down { 'L' } else { 'M' });
            is_down = true;
        }
        if !path.is_empty() {
            let class = self.class();
            let _ = writeln!(out, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }
}

/// How many colours there are in the style sheet.
const COLOURS: usize = 8;

/// Where things stand.
struct Frame {
    end: f64,
    scale: Scale,
}

impl Frame {
    fn x(&self, at: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (at / self.end).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        self.height(self.scale.height(value))
    }

    fn height(&self, share: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
    }
}

fn axes(out: &mut String, frame: &Frame) {
    let right = WIDTH - RIGHT;
    for (height, text) in frame.scale.lines() {
        let y = frame.height(height);
        let (beside, under) = (LEFT - 6.0, y + 3.5);
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"y\" x=\"{beside}\" y=\"{under:.1}\">{text}</text>"
        );
    }
    let step = nice(frame.end / 8.0);
    let count = (frame.end / step + 1e-9).floor() as u32;
    for number in 0..=count {
        let at = f64::from(number) * step;
        let (x, y) = (frame.x(at), HEIGHT - 8.0);
        let text = crate::report::rounded(at);
        let unit = if number == count { " s" } else { "" };
        let _ = writeln!(
            out,
            "<text class=\"x\" x=\"{x:.1}\" y=\"{y}\">{text}{unit}</text>"
        );
    }
}
