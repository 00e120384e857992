package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"rasynq/compat/internal/scenario"
)

// options is the command line.
type options struct {
	peers       map[string]string // the path of each implementation's peer
	impls       []string          // the implementations that take part
	reference   string            // the implementation whose golden dumps are right
	scenarios   []string
	only        []string
	noSlow      bool
	jobs        int // runs at a time
	timedJobs   int // runs at a time while scenarios tagged timed run
	redisServer string
	differences string // the file of known deviations; empty: none
	bin         string // the directory of this program, of asynqmon and of our peers
	keep        bool
	strict      bool
	list        bool
	seed        uint64 // of the comparisons of twins; 0: that of the scenario
}

// Most runs wait: their CPU time is about a tenth of their duration.
const jobsPerCPU = 8

// repeatable is a flag that may be given more than once.
type repeatable []string

func (r *repeatable) String() string     { return strings.Join(*r, ",") }
func (r *repeatable) Set(s string) error { *r = append(*r, s); return nil }

func parseOptions(args []string) (*options, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	bin := filepath.Dir(self)
	home := filepath.Dir(bin)
	o := &options{
		bin:   bin,
		peers: map[string]string{"go": filepath.Join(bin, "go-peer"), "rust": filepath.Join(bin, "rust-peer")},
	}
	var peers, scenarios, only repeatable
	flags := flag.NewFlagSet("runner", flag.ExitOnError)
	impls := flags.String("impls", "go,rust", "the implementations that take part")
	flags.StringVar(&o.reference, "reference", "go", "the implementation whose golden dumps are right")
	flags.IntVar(&o.jobs, "jobs", 0, fmt.Sprintf("how many runs at a time (default: %d for each CPU for our own scenarios, 2 for others)", jobsPerCPU))
	flags.IntVar(&o.timedJobs, "timed-jobs", runtime.NumCPU(), "how many runs at a time while scenarios tagged timed run")
	flags.StringVar(&o.redisServer, "redis-server", "redis-server", "the Redis or Valkey server to run on")
	flags.StringVar(&o.differences, "differences", "", "known deviations, or none (default: differences.json beside bin for our own scenarios, none for others)")
	flags.BoolVar(&o.list, "list", false, "list the scenarios and their assignments")
	flags.BoolVar(&o.keep, "keep", false, "keep the directories of failed runs")
	flags.BoolVar(&o.strict, "strict", os.Getenv("CI") != "", "a missing peer is a failure")
	flags.BoolVar(&o.noSlow, "no-slow", false, "leave out scenarios tagged slow")
	flags.Uint64Var(&o.seed, "seed", 0, "the seed of the steps that compare twins, instead of that of the scenario")
	flags.Var(&peers, "impl", "NAME=PATH: the peer of an implementation (repeatable)")
	flags.Var(&scenarios, "scenarios", "a scenario file or a directory of them (repeatable; default: scenarios beside bin)")
	flags.Var(&only, "only", "run only scenarios of this name, which may contain * (repeatable)")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	o.impls, o.scenarios, o.only = strings.Split(*impls, ","), scenarios, only
	for _, p := range peers {
		name, path, ok := strings.Cut(p, "=")
		if !ok {
			return nil, fmt.Errorf("--impl needs NAME=PATH, not %q", p)
		}
		if o.peers[name], err = filepath.Abs(path); err != nil {
			return nil, err
		}
	}
	o.setDefaults(home)
	return o, nil
}

// setDefaults fills in what depends on whose scenarios run: only our own are
// known to tag what cannot stand load.
func (o *options) setDefaults(home string) {
	ours := len(o.scenarios) == 0
	jobs, differences := 2, ""
	if ours {
		o.scenarios = []string{filepath.Join(home, "scenarios")}
		jobs = jobsPerCPU * runtime.NumCPU()
		differences = filepath.Join(home, "differences.json")
	}
	if o.jobs < 1 {
		o.jobs = jobs
	}
	o.timedJobs = min(max(o.timedJobs, 1), o.jobs)
	switch o.differences {
	case "":
		o.differences = differences
	case "none":
		o.differences = ""
	}
}

// chooses reports whether a scenario is to run. One that is tagged long must be named.
func (o *options) chooses(scn *scenario.Scenario) bool {
	if scn.Tagged(scenario.TagLong) {
		return slices.Contains(o.only, scn.Name)
	}
	if o.noSlow && scn.Tagged(scenario.TagSlow) {
		return false
	}
	return len(o.only) == 0 || slices.ContainsFunc(o.only, func(pattern string) bool {
		return scenario.Glob(pattern, scn.Name)
	})
}
