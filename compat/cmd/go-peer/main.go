// Command go-peer drives Go's asynq through the peer interface (compat/PEER.md): requests come in
// on stdin and answers and events go out on stdout, one JSON object a line.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hibiken/asynq"
)

const peerVersion = 1

// What is in hand when stdin closes may finish for this long before everything
// is shut down.
const drainTime = 15 * time.Second

func main() {
	log.SetFlags(log.Lmicroseconds)
	log.SetPrefix("go-peer: ")
	redisURI := flag.String("redis", "", "the `URI` of the Redis, in one of asynq's forms")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument: %s", flag.Arg(0))
	}
	if *redisURI == "" {
		log.Fatal("--redis is required")
	}
	opt, err := asynq.ParseRedisURI(*redisURI)
	if err != nil {
		log.Fatal(err)
	}
	newPeer(opt, os.Stdout).run(os.Stdin)
}

type peer struct {
	redis     asynq.RedisConnOpt
	out       *lines
	client    *asynq.Client
	inspector *asynq.Inspector
	logLevel  asynq.LogLevel
	servers   *registry[*server]
	planners  *registry[planner]
	ending    sync.WaitGroup // shutdowns that were asked for
}

func newPeer(opt asynq.RedisConnOpt, out io.Writer) *peer {
	p := &peer{
		redis:     opt,
		out:       &lines{w: out},
		client:    asynq.NewClient(opt),
		inspector: asynq.NewInspector(opt),
		logLevel:  asynq.WarnLevel,
		servers:   newRegistry[*server]("server"),
		planners:  newRegistry[planner]("scheduler"),
	}
	if os.Getenv("PEER_LOG") == "debug" {
		p.logLevel = asynq.DebugLevel
	}
	return p
}

// run serves requests until in ends, then shuts down what runs.
func (p *peer) run(in io.Reader) {
	var inHand sync.WaitGroup
	reader := bufio.NewReaderSize(in, 1<<16)
	for {
		line, err := reader.ReadBytes('\n')
		if !blank(line) {
			inHand.Add(1)
			go func() {
				defer inHand.Done()
				p.serveLine(line)
			}()
		}
		if err != nil {
			if err != io.EOF {
				log.Printf("reading requests: %v", err)
			}
			break
		}
	}
	finished := make(chan struct{})
	go func() {
		inHand.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-time.After(drainTime):
		log.Print("stdin is closed, a request is still in hand: shutting down without it")
	}
	p.servers.closeAll(func(s *server) { s.shutdown() })
	p.planners.closeAll(func(s planner) { s.Shutdown() })
	p.ending.Wait()
	p.client.Close()
	p.inspector.Close()
}

type operation func(p *peer, request []byte) (any, error)

var operations = map[string]operation{
	"hello":              (*peer).hello,
	"enqueue":            (*peer).enqueue,
	"enqueue_batch":      (*peer).enqueueBatch,
	"enqueue_many":       (*peer).enqueueMany,
	"serve":              (*peer).serve,
	"ping":               (*peer).ping,
	"stop":               (*peer).stop,
	"shutdown":           (*peer).shutdown,
	"scheduler":          (*peer).scheduler,
	"register":           (*peer).register,
	"unregister":         (*peer).unregister,
	"scheduler_shutdown": (*peer).schedulerShutdown,
	"periodic":           (*peer).periodic,
	"cron":               (*peer).cron,
	"inspect":            (*peer).inspect,
}

func (p *peer) serveLine(line []byte) {
	id, op, err := envelope(line)
	if err != nil {
		p.out.answer(id, nil, err)
		return
	}
	handle, ok := operations[op]
	if !ok {
		p.out.answer(id, nil, invalidf("unknown op %q", op))
		return
	}
	value, err := guarded(handle, p, line)
	p.out.answer(id, value, err)
}

// guarded turns a panic of the library into an error.
func guarded(handle operation, p *peer, line []byte) (value any, err error) {
	defer func() {
		if x := recover(); x != nil {
			log.Printf("panic: %v\n%s", x, debug.Stack())
			err = fail(kindOther, fmt.Errorf("panic: %v", x))
		}
	}()
	return handle(p, line)
}

func (p *peer) hello(request []byte) (any, error) {
	var req struct{ head }
	if err := decode(request, &req); err != nil {
		return nil, err
	}
	return map[string]any{"impl": "go", "version": libraryVersion(), "peer": peerVersion}, nil
}

func libraryVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/hibiken/asynq" {
			if dep.Replace != nil {
				return dep.Replace.Version
			}
			return dep.Version
		}
	}
	return "unknown"
}

// registry holds what runs under a name, in the order of its start. A name is
// taken from its reservation until its shutdown begins.
type registry[T any] struct {
	what  string
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

// add runs start with the name reserved.
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

// take frees the name and leaves the shutdown to the caller, who marks its end in
// ending.
func (r *registry[T]) take(name string, ending *sync.WaitGroup) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	value, err := r.find(name)
	if err != nil {
		return value, err
	}
	ending.Add(1)
	s := r.named[name]
	delete(r.named, name)
	for i, o := range r.order {
		if o == s {
			r.order = append(r.order[:i], r.order[i+1:]...)
			break
		}
	}
	return value, nil
}

func (r *registry[T]) find(name string) (value T, err error) {
	s, ok := r.named[name]
	if !ok || !s.ready {
		return value, invalidf("no %s is called %q", r.what, name)
	}
	return s.value, nil
}

func (r *registry[T]) closeAll(end func(T)) {
	r.mu.Lock()
	order := r.order
	r.order, r.named = nil, make(map[string]*slot[T])
	r.mu.Unlock()
	for _, s := range order {
		end(s.value)
	}
}

func invalidf(format string, args ...any) error {
	return fail(kindInvalid, fmt.Errorf(format, args...))
}
