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

// drainTime is how long requests in flight may take after stdin has closed. Then
// all servers and schedulers are shut down.
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

// peer is what all requests share.
type peer struct {
	redis     asynq.RedisConnOpt
	out       *lines
	client    *asynq.Client
	inspector *asynq.Inspector
	logLevel  asynq.LogLevel
	servers   *registry[*server]
	planners  *registry[planner]
	shutdowns sync.WaitGroup // requested shutdowns that are in progress
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

// run serves requests until the input ends. Then it shuts down all servers and
// schedulers.
func (p *peer) run(in io.Reader) {
	var inFlight sync.WaitGroup
	reader := bufio.NewReaderSize(in, 1<<16)
	for {
		line, err := reader.ReadBytes('\n')
		if !blank(line) {
			inFlight.Add(1)
			go func() {
				defer inFlight.Done()
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
		inFlight.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-time.After(drainTime):
		log.Print("stdin is closed, but a request is still in flight: shutting down anyway")
	}
	p.servers.closeAll(func(s *server) { s.shutdown() })
	p.planners.closeAll(func(s planner) { s.Shutdown() })
	p.shutdowns.Wait()
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

// guarded does an operation and turns a panic of the library into an error.
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
