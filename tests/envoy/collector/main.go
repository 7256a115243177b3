// A collector of traces for tests: the OpenTelemetry collector's own receivers of OTLP and of Zipkin's spans, and every
// batch that comes as one line of JSON in a file.
package main

import (
	"context"
	"log"
	"os"

	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/zipkinreceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

const config = `yaml:
receivers:
  otlp: {protocols: {grpc: {endpoint: "0.0.0.0:4317"}, http: {endpoint: "0.0.0.0:4318"}}}
  zipkin: {endpoint: "0.0.0.0:9411"}
exporters: {lines: {}}
service:
  telemetry: {metrics: {level: none}, logs: {level: error}}
  pipelines:
    traces: {receivers: [otlp, zipkin], exporters: [lines]}
    logs: {receivers: [otlp], exporters: [lines]}
`

type settings struct{}

type lines struct {
	component.StartFunc
	component.ShutdownFunc
	out chan []byte
}

func (l lines) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (l lines) ConsumeTraces(_ context.Context, batch ptrace.Traces) error {
	text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(batch)
	l.out <- text
	return err
}

func (l lines) ConsumeLogs(_ context.Context, batch plog.Logs) error {
	text, err := (&plog.JSONMarshaler{}).MarshalLogs(batch)
	l.out <- text
	return err
}

func write(file *os.File) lines {
	found := lines{out: make(chan []byte, 100)}
	go func() {
		for text := range found.out {
			if _, err := file.Write(append(text, '\n')); err != nil {
				log.Fatal(err)
			}
		}
	}()
	return found
}

func main() {
	file, err := os.OpenFile(os.Args[1], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	to := write(file)
	exporters := exporter.NewFactory(component.MustNewType("lines"), func() component.Config { return &settings{} },
		exporter.WithTraces(func(context.Context, exporter.Settings, component.Config) (exporter.Traces, error) {
			return to, nil
		}, component.StabilityLevelStable),
		exporter.WithLogs(func(context.Context, exporter.Settings, component.Config) (exporter.Logs, error) {
			return to, nil
		}, component.StabilityLevelStable))
	factories := func() (found otelcol.Factories, err error) {
		found.Telemetry = otelconftelemetry.NewFactory()
		if found.Receivers, err = otelcol.MakeFactoryMap(otlpreceiver.NewFactory(), zipkinreceiver.NewFactory()); err == nil {
			found.Exporters, err = otelcol.MakeFactoryMap(exporters)
		}
		return found, err
	}
	collector, err := otelcol.NewCollector(otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "collector", Version: "1"},
		Factories: factories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			URIs:              []string{config},
			ProviderFactories: []confmap.ProviderFactory{yamlprovider.NewFactory()},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := collector.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
