package main

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

type kind string

const (
	kindDuplicate     kind = "duplicate"
	kindIDConflict    kind = "id_conflict"
	kindInvalid       kind = "invalid"
	kindQueueNotFound kind = "queue_not_found"
	kindTaskNotFound  kind = "task_not_found"
	kindQueueNotEmpty kind = "queue_not_empty"
	kindWrongState    kind = "wrong_state"
	kindRedis         kind = "redis"
	kindUnsupported   kind = "unsupported"
	kindOther         kind = "other"
)

// failure is an error with the kind that the interface gives it.
type failure struct {
	Kind kind   `json:"kind"`
	Msg  string `json:"msg"`
}

func (f *failure) Error() string { return f.Msg }

func fail(k kind, err error) error { return &failure{Kind: k, Msg: err.Error()} }

// classify finds the kind of an error of the library. Its own error types cannot
// be named from here, so they are recognised by their names, and what it throws
// away by its text.
func classify(err error) *failure {
	var known *failure
	if errors.As(err, &known) {
		return known
	}
	return &failure{Kind: kindOf(err), Msg: err.Error()}
}

func kindOf(err error) kind {
	switch {
	case errors.Is(err, asynq.ErrDuplicateTask):
		return kindDuplicate
	case errors.Is(err, asynq.ErrTaskIDConflict):
		return kindIDConflict
	case errors.Is(err, asynq.ErrQueueNotFound):
		return kindQueueNotFound
	case errors.Is(err, asynq.ErrTaskNotFound):
		return kindTaskNotFound
	case errors.Is(err, asynq.ErrQueueNotEmpty):
		return kindQueueNotEmpty
	}

	precondition := false
	for e := err; e != nil; e = errors.Unwrap(e) {
		v := reflect.ValueOf(e)
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem().PkgPath() != "github.com/hibiken/asynq/internal/errors" {
			continue
		}
		switch v.Type().Elem().Name() {
		case "QueueNotFoundError":
			return kindQueueNotFound
		case "TaskNotFoundError":
			return kindTaskNotFound
		case "QueueNotEmptyError":
			return kindQueueNotEmpty
		case "TaskAlreadyArchivedError":
			return kindWrongState
		case "RedisCommandError":
			return kindRedis
		case "Error":
			precondition = precondition || strings.HasPrefix(e.Error(), "FAILED_PRECONDITION")
		}
	}

	text := err.Error()
	switch {
	case strings.Contains(text, "queue name must contain one or more characters"),
		strings.Contains(text, "the number of days must be positive"),
		text == "asynq: err": // archiving in a queue without a name
		return kindInvalid
	case precondition,
		strings.HasPrefix(text, "asynq: FAILED_PRECONDITION"),
		strings.HasSuffix(text, " is already paused"),
		strings.HasSuffix(text, " is not paused"):
		return kindWrongState
	}

	var fromRedis redis.Error
	var fromNet net.Error
	switch {
	case errors.As(err, &fromRedis), errors.As(err, &fromNet),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, redis.ErrClosed), errors.Is(err, redis.ErrPoolTimeout),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		strings.Contains(text, "redis eval error"), strings.Contains(text, "redis command error"),
		strings.Contains(text, "redis pubsub"), strings.Contains(text, "dial "),
		strings.Contains(text, "sentinel"):
		return kindRedis
	}
	return kindOther
}

// refused is for errors of calls that only the library's checks or Redis can
// fail: what does not come from Redis was refused before Redis was asked.
func refused(err error) error {
	if err == nil {
		return nil
	}
	f := classify(err)
	inside := strings.HasPrefix(f.Msg, "UNKNOWN: ") || strings.HasPrefix(f.Msg, "INTERNAL_ERROR: ")
	if f.Kind == kindOther && (!inside || strings.Contains(f.Msg, "cannot encode")) {
		f.Kind = kindInvalid
	}
	return f
}
