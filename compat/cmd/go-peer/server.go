package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hibiken/asynq"
)

// server is a running server of the library.
type server struct {
	asynq *asynq.Server
}

func (s *server) shutdown() { s.asynq.Shutdown() }

// configForm is CONFIG.
type configForm struct {
	Concurrency              int            `json:"concurrency"`
	Queues                   map[string]int `json:"queues"`
	Strict                   bool           `json:"strict"`
	ShutdownTimeout          duration       `json:"shutdown_timeout"`
	TaskCheckInterval        duration       `json:"task_check_interval"`
	DelayedTaskCheckInterval duration       `json:"delayed_task_check_interval"`
	JanitorInterval          duration       `json:"janitor_interval"`
	JanitorBatchSize         int            `json:"janitor_batch_size"`
	HealthCheckInterval      duration       `json:"health_check_interval"`
	GroupGracePeriod         duration       `json:"group_grace_period"`
	GroupMaxDelay            duration       `json:"group_max_delay"`
	GroupMaxSize             int            `json:"group_max_size"`
	Aggregate                *aggregateForm `json:"aggregate"`
	RetryDelay               *duration      `json:"retry_delay"`
	NotFailure               *string        `json:"not_failure"`
}

type aggregateForm struct {
	Type      string   `json:"type"`
	Separator string   `json:"separator"`
	Opts      []option `json:"opts"`
}

// reporter writes the events of one server.
type reporter struct {
	out    *lines
	server string
}

func (r reporter) report(name string, fields map[string]any) {
	fields["server"] = r.server
	r.out.event(name, fields)
}

func (p *peer) serve(request []byte) (any, error) {
	var req struct {
		head
		Name     string            `json:"name"`
		Config   configForm        `json:"config"`
		Handlers map[string]script `json:"handlers"`
		Events   *bool             `json:"events"`
	}
	if err := decode(request, &req); err != nil {
		return nil, err
	}
	report := reporter{p.out, req.Name}
	events := req.Events == nil || *req.Events
	handler, err := handlers(req.Handlers, report, events)
	if err != nil {
		return nil, err
	}
	config := req.Config.config(report, events)
	config.LogLevel = p.logLevel
	return nil, p.servers.add(req.Name, func() (*server, error) {
		srv, err := newServer(p.redis, config)
		if err != nil {
			return nil, err
		}
		if err := srv.Start(handler); err != nil {
			return nil, err
		}
		return &server{asynq: srv}, nil
	})
}

// newServer turns a panic of the library about the configuration into `invalid`.
func newServer(redis asynq.RedisConnOpt, config asynq.Config) (srv *asynq.Server, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = invalidf("%v", x)
		}
	}()
	return asynq.NewServer(redis, config), nil
}

func (c *configForm) config(r reporter, events bool) asynq.Config {
	config := asynq.Config{
		Concurrency:              c.Concurrency,
		Queues:                   c.Queues,
		StrictPriority:           c.Strict,
		ShutdownTimeout:          time.Duration(c.ShutdownTimeout),
		TaskCheckInterval:        time.Duration(c.TaskCheckInterval),
		DelayedTaskCheckInterval: time.Duration(c.DelayedTaskCheckInterval),
		JanitorInterval:          time.Duration(c.JanitorInterval),
		JanitorBatchSize:         c.JanitorBatchSize,
		HealthCheckInterval:      time.Duration(c.HealthCheckInterval),
		GroupGracePeriod:         time.Duration(c.GroupGracePeriod),
		GroupMaxDelay:            time.Duration(c.GroupMaxDelay),
		GroupMaxSize:             c.GroupMaxSize,
	}
	if c.RetryDelay != nil {
		delay := time.Duration(*c.RetryDelay)
		config.RetryDelayFunc = func(int, error, *asynq.Task) time.Duration { return delay }
	}
	if c.NotFailure != nil {
		text := *c.NotFailure
		config.IsFailure = func(err error) bool { return err != nil && !strings.Contains(err.Error(), text) }
	}
	if c.Aggregate != nil {
		config.GroupAggregator = c.Aggregate.aggregator(r, events)
	}
	if events {
		config.HealthCheckFunc = func(err error) { r.report("health", map[string]any{"error": errorText(err)}) }
		config.ErrorHandler = asynq.ErrorHandlerFunc(func(ctx context.Context, _ *asynq.Task, err error) {
			id, _ := asynq.GetTaskID(ctx)
			r.report("failed", map[string]any{"task": id, "error": errorText(err)})
		})
	}
	return config
}

