//! A run as a page: figures, plots, all in one file that asks for nothing from anywhere.

use super::series::Second;
use crate::durable;
use crate::error::{Failure, USAGE};
use crate::html::escape;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

/// A plot's inner size, and the room around it, in SVG's units.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 180.0;
const MARGIN: f64 = 56.0;
/// Figures at the top: where each stands in the document, its name and unit.
const FIGURES: [(&str, &str, &str); 11] = [
    ("/rate_per_s", "final transfers", "/s"),
    ("/latency_us/p50", "latency p50", "µs"),
    ("/latency_us/p90", "latency p90", "µs"),
    ("/latency_us/p99", "latency p99", "µs"),
    ("/latency_us/max", "latency max", "µs"),
    ("/final", "final", ""),
    ("/rejected", "rejected", ""),
    ("/locked", "locked", ""),
    ("/unknown", "unknown", ""),
    ("/cpu_us_per_transfer", "CPU a transfer, all validators", "µs"),
    ("/wire_bytes_per_transfer", "wire a transfer, all validators", "B"),
];
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;\
    padding:0 1rem;color:#1b1f24;background:#fff}td{padding:0 1rem 0 0}td+td{text-align:right;\
    font-variant-numeric:tabular-nums}svg{width:100%;height:auto}svg text{font-size:11px;\
    fill:currentColor}.axis{stroke:currentColor;opacity:.25}.one,.two{fill:none;stroke-width:2}\
    .one{stroke:#0969da}.two{stroke:#bf3989}.bar{fill:#0969da}pre{overflow:auto}\
    @media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}}";

/// A page that is to be written.
pub struct Report {
    path: PathBuf,
}

impl Report {
    /// Looks whether it can be written; a page that is there stays until the new one is whole.
    ///
    /// # Errors
    /// `usage` where it can't be.
    pub fn plan(path: &Path) -> Result<Self, Failure> {
        let open = match path.exists() {
            true => OpenOptions::new().append(true).open(path).map(drop),
            false => File::create_new(path).and_then(|_empty| std::fs::remove_file(path)),
        };
        open.map_err(|error| {
            let what = format!("{} can't be written: {error}; nothing was sent", path.display());
            Failure::new(USAGE, what).help("quorate bench load --report load.html")
        })?;
        Ok(Self { path: path.to_path_buf() })
    }

    /// Writes the page; its path. `document` is what `--json` prints, `curve` the latencies' as
    /// (share of a million, µs).
    ///
    /// # Errors
    /// `usage` where it can't be written; the figures are in the failure's details.
    pub fn write(
        &self,
        document: &Value,
        seconds: &[Second],
        curve: &[(u32, u64)],
    ) -> Result<String, Failure> {
        let page = page(document, seconds, curve);
        durable::replace(&self.path, page.as_bytes()).map_err(|error| {
            let what = format!("{} can't be written: {error}", self.path.display());
            Failure::new(USAGE, what).details(document.clone())
        })?;
        Ok(self.path.display().to_string())
    }
}

fn page(document: &Value, seconds: &[Second], curve: &[(u32, u64)]) -> String {
    let rows = FIGURES.map(|(place, name, unit)| {
        let figure = document.pointer(place).map(Value::to_string).unwrap_or_default();
        format!("<tr><td>{name}</td><td>{figure} {unit}</td></tr>")
    });
    let of = |figure: &dyn Fn(&Second) -> u64| seconds.iter().map(figure).collect::<Vec<u64>>();
    let (finals, p50, p99) = (of(&|s| s.is_final), of(&|s| s.latency.p50), of(&|s| s.latency.p99));
    let per_second = [
        ("Final transfers in each second", plot(&[&finals], "s")),
        ("Latency in each second, µs: p50, p99", plot(&[&p50, &p99], "s")),
    ];
    let plots = per_second.map(|(title, plot)| format!("<h2>{title}</h2>{plot}"));
    let shares = curve.iter().map(|(share, us)| (format!("{} %", f64::from(*share) / 1e4), *us));
    let stages: Vec<(String, u64)> = document["stages_us_mean"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(stage, us)| (stage.clone(), us.as_u64().unwrap_or(0)))
        .collect();
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport \
         content=\"width=device-width\"><title>quorate bench load</title><style>{STYLE}</style>\
         <h1>quorate bench load</h1><table>{}</table>{}<h2>Latency by share of transfers, µs</h2>{}\
         <h2>Stages at the proposers, mean µs</h2>{}<h2>All figures</h2><pre>{}</pre></html>\n",
        rows.concat(),
        plots.concat(),
        bars(&shares.collect::<Vec<_>>()),
        bars(&stages),
        escape(&serde_json::to_string_pretty(document).unwrap_or_default()),
    )
}

