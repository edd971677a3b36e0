//! OpenTelemetry's own environment variables, and the endpoint of the node's file. What is not
//! supported is an error, not a trace that never comes.

use super::{ENDPOINTS, TelemetryConfig};
use crate::error::{CONFIG, Failure};
use axum::http::Uri;
use opentelemetry::trace::{SpanContext, TraceId};

/// What is exported, and where to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    /// The whole URL.
    pub(super) endpoint: String,
    /// What is exported.
    pub(super) sampler: Sampler,
}

/// Which traces are exported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sampler {
    /// Of 2^63 traces without a parent that is asked: the specification's `traceidratio`.
    bound: u64,
    /// Whether a client's own decision goes first.
    is_parent_based: bool,
}

impl Settings {
    /// Of the file and of what `variable` gives; `None` where nothing is to be exported.
    ///
    /// # Errors
    /// `config`.
    pub(super) fn new(
        config: &TelemetryConfig,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, Failure> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let is_disabled = variable("OTEL_SDK_DISABLED").is_some_and(|is| is == "true");
        let exporter = variable("OTEL_TRACES_EXPORTER");
        let is_off = is_disabled || exporter.as_deref() == Some("none");
        let below = |base: String| format!("{}/v1/traces", base.trim_end_matches('/'));
        let endpoint = variable(ENDPOINTS[0])
            .or_else(|| variable(ENDPOINTS[1]).map(below))
            .or_else(|| config.endpoint.clone().map(below));
        let Some(endpoint) = endpoint.filter(|_| !is_off) else { return Ok(None) };
        if let Some(other) = exporter.filter(|exporter| exporter != "otlp") {
            return Err(unsupported("OTEL_TRACES_EXPORTER", &other, "otlp or none"));
        }
        let uri: Option<Uri> = endpoint.parse().ok();
        match uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?))) {
            Some(("http", _)) => {}
            Some(("https", _)) => {
                let help = "http: there is no TLS in it; put a collector on this machine";
                return Err(unsupported("the traces' endpoint", &endpoint, help));
            }
            _ => {
                let help = "a URL like http://127.0.0.1:4318";
                return Err(unsupported("the traces' endpoint", &endpoint, help));
            }
        }
        for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            if let Some(protocol) = variable(name).filter(|value| value != "http/protobuf") {
                return Err(unsupported(name, &protocol, "http/protobuf"));
            }
        }
        let name = variable("OTEL_TRACES_SAMPLER");
        let ratio = variable("OTEL_TRACES_SAMPLER_ARG");
        let sampler = Sampler::new(name.as_deref(), ratio.as_deref())?;
        Ok(Some(Self { endpoint, sampler }))
    }
}

fn unsupported(name: &str, value: &str, supported: &str) -> Failure {
    let what = format!("{name} is {value:?}; the node was not started");
    Failure::new(CONFIG, what).help(format!("use {supported}"))
}

impl Sampler {
    fn new(name: Option<&str>, ratio: Option<&str>) -> Result<Self, Failure> {
        let name = name.unwrap_or("parentbased_always_on");
        let is_parent_based = name.starts_with("parentbased_");
        let bound = match name.trim_start_matches("parentbased_") {
            "always_on" => 1 << 63,
            "always_off" => 0,
            "traceidratio" => bound(ratio.unwrap_or("1"))?,
            _ => {
                let known = "always_on, always_off, traceidratio, or one of them behind \
                             parentbased_";
                return Err(unsupported("OTEL_TRACES_SAMPLER", name, known));
            }
        };
        Ok(Self { bound, is_parent_based })
    }

    /// Whether a trace is exported; of all nodes alike.
    pub(super) fn takes(&self, trace: TraceId, parent: Option<&SpanContext>) -> bool {
        if let Some(parent) = parent.filter(|_| self.is_parent_based) {
            return parent.is_sampled();
        }
        let [_, _, _, _, _, _, _, _, low @ ..] = trace.to_bytes();
        u64::from_be_bytes(low) >> 1 < self.bound
    }
}

