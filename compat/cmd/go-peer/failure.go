package main

import (
	"context"
	"errors"
	"fmt"
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

// failure is an error and its kind in the peer interface.
type failure struct {
	Kind kind   `json:"kind"`
	Msg  string `json:"msg"`
}

func (f *failure) Error() string { return f.Msg }

func fail(k kind, err error) error { return &failure{Kind: k, Msg: err.Error()} }

func invalidf(format string, args ...any) error {
	return fail(kindInvalid, fmt.Errorf(format, args...))
}

// classify finds the kind of an error of the library.
func classify(err error) *failure {
	var known *failure
	if errors.As(err, &known) {
		return known
	}
	return &failure{Kind: kindOf(err), Msg: err.Error()}
}

// kindOf looks at the library's exported errors first, then at the names of its
// internal error types, which cannot be imported here, and last at the text, as
// some calls return nothing else.
func kindOf(err error) kind {
	for _, known := range []struct {
		err  error
		kind kind
	}{
		{asynq.ErrDuplicateTask, kindDuplicate},
		{asynq.ErrTaskIDConflict, kindIDConflict},
		{asynq.ErrQueueNotFound, kindQueueNotFound},
		{asynq.ErrTaskNotFound, kindTaskNotFound},
		{asynq.ErrQueueNotEmpty, kindQueueNotEmpty},
	} {
		if errors.Is(err, known.err) {
			return known.kind
		}
	}
	kind, precondition := internalKind(err)
	text := err.Error()
	switch {
	case kind != "":
		return kind
	case strings.Contains(text, "queue name must contain one or more characters"),
		strings.Contains(text, "the number of days must be positive"),
		text == "asynq: err": // archiving in a queue without a name
		return kindInvalid
	case precondition,
		strings.HasPrefix(text, "asynq: FAILED_PRECONDITION"),
		strings.HasSuffix(text, " is already paused"),
		strings.HasSuffix(text, " is not paused"):
		return kindWrongState
	case fromRedis(err):
		return kindRedis
	}
	return kindOther
}

// internalKind recognises the library's internal error types by their names.
// Empty: none is in the chain. precondition reports whether the chain has an
// error with the code FAILED_PRECONDITION.
func internalKind(err error) (found kind, precondition bool) {
	for e := err; e != nil; e = errors.Unwrap(e) {
		v := reflect.ValueOf(e)
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem().PkgPath() != "github.com/hibiken/asynq/internal/errors" {
			continue
		}
		switch v.Type().Elem().Name() {
		case "QueueNotFoundError":
			return kindQueueNotFound, precondition
		case "TaskNotFoundError":
			return kindTaskNotFound, precondition
		case "QueueNotEmptyError":
			return kindQueueNotEmpty, precondition
		case "TaskAlreadyArchivedError":
			return kindWrongState, precondition
		case "RedisCommandError":
			return kindRedis, precondition
		case "Error":
			precondition = precondition || strings.HasPrefix(e.Error(), "FAILED_PRECONDITION")
		}
	}
	return "", precondition
}

// fromRedis reports whether Redis, or the connection to it, caused the error.
func fromRedis(err error) bool {
	var ofRedis redis.Error
	var ofNet net.Error
	if errors.As(err, &ofRedis) || errors.As(err, &ofNet) {
		return true
	}
	for _, known := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, redis.ErrClosed, redis.ErrPoolTimeout,
		context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	for _, part := range []string{"redis eval error", "redis command error", "redis pubsub", "dial ", "sentinel"} {
		if strings.Contains(err.Error(), part) {
			return true
		}
	}
	return false
}

// refused classifies an error of a call that only Redis or the library's own
// checks can fail: an error that does not come from Redis is `invalid`.
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
