package main

import (
	"fmt"
	"os"

	"github.com/redis/go-redis/v9"

	"rasynq/compat/internal/asynqpb"
	"rasynq/compat/internal/keyspace"
	"rasynq/compat/internal/scenario"
)

// stepRedis sends a raw command and judges its reply.
func (r *run) stepRedis(scope *scenario.Scope, f fields) error {
	words := f.list("redis")
	var v any
	var err error
	if message := f.text("decode"); message != "" {
		v, err = r.decodedReply(message, words)
	} else {
		v, err = r.redis.command(r.ctx, words)
	}
	if want, ok := f.m["expect_err"]; ok {
		if err == nil {
			return fmt.Errorf("want an error, got %s", scenario.Text(v))
		}
		return mismatch(scenario.Matcher{}.Match(want, err.Error()))
	}
	if err != nil {
		return err
	}
	return r.result(scope, f, v, scenario.Matcher{})
}

// decodedReply sends a command whose reply is a protobuf message of that name.
func (r *run) decodedReply(message string, words []any) (any, error) {
	if _, err := asynqpb.Decode(message, nil); err != nil {
		return nil, err
	}
	command, err := commandWords(words)
	if err != nil {
		return nil, err
	}
	raw, err := r.redis.client.Do(r.ctx, command...).Text()
	if err == redis.Nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return keyspace.Decoded(message, raw), nil
}

// stepFill sends commands many times.
func (r *run) stepFill(_ *scenario.Scope, f fields) error {
	var commands [][]any
	for _, c := range f.list("fill") {
		words, ok := c.([]any)
		if !ok {
			return fmt.Errorf("fill needs a list of commands")
		}
		commands = append(commands, words)
	}
	return r.redis.fill(r.ctx, f.count("from", 0), f.count("count", 1), commands)
}

func (r *run) stepKeyspace(_ *scenario.Scope, f fields) error {
	got, err := r.redis.dump(r.ctx)
	if err != nil {
		return err
	}
	if f.flag("only") {
		keyspace.DropOwn(got)
	}
	return mismatch(matchKeyspace(f.object("keyspace"), got, f.flag("only")))
}

// stepGolden takes a normalised dump, to be compared with the reference run's.
func (r *run) stepGolden(_ *scenario.Scope, f fields) error {
	got, err := r.redis.dump(r.ctx)
	if err != nil {
		return err
	}
	keyspace.DropOwn(got)
	for key := range got {
		for _, pattern := range f.texts("ignore") {
			if scenario.Glob(pattern, key) {
				delete(got, key)
			}
		}
	}
	host, _ := os.Hostname()
	n := scenario.Normaliser{Start: r.start, Host: host}
	name := f.text("golden")
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.dumps[name]; ok {
		return fmt.Errorf("the golden dump %q was taken already", name)
	}
	r.dumps[name] = n.Value(got)
	r.dumpNames = append(r.dumpNames, name)
	return nil
}
