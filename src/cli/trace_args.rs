//! Arguments of traces.

use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum as _;

use super::{BadArgument, environment};
use crate::app::{TRACES_FLUSH, TraceSampler, TraceSettings, Traces};

/// Whether traces are sent, and which. What the environment says of them is read only then.
#[derive(Debug, Clone, clap::Args)]
pub struct TraceArgs {
    /// Send traces to an OpenTelemetry collector, as OTLP over HTTP: its base URL, e.g.
    /// http://otel-collector.observability:4318. Default: no traces.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true, value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// Which traces are sent: always_on, always_off, traceidratio, or these with parentbased_ in front.
    /// Default: all.
    #[arg(long, env = "OTEL_TRACES_SAMPLER", value_name = "SAMPLER")]
    traces_sampler: Option<String>,
    /// Share of traces that traceidratio sends, from 0 to 1. Default: 1.
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "RATIO")]
    traces_sampler_arg: Option<String>,
}

/// A value that is not empty.
fn given(value: Option<&String>) -> Option<&str> {
    value.map(|value| value.trim()).filter(|value| !value.is_empty())
}

impl TraceArgs {
    /// Traces, if they are asked for. `instance`: the name of this process.
    pub(super) fn prepare(&self, instance: &str) -> anyhow::Result<Option<Traces>> {
        let Some(endpoint) = given(self.otlp_endpoint.as_ref()) else { return Ok(None) };
        let variable = |name: &str| {
            environment().find(|(set, to)| set == name && !to.is_empty()).map(|(_, to)| to)
        };
        for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            if let Some(protocol) = variable(name).filter(|protocol| protocol != "http/protobuf") {
                return Err(refused(anyhow::anyhow!(
                    "{name}: {protocol} is not supported; only http/protobuf is, usually at port 4318"
                )));
            }
        }
        let sampler = match given(self.traces_sampler.as_ref()) {
            None => TraceSampler::ParentBasedAlwaysOn,
            Some(name) => TraceSampler::from_str(name, false)
                .map_err(|_| refused(anyhow::anyhow!("--traces-sampler: there is no {name}")))?,
        };
        let ratio = given(self.traces_sampler_arg.as_ref()).map_or(Some(1.0), |text| {
            text.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio))
        });
        let ratio = ratio.ok_or_else(|| {
            refused(anyhow::anyhow!("--traces-sampler-arg must be a number from 0 to 1"))
        })?;
        let settings = TraceSettings {
            endpoint: endpoint.to_owned(),
            sampler,
            ratio,
            service: variable("OTEL_SERVICE_NAME").unwrap_or_else(|| "clinch-operator".to_owned()),
            instance: instance.to_owned(),
        };
        Traces::new(&settings).context("--otlp-endpoint").map_err(refused).map(Some)
    }
}

fn refused(error: anyhow::Error) -> anyhow::Error {
    BadArgument(error).into()
}

/// How long the end of the process may take for traces.
pub(super) fn flush(traces: Option<&Traces>) -> Duration {
    traces.map_or(Duration::ZERO, |_| TRACES_FLUSH)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Command {
        #[command(flatten)]
        traces: TraceArgs,
    }

    fn prepared(arguments: &[&str]) -> anyhow::Result<Option<Traces>> {
        let all = std::iter::once("x").chain(arguments.iter().copied());
        Command::try_parse_from(all).unwrap().traces.prepare("pod-1")
    }

    #[test]
    fn without_an_endpoint_nothing_is_read_and_nothing_is_sent() {
        for arguments in [&[][..], &["--otlp-endpoint="], &["--traces-sampler=no-such"]] {
            assert!(prepared(arguments).unwrap().is_none(), "{arguments:?}");
        }
    }

    #[test]
    fn samplers_have_their_standard_names_and_a_ratio_is_between_0_and_1() {
        let endpoint = "--otlp-endpoint=http://otel:4318";
        for name in ["always_on", "always_off", "traceidratio"] {
            for prefix in ["", "parentbased_"] {
                let sampler = format!("--traces-sampler={prefix}{name}");
                assert!(prepared(&[endpoint, &sampler]).unwrap().is_some(), "{sampler}");
            }
        }
        for ratio in ["0", "0.25", "1", ""] {
            let ratio = format!("--traces-sampler-arg={ratio}");
            assert!(prepared(&[endpoint, &ratio]).is_ok(), "{ratio}");
        }
        for bad in [
            "--traces-sampler=jaeger_remote",
            "--traces-sampler-arg=1.5",
            "--traces-sampler-arg=-1",
            "--traces-sampler-arg=NaN",
        ] {
            let error = prepared(&[endpoint, bad]).err().unwrap();
            assert!(error.is::<BadArgument>(), "{bad}: {error:#}");
        }
        let error = prepared(&["--otlp-endpoint=otel"]).err().unwrap();
        assert!(error.is::<BadArgument>(), "{error:#}");
    }
}
