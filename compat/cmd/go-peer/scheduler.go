package main

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/robfig/cron/v3"
)

// planner is a scheduler or a periodic task manager.
type planner interface{ Shutdown() }

// scheduled is a scheduler and the source of its events.
type scheduled struct {
	*asynq.Scheduler
	firings *firings
}

// firings finds the entry that an event is about. The library passes its hooks the
// task (before the enqueue) or the outcome (after it), but never the entry. Both
// hooks of a firing run on the same goroutine, which connects them.
type firings struct {
	out *lines

	mu      sync.Mutex
	entries map[*asynq.Task]string
	current map[string]*asynq.Task // being enqueued, by goroutine
}

func newFirings(out *lines) *firings {
	return &firings{
		out:     out,
		entries: make(map[*asynq.Task]string),
		current: make(map[string]*asynq.Task),
	}
}

func (f *firings) options(location *time.Location, heartbeat time.Duration, level asynq.LogLevel) *asynq.SchedulerOpts {
	return &asynq.SchedulerOpts{
		Location:          location,
		HeartbeatInterval: heartbeat,
		LogLevel:          level,
		PreEnqueueFunc: func(task *asynq.Task, _ []asynq.Option) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.current[goroutine()] = task
		},
		PostEnqueueFunc: func(info *asynq.TaskInfo, err error) {
			f.mu.Lock()
			g := goroutine()
			entry := f.entry(f.current[g])
			delete(f.current, g)
			f.mu.Unlock()
			if err != nil {
				f.out.event("enqueue_failed", map[string]any{"entry": entry, "error": err.Error()})
				return
			}
			f.out.event("enqueued", map[string]any{"entry": entry, "task": info.ID})
		},
	}
}

func (f *firings) entry(task *asynq.Task) any {
	if id, ok := f.entries[task]; ok {
		return id
	}
	return nil
}

// goroutine is the name of the calling goroutine, from its stack trace.
func goroutine() string {
	var buf [64]byte
	text := buf[:runtime.Stack(buf[:], false)]
	if i := bytes.IndexByte(text, '['); i > 0 {
		text = text[:i]
	}
	return string(text)
}

func location(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil, invalidf("location: %v", err)
	}
	return l, nil
}

func (p *peer) scheduler(request []byte) (any, error) {
	var req struct {
		named
		Location          string   `json:"location"`
		HeartbeatInterval duration `json:"heartbeat_interval"`
	}
	if err := decode(request, &req); err != nil {
		return nil, err
	}
	l, err := location(req.Location)
	if err != nil {
		return nil, err
	}
	return nil, p.planners.add(req.Name, func() (planner, error) {
		f := newFirings(p.out)
		s := asynq.NewScheduler(p.redis, f.options(l, time.Duration(req.HeartbeatInterval), p.logLevel))
		return &scheduled{s, f}, s.Start()
	})
}

// findScheduler finds a scheduler by its name. A periodic task manager is refused.
func (p *peer) findScheduler(name string) (*scheduled, error) {
	found, err := p.planners.get(name)
	if err != nil {
		return nil, err
	}
	s, ok := found.(*scheduled)
	if !ok {
		return nil, invalidf("%q is a periodic task manager", name)
	}
	return s, nil
}

func (p *peer) register(request []byte) (any, error) {
	var req struct {
		named
		Spec string `json:"spec"`
		enqueueForm
	}
	if err := decode(request, &req); err != nil {
		return nil, err
	}
	if err := req.check(); err != nil {
		return nil, err
	}
	s, err := p.findScheduler(req.Name)
	if err != nil {
		return nil, err
	}
	task := req.Task.task(req.Opts)
	// The first firing may come before the entry's id is known here: the lock makes
	// it wait.
	s.firings.mu.Lock()
	defer s.firings.mu.Unlock()
	entry, err := registered(s.Scheduler, req.Spec, task, settings(req.Opts))
	if err != nil {
		return nil, err
	}
	s.firings.entries[task] = entry
	return map[string]any{"entry": entry}, nil
}

// registered turns a panic of the cron parser into `invalid`.
func registered(s *asynq.Scheduler, spec string, task *asynq.Task, opts []asynq.Option) (entry string, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = invalidf("%v", x)
		}
	}()
	entry, err = s.Register(spec, task, opts...)
	if err != nil {
		return "", fail(kindInvalid, err)
	}
	return entry, nil
}

