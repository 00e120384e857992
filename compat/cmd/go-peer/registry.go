package main

import (
	"slices"
	"sync"
)

// registry keeps servers or schedulers by their names, in the order of their
// starts. A name is in use from the beginning of the start to the beginning of
// the shutdown.
type registry[T any] struct {
	what  string // "server" or "scheduler", for messages
	mu    sync.Mutex
	named map[string]*slot[T]
	order []*slot[T]
}

type slot[T any] struct {
	value T
	ready bool
}

func newRegistry[T any](what string) *registry[T] {
	return &registry[T]{what: what, named: make(map[string]*slot[T])}
}

// add reserves the name and then calls start. If start fails the name is free
// again.
func (r *registry[T]) add(name string, start func() (T, error)) (err error) {
	if name == "" {
		return invalidf("a %s needs a name", r.what)
	}
	r.mu.Lock()
	if _, taken := r.named[name]; taken {
		r.mu.Unlock()
		return invalidf("the %s name %q is in use", r.what, name)
	}
	s := &slot[T]{}
	r.named[name] = s
	r.mu.Unlock()

	started := false
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !started {
			delete(r.named, name)
			return
		}
		s.ready = true
		r.order = append(r.order, s)
	}()
	s.value, err = start()
	started = err == nil
	return err
}

func (r *registry[T]) get(name string) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.find(name)
}

// take frees the name and returns its value. The caller shuts it down, and calls
// shutdowns.Done afterwards.
func (r *registry[T]) take(name string, shutdowns *sync.WaitGroup) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	value, err := r.find(name)
	if err != nil {
		return value, err
	}
	shutdowns.Add(1)
	s := r.named[name]
	delete(r.named, name)
	r.order = slices.DeleteFunc(r.order, func(o *slot[T]) bool { return o == s })
	return value, nil
}

func (r *registry[T]) find(name string) (value T, err error) {
	s, ok := r.named[name]
	if !ok || !s.ready {
		return value, invalidf("there is no %s %q", r.what, name)
	}
	return s.value, nil
}

// closeAll frees all names and shuts the values down in the order of their starts.
func (r *registry[T]) closeAll(shutdown func(T)) {
	r.mu.Lock()
	order := r.order
	r.order, r.named = nil, make(map[string]*slot[T])
	r.mu.Unlock()
	for _, s := range order {
		shutdown(s.value)
	}
}
