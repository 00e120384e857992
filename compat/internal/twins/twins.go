// Package twins compares the inspectors of two implementations. It fills two databases
// of one Redis server with the same random tasks, asks both peers the same questions,
// and has both make the same changes, each in its own database. Answers and databases
// must be equal, apart from the known differences.
package twins

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Peer asks a peer's inspector. An error of the peer interface is a *Refusal.
type Peer func(ctx context.Context, call map[string]any) (any, error)

// Refusal is an error of the peer interface.
type Refusal struct{ Kind, Msg string }

func (r *Refusal) Error() string { return r.Kind + ": " + r.Msg }

// Side is one of the twins: a peer and its database.
type Side struct {
	Impl  string
	Ask   Peer
	Redis *redis.Client
	DB    int
}

// Options say how large a comparison is, and which one.
type Options struct {
	Seed    uint64
	Tasks   int
	Changes int // of single tasks and queues; the bulk changes come on top
}

// comparison is one comparison of the twins.
type comparison struct {
	Options
	ctx        context.Context
	one, other *Side
	rng        *rand.Rand
	met        map[string]int // how often each known difference was met
	asked      int
	changed    int
	failures   []string
}

// Result says what a comparison has done.
type Result struct {
	Answers, Changes int
	Met              map[string]int // how often each known difference was met, by name
}

// Compare compares the twins and reports the first differences that are not known. one
// is the reference: the known differences are those of the other one.
func Compare(ctx context.Context, one, other *Side, o Options) (*Result, error) {
	c := &comparison{
		Options: o, ctx: ctx, one: one, other: other,
		rng: rand.New(rand.NewPCG(o.Seed, 0)), met: map[string]int{},
	}
	for _, phase := range []struct {
		name string
		do   func() error
	}{
		{"fill", c.fill},
		{"read", c.readAll},
		{"single changes", c.singleChanges},
		{"read after the single changes", c.readAll},
		{"bulk changes", c.bulkChanges},
	} {
		err := phase.do()
		if err == nil && c.failures != nil {
			err = errors.New(strings.Join(c.failures, "\n    "))
		}
		if err != nil {
			return nil, fmt.Errorf("seed %d, %s, after %d answers and %d changes: %w", o.Seed, phase.name, c.asked, c.changed, err)
		}
	}
	if err := c.unmet(); err != nil {
		return nil, fmt.Errorf("seed %d: %w", o.Seed, err)
	}
	return &Result{Answers: c.asked, Changes: c.changed, Met: c.met}, nil
}

// fail notes a difference. With many, it is the end of the comparison.
func (c *comparison) fail(format string, values ...any) error {
	const most = 10
	c.failures = append(c.failures, fmt.Sprintf(format, values...))
	if len(c.failures) < most {
		return nil
	}
	return errors.New(strings.Join(c.failures, "\n    "))
}

// differing reports whether the twins are of different implementations.
func (c *comparison) differing() bool { return c.one.Impl != c.other.Impl }

// now is the time of the Redis server in seconds.
func (c *comparison) now() (float64, error) {
	t, err := c.one.Redis.Time(c.ctx).Result()
	return float64(t.UnixNano()) / 1e9, err
}

// copyScript makes the database ARGV[2] a copy of the database ARGV[1].
const copyScript = `
redis.call("SELECT", ARGV[2])
redis.call("FLUSHDB")
redis.call("SELECT", ARGV[1])
for _, key in ipairs(redis.call("KEYS", "*")) do
	redis.call("COPY", key, key, "DB", ARGV[2])
end
return 0`

func (c *comparison) copyDB(from, to int) error {
	return c.one.Redis.Eval(c.ctx, copyScript, nil, from, to).Err()
}

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

// chance is true in so many of 100 cases.
func (c *comparison) chance(percent int) bool { return c.rng.IntN(100) < percent }

// between is a whole number from low to high, both included.
func (c *comparison) between(low, high int) int { return low + c.rng.IntN(high-low+1) }

func sorted[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// lines is a list of differences in short.
func lines(list []string) string {
	const most = 12
	if n := len(list); n > most {
		list = append(list[:most:most], fmt.Sprintf("… and %d more", n-most))
	}
	return strings.Join(list, "\n      ")
}
