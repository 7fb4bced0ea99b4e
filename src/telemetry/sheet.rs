//! One scrape: values of the families, in the Prometheus text format.

use std::fmt::{Display, Write as _};

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{
    PrometheusBuilder, PrometheusRecorder,
    formatting::{write_help_line, write_type_line},
};

use super::names::{ALL, Family, Kind};
use crate::stats::Durations;

/// A value's labels, in the order of its family's.
pub(super) type Labels<'a> = &'a [&'static str];

/// Counters and gauges go through the recorder. Durations are in buckets already, and the
/// recorder's histograms want them one by one, so those are written here.
#[derive(Debug)]
pub(super) struct Sheet<'a> {
    recorder: &'a PrometheusRecorder,
    text: String,
}

/// A recorder that knows every family.
pub(super) fn recorder() -> PrometheusRecorder {
    let recorder = PrometheusBuilder::new().build_recorder();
    for family in ALL {
        let name = KeyName::from_const_str(family.name);
        match family.kind {
            Kind::Counter => recorder.describe_counter(name, family.unit, family.help.into()),
            Kind::Gauge => recorder.describe_gauge(name, family.unit, family.help.into()),
            Kind::Histogram => {}
        }
    }
    recorder
}

impl<'a> Sheet<'a> {
    pub(super) fn new(recorder: &'a PrometheusRecorder) -> Self {
        Self {
            recorder,
            text: String::new(),
        }
    }

    pub(super) fn counter(&self, family: &'static Family, labels: Labels<'_>, value: u64) {
        debug_assert_eq!(family.kind, Kind::Counter);
        self.recorder
            .register_counter(&key(family, labels), &METADATA)
            .absolute(value);
    }

    pub(super) fn gauge(&self, family: &'static Family, labels: Labels<'_>, value: f64) {
        debug_assert_eq!(family.kind, Kind::Gauge);
        self.recorder
            .register_gauge(&key(family, labels), &METADATA)
            .set(value);
    }

    /// A counter with a fraction, without labels. The recorder's are whole numbers.
    pub(super) fn fraction(&mut self, family: &'static Family, value: f64) {
        debug_assert_eq!(family.kind, Kind::Counter);
        self.head(family, "counter");
        self.line(family.name, "", &[], value);
    }

    /// Whole numbers under names that are configured: plain ones, without a character that would have
    /// to be escaped. None is remembered.
    pub(super) fn named<'v, const N: usize>(
        &mut self,
        family: &'static Family,
        values: impl Iterator<Item = ([&'v str; N], u64)>,
    ) {
        let is_counter = family.kind == Kind::Counter;
        self.head(family, if is_counter { "counter" } else { "gauge" });
        for (labels, value) in values {
            debug_assert_eq!(family.labels.len(), N, "{}", family.name);
            let labels: Vec<_> = family.labels.iter().copied().zip(labels).collect();
            self.line(family.name, "", &labels, value);
        }
    }

    /// Durations that several places have counted.
    pub(super) fn durations<'d>(
        &mut self,
        family: &'static Family,
        labels: Labels<'_>,
        parts: impl IntoIterator<Item = &'d Durations>,
    ) {
        debug_assert_eq!(family.kind, Kind::Histogram);
        let mut buckets = [0; Durations::BOUNDS_US.len() + 1];
        let mut sum_us = 0;
        for part in parts {
            for (all, one) in buckets.iter_mut().zip(part.buckets()) {
                *all += one;
            }
            sum_us += part.sum_us();
        }
        self.head(family, "histogram");
        let labels = family.labels.iter().zip(labels);
        let labels: Vec<(&str, &str)> = labels.map(|(label, value)| (*label, *value)).collect();
        let mut count = 0;
        for (index, bucket) in buckets.into_iter().enumerate() {
            count += bucket;
            let bound = Durations::BOUNDS_US.get(index);
            let bound = bound.map_or("+Inf".to_owned(), |us| (*us as f64 / 1e6).to_string());
            let mut labels = labels.clone();
            labels.push(("le", &bound));
            self.line(family.name, "_bucket", &labels, count);
        }
        self.line(family.name, "_sum", &labels, sum_us as f64 / 1e6);
        self.line(family.name, "_count", &labels, count);
    }

    /// The whole scrape.
    pub(super) fn finish(self) -> String {
        let mut text = self.recorder.handle().render();
        text.push_str(&self.text);
        text
    }

    fn head(&mut self, family: &Family, kind: &str) {
        write_help_line(&mut self.text, family.name, None, None, family.help);
        write_type_line(&mut self.text, family.name, None, None, kind);
    }

    fn line(&mut self, name: &str, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let text = &mut self.text;
        text.push_str(name);
        text.push_str(suffix);
        let mut mark = '{';
        for (label, value) in labels {
            let _ = write!(text, "{mark}{label}=\"{value}\"");
            mark = ',';
        }
        if !labels.is_empty() {
            text.push('}');
        }
        let _ = writeln!(text, " {value}");
    }
}

/// The recorder keeps neither.
const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

fn key(family: &'static Family, labels: Labels<'_>) -> Key {
    debug_assert_eq!(family.labels.len(), labels.len(), "{}", family.name);
    let labels = family.labels.iter().zip(labels);
    let labels = labels.map(|(label, value)| Label::from_static_parts(label, value));
    Key::from_parts(family.name, labels.collect::<Vec<_>>())
}
