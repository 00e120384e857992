// Command asynqmon serves the real asynqmon, its pages and its HTTP API, on one
// Redis, and at /metrics the figures of asynq's own collector for Prometheus. It
// prints one line with its address when it is ready and ends on SIGTERM or
// SIGINT.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynq/x/metrics"
	"github.com/hibiken/asynqmon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("asynqmon: ")
	redisURI := flag.String("redis", "redis://127.0.0.1:6379", "the `URI` of the Redis")
	prometheusAt := flag.String("prometheus", "", "the `address` of a Prometheus for the page of metrics; without it there is no such page")
	listen := flag.String("listen", "127.0.0.1:0", "the `address` to serve on; port 0 takes a free one")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument: %s", flag.Arg(0))
	}
	if err := run(*redisURI, *listen, *prometheusAt); err != nil {
		log.Fatal(err)
	}
}

func run(redisURI, listen, prometheusAt string) error {
	opt, err := asynq.ParseRedisURI(redisURI)
	if err != nil {
		return err
	}
	stopped, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()

	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	handler := asynqmon.New(asynqmon.Options{RootPath: "/", RedisConnOpt: opt, PrometheusAddress: prometheusAt})
	defer handler.Close()
	inspector := asynq.NewInspector(opt)
	defer inspector.Close()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(metrics.NewQueueMetricsCollector(inspector)); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Printf("listening on http://%s\n", listener.Addr())

	select {
	case err := <-served:
		return err
	case <-stopped.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close()
	}
	return nil
}
