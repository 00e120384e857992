package main

import (
	"log"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/hibiken/asynq"
)

type enqueueForm struct {
	Task *taskForm `json:"task"`
	Opts []option  `json:"opts"`
}

func (e *enqueueForm) check() error {
	if e.Task == nil {
		return invalidf("task is missing")
	}
	return nil
}

func (p *peer) enqueueOne(e *enqueueForm) (any, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	t, err := p.client.Enqueue(e.Task.task(e.Opts), settings(e.Opts)...)
	if err != nil {
		return nil, refused(err)
	}
	return info(t), nil
}

func (p *peer) enqueue(request []byte) (any, error) {
	var req struct {
		head
		enqueueForm
	}
	if err := decode(request, &req); err != nil {
		return nil, err
	}
	return p.enqueueOne(&req.enqueueForm)
}

// enqueueBatch enqueues one by one: this version of the library has no batch call.
func (p *peer) enqueueBatch(request []byte) (any, error) {
	var req struct {
		head
		Items []enqueueForm `json:"items"`
	}
	if err := decode(request, &req); err != nil {
		return nil, err
	}
	answers := make([]map[string]any, 0, len(req.Items))
	for i := range req.Items {
		value, err := p.enqueueOne(&req.Items[i])
		if err != nil {
			answers = append(answers, map[string]any{"err": classify(err)})
		} else {
			answers = append(answers, map[string]any{"ok": value})
		}
	}
	return answers, nil
}

func (p *peer) enqueueMany(request []byte) (any, error) {
	var req struct {
		head
		enqueueForm
		N        int     `json:"n"`
		Callers  int     `json:"callers"`
		Batch    int     `json:"batch"`
		IDPrefix *string `json:"id_prefix"`
	}
	if err := decode(request, &req); err != nil {
		return nil, err
	}
	if err := req.check(); err != nil {
		return nil, err
	}
	if req.N < 0 || req.Callers < 0 || req.Batch < 0 {
		return nil, invalidf("n, callers and batch are not negative")
	}
	return p.enqueueSeries(series{
		form: &req.enqueueForm, n: req.N, callers: min(max(req.Callers, 1), max(req.N, 1)), idPrefix: req.IDPrefix,
	}), nil
}

// series is N tasks that callers enqueue one by one.
type series struct {
	form     *enqueueForm
	n        int
	callers  int
	idPrefix *string
}

func (p *peer) enqueueSeries(s series) map[string]any {
	numbered := utf8.Valid(s.form.Task.Payload) && strings.Contains(string(s.form.Task.Payload), "%d")
	opts := settings(s.form.Opts)
	shared := s.form.Task.task(s.form.Opts)

	var next, failed atomic.Int64
	var firstErr error
	var once sync.Once
	var wg sync.WaitGroup
	start := time.Now()
	for range s.callers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				i := int(next.Add(1)) - 1
				if i >= s.n {
					return
				}
				task, callOpts := shared, opts
				if numbered {
					payload := strings.ReplaceAll(string(s.form.Task.Payload), "%d", strconv.Itoa(i))
					task = s.form.Task.taskWith([]byte(payload), s.form.Opts)
				}
				if s.idPrefix != nil {
					callOpts = append(opts[:len(opts):len(opts)], asynq.TaskID(*s.idPrefix+strconv.Itoa(i)))
				}
				if _, err := p.client.Enqueue(task, callOpts...); err != nil {
					failed.Add(1)
					once.Do(func() { firstErr = err })
				}
			}
		}()
	}
	wg.Wait()
	seconds := time.Since(start).Seconds()
	bad := int(failed.Load())
	answer := map[string]any{"ok": s.n - bad, "err": bad, "seconds": seconds}
	if firstErr != nil {
		log.Printf("enqueue_many: %d failed, the first with: %v", bad, firstErr)
	}
	return answer
}