/// A part of one, as a decimal fraction, of 2^63.
fn bound(ratio: &str) -> Result<u64, Failure> {
    let wrong = || unsupported("OTEL_TRACES_SAMPLER_ARG", ratio, "a number from 0 to 1");
    let part: f64 = ratio.parse().map_err(|_| wrong())?;
    // A billionth is fine enough, and a duration's nanoseconds are exact.
    let part = std::time::Duration::try_from_secs_f64(part).map_err(|_| wrong())?;
    if part > std::time::Duration::from_secs(1) {
        return Err(wrong());
    }
    let part = part.as_nanos() * (1 << 63) / 1_000_000_000;
    u64::try_from(part).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: Option<&str>, set: &[(&str, &str)]) -> Result<Option<Settings>, Failure> {
        let config = TelemetryConfig { endpoint: file.map(String::from) };
        let find = |name: &str| set.iter().find(|(set, _)| *set == name);
        Settings::new(&config, |name| find(name).map(|(_, value)| (*value).to_string()))
    }

    fn endpoint(file: Option<&str>, set: &[(&str, &str)]) -> Option<String> {
        read(file, set).expect("good settings").map(|settings| settings.endpoint)
    }

    #[test]
    fn the_environment_goes_before_the_file_and_a_traces_endpoint_is_whole() {
        let file = Some("http://127.0.0.1:1/");
        assert_eq!(endpoint(None, &[]), None);
        assert_eq!(endpoint(file, &[]).as_deref(), Some("http://127.0.0.1:1/v1/traces"));
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:2");
        assert_eq!(endpoint(file, &[all]).as_deref(), Some("http://c:2/v1/traces"));
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:3/x");
        assert_eq!(endpoint(file, &[all, traces]).as_deref(), Some("http://c:3/x"));
        for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(endpoint(file, &[all, off]), None);
        }
        assert_eq!(endpoint(None, &[("OTEL_TRACES_EXPORTER", "console")]), None, "of others");
    }

    #[test]
    fn what_is_not_supported_is_an_error_that_says_what_is() {
        let good = "http://127.0.0.1:1";
        for (file, name, value, word) in [
            ("https://c:1", "-", "", "TLS"),
            ("c:1", "-", "", "http://127.0.0.1:4318"),
            ("", "-", "", "http://127.0.0.1:4318"),
            (good, "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
            (good, "OTEL_TRACES_EXPORTER", "zipkin", "otlp"),
            (good, "OTEL_TRACES_SAMPLER", "jaeger_remote", "always_on"),
        ] {
            let failure = read(Some(file), &[(name, value)]).expect_err(value);
            assert_eq!(failure.code, CONFIG);
            assert!(failure.help.iter().any(|help| help.contains(word)), "{failure:?}");
        }
        for ratio in ["x", "-1", "1.1", "NaN"] {
            let set = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", ratio)];
            assert!(read(Some(good), &set).is_err(), "{ratio}");
        }
    }

    #[test]
    fn samplers_decide_by_the_trace_and_by_the_parent() {
        use opentelemetry::trace::{SpanId, TraceFlags, TraceState};
        let parent = |flags| {
            let state = TraceState::NONE;
            SpanContext::new(TraceId::from(1), SpanId::from(1), flags, true, state)
        };
        let (asked, not) = (parent(TraceFlags::SAMPLED), parent(TraceFlags::default()));
        let low = |low: u64| TraceId::from(u128::from(low));
        let check = |name, ratio, trace, parent: Option<&SpanContext>, expected: bool| {
            let sampler = Sampler::new(name, ratio).expect("a sampler");
            assert_eq!(sampler.takes(trace, parent), expected, "{name:?} {ratio:?} {trace}");
        };
        check(None, None, low(u64::MAX), None, true);
        check(None, None, low(0), Some(&not), false);
        check(Some("always_on"), None, low(0), Some(&not), true);
        check(Some("always_off"), None, low(0), Some(&asked), false);
        check(Some("parentbased_always_off"), None, low(0), Some(&asked), true);
        check(Some("parentbased_always_off"), None, low(0), None, false);
        check(Some("traceidratio"), Some("0.5"), low(u64::MAX / 2 - 1), None, true);
        check(Some("traceidratio"), Some("0.5"), low(u64::MAX / 2 + 1), None, false);
        check(Some("traceidratio"), Some("0"), low(0), None, false);
        check(Some("traceidratio"), Some("1"), low(u64::MAX), None, true);
    }
}
