//! A line plot with two logarithmic axes.

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;

/// A plot. All values must be greater than zero.
pub(super) struct Plot {
    /// The title.
    pub(super) title: String,
    /// The label of the horizontal axis.
    pub(super) x: String,
    /// The label of the vertical axis.
    pub(super) y: String,
    /// The lines.
    pub(super) lines: Vec<Line>,
}

/// A line through points.
pub(super) struct Line {
    /// Its name.
    pub(super) name: &'static str,
    /// Its colour.
    pub(super) colour: &'static str,
    /// Its points.
    pub(super) points: Vec<(f64, f64)>,
}

impl Plot {
    /// Draws the plot.
    pub(super) fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x_axis = Axis::over(points().map(|point| point.0), LEFT, WIDTH - RIGHT);
        let y_axis = Axis::over(points().map(|point| point.1), HEIGHT - BOTTOM, TOP);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{} ({})</text>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
            self.title,
            self.y,
            f64::midpoint(LEFT, WIDTH - RIGHT),
            HEIGHT - 12.0,
            self.x,
        );
        for value in x_axis.ticks() {
            let x = x_axis.position(value);
            out.push_str(&format!(
                "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"#ddd\"/>\n\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                HEIGHT - BOTTOM,
                HEIGHT - BOTTOM + 18.0,
                short(value),
            ));
        }
        for value in y_axis.ticks() {
            let y = y_axis.position(value);
            out.push_str(&format!(
                "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0,
                short(value),
            ));
        }
        for line in &self.lines {
            out.push_str(&line.svg(&x_axis, &y_axis));
        }
        out + "</svg>\n"
    }
}

impl Line {
    fn svg(&self, x_axis: &Axis, y_axis: &Axis) -> String {
        let mut points = self.points.clone();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let placed: Vec<(f64, f64)> = points
            .iter()
            .map(|(x, y)| (x_axis.position(*x), y_axis.position(*y)))
            .collect();
        let path: Vec<String> = placed
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let mut out = format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n",
            path.join(" "),
            self.colour
        );
        for ((x, y), (_, value)) in placed.iter().zip(&points) {
            out.push_str(&format!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{}\"><title>{value:.2}</title></circle>\n",
                self.colour
            ));
        }
        if let Some((x, y)) = placed.last() {
            out.push_str(&format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{}\">{}</text>\n",
                x + 8.0,
                y + 4.0,
                self.colour,
                self.name
            ));
        }
        out
    }
}

/// A logarithmic axis.
struct Axis {
    least: f64,
    greatest: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// An axis over whole decades that contains these values.
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let logs: Vec<f64> = values.map(f64::log10).collect();
        let (least, greatest) = crate::stats::range(&logs);
        let (least, greatest) = if least.is_finite() {
            (least.floor(), greatest.ceil())
        } else {
            (0.0, 1.0)
        };
        Self {
            least,
            greatest: greatest.max(least + 1.0),
            from,
            to,
        }
    }

    fn position(&self, value: f64) -> f64 {
        let part = (value.log10() - self.least) / (self.greatest - self.least);
        self.from + part * (self.to - self.from)
    }

    /// Ticks at 1, 10, 100 …, and also at 2, 5, 20 … if there are at most two decades.
    fn ticks(&self) -> Vec<f64> {
        let steps: &[f64] = if self.greatest - self.least <= 2.0 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let (first, last) = (self.least as i32, self.greatest as i32);
        (first..=last)
            .flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)))
            .filter(|value| value.log10() <= self.greatest + 1e-9)
            .collect()
    }
}

fn short(value: f64) -> String {
    if value >= 1e6 {
        format!("{}M", value / 1e6)
    } else if value >= 1e3 {
        format!("{}k", value / 1e3)
    } else {
        // rounded, because powers of ten are not exact
        format!("{}", (value * 1e6).round() / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_whole_decades_and_logarithmic_positions() {
        let axis = Axis::over([3.0, 40.0].into_iter(), 0.0, 100.0);
        assert_eq!(axis.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert!((axis.position(10.0) - 50.0).abs() < 1e-9);
        assert_eq!(short(2e5), "200k");
        assert_eq!(short(0.2), "0.2");
    }
}
