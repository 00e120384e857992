//! The text format of Prometheus, version 0.0.4.

use std::fmt::Write;

/// The content type of the format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a series is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

/// The text of a scrape, as far as it is written.
#[derive(Default)]
pub(super) struct Exposition {
    text: String,
}

/// The series with one name.
pub(super) struct Family<'e> {
    text: &'e mut String,
    name: &'static str,
}

impl Exposition {
    /// Begins the series with this name.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family {
            text: &mut self.text,
            name,
        }
    }

    /// A line that Prometheus ignores.
    pub(super) fn comment(&mut self, text: &str) {
        let text = text.replace(['\n', '\r'], " ");
        self.push(format_args!("# {text}\n"));
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing into a string cannot fail.
        let _ = self.text.write_fmt(text);
    }
}

impl Family<'_> {
    /// Adds one series. Names of labels are written as they are, values are escaped.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(self.name);
        for (n, (name, value)) in labels.iter().enumerate() {
            let before = if n == 0 { '{' } else { ',' };
            // Writing into a string cannot fail.
            let _ = write!(self.text, "{before}{name}=\"{}\"", escaped(value));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_help_are_escaped_and_numbers_are_whole_where_they_can_be() {
        let mut exposition = Exposition::default();
        let mut family = exposition.family("a_b", Kind::Gauge, "one\\two\nthree");
        family.sample(&[("queue", "a \"b\" \\ c\nd"), ("state", "é")], 3.0);
        family.sample(&[], 0.25);
        family.sample(&[], 1e15);
        exposition.comment("why\nnot");
        let expected = "# HELP a_b one\\\\two\\nthree\n# TYPE a_b gauge\n\
            a_b{queue=\"a \\\"b\\\" \\\\ c\\nd\",state=\"é\"} 3\na_b 0.25\na_b 1000000000000000\n# why not\n";
        assert_eq!(exposition.into_text(), expected);
    }
}
