package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"rasynq/compat/internal/keyspace"
	"rasynq/compat/internal/scenario"
)

// redisServer is the private Redis server of one run.
type redisServer struct {
	*process
	socket string
	port   int // of the loopback; 0: none
	client *redis.Client
}

// adminName is the user of the runner's own connection. A scenario may change
// what other users can do, the default one included.
const adminName = "compat-runner"

func startRedis(ctx context.Context, binary, dir string, spec scenario.Redis) (r *redisServer, err error) {
	r = &redisServer{socket: filepath.Join(dir, "redis.sock")}
	if spec.TCP {
		if r.port, err = freePort(); err != nil {
			return nil, err
		}
	}
	args := []string{
		"--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--unixsocket", r.socket,
		"--dir", dir, "--save", "", "--appendonly", "no", "--daemonize", "no",
		"--user", adminName, "on", ">" + adminName, "~*", "&*", "+@all",
	}
	r.process, err = startProcess(filepath.Join(dir, "redis.log"), binary, append(args, spec.Args...)...)
	if err != nil {
		return nil, err
	}
	r.client = r.connect(0)
	if err := r.awaitReady(func() error { return r.client.Ping(ctx).Err() }); err != nil {
		_ = r.client.Close()
		return nil, err
	}
	return r, nil
}

// connect is a connection of the runner's own to one of the databases.
func (r *redisServer) connect(db int) *redis.Client {
	return redis.NewClient(&redis.Options{
		Network: "unix", Addr: r.socket, Username: adminName, Password: adminName, DB: db,
		Protocol: 2, MaxRetries: -1, DisableIdentity: true,
	})
}

func (r *redisServer) uri() string { return socketURI(r.socket) }

func socketURI(path string) string { return "redis-socket://" + path }

func (r *redisServer) stop() {
	_ = r.client.Close()
	r.process.stop()
}

// dump reads the whole decoded keyspace.
func (r *redisServer) dump(ctx context.Context) (map[string]any, error) {
	return keyspace.Dump(ctx, r.client, "*")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// command sends one raw command and returns its reply as a JSON value.
func (r *redisServer) command(ctx context.Context, args []any) (any, error) {
	words, err := commandWords(args)
	if err != nil {
		return nil, err
	}
	v, err := r.client.Do(ctx, words...).Result()
	if err == redis.Nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return replyValue(v), nil
}

// commandWords turns the words of a step into those of a command: numbers into
// their shortest text, `{"b64": …}` and `{"utf8": …}` into bytes.
func commandWords(args []any) ([]any, error) {
	words := make([]any, len(args))
	for i, a := range args {
		switch x := a.(type) {
		case string:
			words[i] = x
		case float64:
			words[i] = strconv.FormatFloat(x, 'f', -1, 64)
		case map[string]any:
			b, err := base64.StdEncoding.DecodeString(fmt.Sprint(x["b64"]))
			if s, ok := x["utf8"].(string); ok {
				b, err = []byte(s), nil
			}
			if err != nil {
				return nil, err
			}
			words[i] = b
		default:
			return nil, fmt.Errorf("not a word of a command: %s", scenario.Text(a))
		}
	}
	return words, nil
}

func replyValue(v any) any {
	switch x := v.(type) {
	case int64:
		return float64(x)
	case string:
		return keyspace.Text(x)
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = replyValue(e)
		}
		return out
	case error:
		return map[string]any{"error": x.Error()}
	}
	return v
}

// fill sends the same commands n times in pipelines. `%d` in their words becomes
// the number, counted from `from`.
func (r *redisServer) fill(ctx context.Context, from, n int, commands [][]any) error {
	const batch = 1000
	for at := from; at < from+n; at += batch {
		pipe := r.client.Pipeline()
		for i := at; i < from+n && i < at+batch; i++ {
			for _, c := range commands {
				words, err := commandWords(c)
				if err != nil {
					return err
				}
				for j, w := range words {
					if s, ok := w.(string); ok {
						words[j] = strings.ReplaceAll(s, "%d", strconv.Itoa(i))
					}
				}
				pipe.Do(ctx, words...)
			}
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}