/// Lines over a common axis; the first is blue.
fn plot(lines: &[&[u64]], unit: &str) -> String {
    let count = lines.iter().map(|line| line.len()).max().unwrap_or(0);
    if count == 0 {
        return "<p>The run was shorter than a second.</p>".into();
    }
    let most = lines.iter().flat_map(|line| line.iter()).copied().max().unwrap_or(0).max(1);
    let last = count.saturating_sub(1).max(1);
    let x = |index: usize| MARGIN + WIDTH * float(index) / float(last);
    let y = |value: u64| HEIGHT * (1.0 - share(value, most)) + 8.0;
    let mut svg = svg_of(HEIGHT + 32.0);
    for (part, value) in [(0.0, most), (0.5, most / 2), (1.0, 0)] {
        let at = HEIGHT * part + 8.0;
        svg.push_str(&format!(
            "<path class=axis d=\"M{MARGIN} {at}h{WIDTH}\"/><text x=4 y={:.0}>{value}</text>",
            at + 4.0
        ));
    }
    for (line, class) in lines.iter().zip(["one", "two"]) {
        let points = line.iter().enumerate().map(|(i, v)| format!("{:.1},{:.1}", x(i), y(*v)));
        let points = points.collect::<Vec<_>>().join(" ");
        svg.push_str(&format!("<polyline class={class} points=\"{points}\"/>"));
    }
    let end = HEIGHT + 26.0;
    svg + &format!(
        "<text x={MARGIN} y={end}>1 {unit}</text>\
         <text x={:.0} y={end} text-anchor=end>{count} {unit}</text></svg>",
        MARGIN + WIDTH
    )
}

/// A bar for each, with its name and figure.
fn bars(rows: &[(String, u64)]) -> String {
    if rows.is_empty() {
        return "<p>Nothing was measured.</p>".into();
    }
    let most = rows.iter().map(|(_, value)| *value).max().unwrap_or(0).max(1);
    let mut svg = svg_of(float(rows.len()) * 22.0 + 8.0);
    for (index, (name, value)) in rows.iter().enumerate() {
        let (top, width) = (float(index) * 22.0 + 4.0, (WIDTH - 180.0) * share(*value, most));
        svg.push_str(&format!(
            "<text x=4 y={:.0}>{}</text><rect class=bar x=100 y={top} width={width:.1} height=16 />\
             <text x={:.0} y={:.0}>{value}</text>",
            top + 12.0,
            escape(name),
            108.0 + width,
            top + 12.0
        ));
    }
    svg + "</svg>"
}

fn svg_of(height: f64) -> String {
    let width = WIDTH + MARGIN + 16.0;
    format!("<svg role=img viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\">")
}

fn share(value: u64, most: u64) -> f64 {
    let parts = value.saturating_mul(10_000).checked_div(most).unwrap_or(0);
    f64::from(u32::try_from(parts).unwrap_or(u32::MAX)) / 10_000.0
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::latency::Percentiles;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_holds_all_figures_and_needs_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("load.html");
        std::fs::write(&path, "an earlier page").expect("written");
        let report = Report::plan(&path).expect("it can be written");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "an earlier page");
        let document = json!({"rate_per_s": 4_711, "latency_us": {"p50": 3, "p99": 9},
            "stages_us_mean": {"lock": 700}, "first_error": "<script>alert(1)</script>"});
        let latency = Percentiles { p50: 3, p90: 5, p99: 9, max: 12 };
        let seconds = [Second { is_final: 4_000, latency }, Second { is_final: 5_000, latency }];
        let told = report.write(&document, &seconds, &[(0, 1), (999_000, 9)]).expect("written");
        assert_eq!(told, path.display().to_string());
        let page = std::fs::read_to_string(&path).expect("there");
        for word in ["4711", "<polyline", "lock", "99.9 %", "5000"] {
            assert!(page.contains(word), "{word} is missing: {page}");
        }
        for word in ["<script", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(word), "{word} is in it: {page}");
        }
    }

    #[test]
    fn a_run_without_anything_is_a_page_and_a_bad_path_is_told_before() {
        assert!(page(&json!({}), &[], &[]).contains("shorter than a second"));
        let folder = tempfile::tempdir().expect("a folder");
        for path in [Path::new("/no/such/folder/x.html"), folder.path()] {
            let Err(failure) = Report::plan(path) else { panic!("it was taken") };
            assert!(failure.message.contains("nothing was sent"), "{}", failure.message);
        }
        let path = folder.path().join("new.html");
        Report::plan(&path).expect("it can be written");
        assert!(!path.exists(), "nothing is left of a look");
    }

    #[test]
    fn plots_stay_in_their_frame() {
        assert_eq!((share(5, 10), share(0, 1), share(7, 0)), (0.5, 0.0, 0.0));
        assert!(share(u64::MAX, u64::MAX) <= 1.0);
        let svg = plot(&[&[1, u64::MAX]], "s");
        assert!(svg.matches("<polyline").count() == 1 && svg.ends_with("</svg>"), "{svg}");
    }
}