func errorText(err error) any {
	if err == nil {
		return nil
	}
	return err.Error()
}

// aggregator joins the payloads. The library does not pass it the ids.
func (a *aggregateForm) aggregator(r reporter, events bool) asynq.GroupAggregator {
	return asynq.GroupAggregatorFunc(func(group string, tasks []*asynq.Task) *asynq.Task {
		payloads := make([][]byte, len(tasks))
		for i, task := range tasks {
			payloads[i] = task.Payload()
		}
		if events {
			r.report("aggregate", map[string]any{"group": group, "ids": nil, "n": len(tasks)})
		}
		form := taskForm{Type: a.Type, Payload: bytes.Join(payloads, []byte(a.Separator)), Opts: a.Opts}
		return form.task(nil)
	})
}

// handlers is one handler for "*", and otherwise a mux.
func handlers(scripts map[string]script, r reporter, events bool) (handler asynq.Handler, err error) {
	if s, ok := scripts["*"]; ok {
		if len(scripts) > 1 {
			return nil, invalidf(`"*" stands for a handler without a mux: no other pattern can be beside it`)
		}
		return scripted(&s, r, events), nil
	}
	defer func() {
		if x := recover(); x != nil {
			err = invalidf("%v", x)
		}
	}()
	mux := asynq.NewServeMux()
	for pattern, s := range scripts {
		mux.Handle(pattern, scripted(&s, r, events))
	}
	return mux, nil
}

func scripted(s *script, r reporter, events bool) asynq.Handler {
	if !events && s.trivial() {
		return asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return nil })
	}
	return asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		id, _ := asynq.GetTaskID(ctx)
		retried, _ := asynq.GetRetryCount(ctx)
		if events {
			reportStart(r, ctx, id, retried, task)
		}
		res := s.play(&run{ctx: ctx, task: task, emit: func(given map[string]json.RawMessage) {
			fields := make(map[string]any, len(given)+2)
			for k, v := range given {
				fields[k] = v
			}
			fields["task"] = id
			r.report("emit", fields)
		}}, retried)
		if events {
			err := res.err
			if res.outcome == "panic" {
				err = errors.New(res.panics)
			}
			r.report("end", map[string]any{"task": id, "outcome": res.outcome, "error": errorText(err)})
		}
		if res.outcome == "panic" {
			panic(res.panics)
		}
		return res.err
	})
}

func reportStart(r reporter, ctx context.Context, id string, retried int, task *asynq.Task) {
	queue, _ := asynq.GetQueueName(ctx)
	maxRetry, _ := asynq.GetMaxRetry(ctx)
	deadline, _ := ctx.Deadline()
	r.report("start", map[string]any{
		"task":      id,
		"type":      task.Type(),
		"payload":   data(task.Payload()),
		"headers":   task.Headers(),
		"queue":     queue,
		"retried":   retried,
		"max_retry": maxRetry,
		"deadline":  unixTime(deadline),
	})
}

// named is a request about one server or scheduler.
type named struct {
	head
	Name string `json:"name"`
}

// namedServer finds the server that a request is about.
func (p *peer) namedServer(request []byte) (*server, error) {
	var req named
	if err := decode(request, &req); err != nil {
		return nil, err
	}
	return p.servers.get(req.Name)
}

func (p *peer) ping(request []byte) (any, error) {
	s, err := p.namedServer(request)
	if err != nil {
		return nil, err
	}
	if err := s.asynq.Ping(); err != nil {
		return nil, fail(kindRedis, fmt.Errorf("ping: %w", err))
	}
	return nil, nil
}

func (p *peer) stop(request []byte) (any, error) {
	s, err := p.namedServer(request)
	if err != nil {
		return nil, err
	}
	s.asynq.Stop()
	return nil, nil
}

func (p *peer) shutdown(request []byte) (any, error) {
	var req named
	if err := decode(request, &req); err != nil {
		return nil, err
	}
	s, err := p.servers.take(req.Name, &p.shutdowns)
	if err != nil {
		return nil, err
	}
	defer p.shutdowns.Done()
	start := time.Now()
	s.shutdown()
	return map[string]any{"ms": time.Since(start).Milliseconds()}, nil
}