func (p *peer) unregister(request []byte) (any, error) {
	var req struct {
		named
		Entry string `json:"entry"`
	}
	if err := decode(request, &req); err != nil {
		return nil, err
	}
	s, err := p.findScheduler(req.Name)
	if err != nil {
		return nil, err
	}
	if err := s.Unregister(req.Entry); err != nil {
		return nil, fail(kindInvalid, err)
	}
	return nil, nil
}

func (p *peer) schedulerShutdown(request []byte) (any, error) {
	var req named
	if err := decode(request, &req); err != nil {
		return nil, err
	}
	s, err := p.planners.take(req.Name, &p.shutdowns)
	if err != nil {
		return nil, err
	}
	defer p.shutdowns.Done()
	s.Shutdown()
	return nil, nil
}

func (p *peer) periodic(request []byte) (any, error) {
	var req struct {
		named
		SyncInterval      duration `json:"sync_interval"`
		HeartbeatInterval duration `json:"heartbeat_interval"`
		File              string   `json:"file"`
	}
	if err := decode(request, &req); err != nil {
		return nil, err
	}
	if req.SyncInterval < 0 {
		return nil, invalidf("sync_interval is negative")
	}
	return nil, p.planners.add(req.Name, func() (s planner, err error) {
		f := newFirings(p.out)
		m, err := asynq.NewPeriodicTaskManager(asynq.PeriodicTaskManagerOpts{
			PeriodicTaskConfigProvider: configFile(req.File),
			RedisConnOpt:               p.redis,
			SyncInterval:               time.Duration(req.SyncInterval),
			SchedulerOpts:              f.options(time.UTC, time.Duration(req.HeartbeatInterval), p.logLevel),
		})
		if err != nil {
			return nil, fail(kindInvalid, err)
		}
		defer func() {
			if x := recover(); x != nil {
				err = invalidf("%v", x)
			}
		}()
		if err := m.Start(); err != nil {
			return nil, fail(kindInvalid, err)
		}
		return m, nil
	})
}

// configFile is a provider that reads the file at each sync.
type configFile string

func (path configFile) GetConfigs() ([]*asynq.PeriodicTaskConfig, error) {
	text, err := os.ReadFile(string(path))
	if err != nil {
		return nil, err
	}
	var forms []struct {
		Spec string `json:"spec"`
		enqueueForm
	}
	if err := decode(text, &forms); err != nil {
		return nil, err
	}
	configs := make([]*asynq.PeriodicTaskConfig, 0, len(forms))
	for _, f := range forms {
		if err := f.check(); err != nil {
			return nil, err
		}
		configs = append(configs, &asynq.PeriodicTaskConfig{
			Cronspec: f.Spec,
			Task:     f.Task.task(f.Opts),
			Opts:     settings(f.Opts),
		})
	}
	return configs, nil
}

// cronPatience is how long the cron library may search: for some specs and days
// it never returns.
const cronPatience = 5 * time.Second

func (p *peer) cron(request []byte) (any, error) {
	var req struct {
		head
		Spec     string   `json:"spec"`
		Location string   `json:"location"`
		After    unixTime `json:"after"`
		N        *int     `json:"n"`
	}
	if err := decode(request, &req); err != nil {
		return nil, err
	}
	n := 1
	if req.N != nil {
		n = *req.N
	}
	if n < 0 {
		return nil, invalidf("n is negative")
	}
	l, err := location(req.Location)
	if err != nil {
		return nil, err
	}
	schedule, err := parsedSpec(req.Spec)
	if err != nil {
		return nil, err
	}
	found := make(chan []unixTime, 1)
	go func() {
		times := []unixTime{}
		for at := time.Time(req.After).In(l); len(times) < n; {
			if at = schedule.Next(at); at.IsZero() {
				break
			}
			times = append(times, unixTime(at))
		}
		found <- times
	}()
	select {
	case times := <-found:
		return times, nil
	case <-time.After(cronPatience):
		return nil, fail(kindOther, errors.New("the cron library does not return from this spec"))
	}
}

func parsedSpec(spec string) (schedule cron.Schedule, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = invalidf("the cron library panics on this spec: %v", x)
		}
	}()
	schedule, err = cron.ParseStandard(spec)
	if err != nil {
		return nil, fail(kindInvalid, err)
	}
	return schedule, nil
}
