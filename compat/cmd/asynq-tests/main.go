// Command asynq-tests runs the test files of asynq itself against a peer. See
// asynq-tests/README.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"
)

// options are the settings of one call.
type options struct {
	peer        string
	baseline    bool
	selftest    bool
	only        *regexp.Regexp
	stages      []string
	jobs        int
	verbose     bool
	redisServer string
	folder      string // of the shims and the rules
}

func main() {
	if isLiar() {
		exitOn(lieAsPeer())
		return
	}
	o, err := parseOptions(os.Args[1:])
	exitOn(err)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	act := run
	if o.selftest {
		act = selftest
	}
	passed, err := act(ctx, o)
	exitOn(err)
	if !passed {
		os.Exit(1)
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "asynq-tests:", err)
		os.Exit(1)
	}
}

func parseOptions(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("asynq-tests", flag.ExitOnError)
	f.StringVar(&o.peer, "peer", "", "the program of the peer")
	f.BoolVar(&o.baseline, "baseline", false, "run asynq's tests as they are, without a peer")
	f.BoolVar(&o.selftest, "selftest", false, "show that the judge notices each of many lies of a good peer")
	only := f.String("only", "", "run the tests whose names match this regular expression")
	stage := f.String("stage", strings.Join(stages, ","), "run these stages, separated by commas")
	f.IntVar(&o.jobs, "jobs", 4, "how many tests run at the same time")
	f.BoolVar(&o.verbose, "verbose", false, "print all that failed tests wrote")
	f.StringVar(&o.redisServer, "redis-server", "redis-server", "the Redis server to use")
	f.StringVar(&o.folder, "folder", "asynq-tests", "the folder of the shims and the rules")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return nil, fmt.Errorf("--only: %w", err)
	}
	o.stages = strings.Split(*stage, ",")
	for _, s := range o.stages {
		if !slices.Contains(stages, s) {
			return nil, fmt.Errorf("--stage: unknown stage %q; there are %s", s, strings.Join(stages, ", "))
		}
	}
	if o.jobs < 1 {
		return nil, fmt.Errorf("--jobs: %d is less than 1", o.jobs)
	}
	if o.redisServer, err = exec.LookPath(o.redisServer); err != nil {
		return nil, err
	}
	if o.folder, err = filepath.Abs(o.folder); err != nil {
		return nil, err
	}
	if o.baseline {
		o.peer = ""
		return o, nil
	}
	if o.peer == "" {
		return nil, fmt.Errorf("a peer is needed: --peer PATH, or --baseline")
	}
	if o.peer, err = filepath.Abs(o.peer); err != nil {
		return nil, err
	}
	return o, nil
}

// run runs the chosen tests, prints a line for each and the sums, and reports
// whether none has failed.
func run(ctx context.Context, o *options) (bool, error) {
	work, err := os.MkdirTemp("", "asynq-tests.")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(work)
	rules, err := loadRules(ctx, o)
	if err != nil {
		return false, err
	}
	tests, err := buildTests(ctx, o, work)
	if err != nil {
		return false, err
	}
	tests = slices.DeleteFunc(tests, func(t test) bool { return !o.only.MatchString(t.name) })
	if len(tests) == 0 {
		return false, fmt.Errorf("no test has such a name")
	}
	verdicts, stop, err := judgeAll(ctx, o, work, rules, tests)
	defer stop()
	if err != nil {
		return false, err
	}
	sums := sums{}
	for i, t := range tests {
		v := <-verdicts[i]
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		fmt.Printf("%-10s %s  %s  (%s)\n", t.stage, v.result, t.name, v.why)
		printDetails(v.details, o.verbose)
		sums.add(t.stage, v.result)
	}
	sums.print()
	return sums["all"]["fail"] == 0, nil
}

// judgeAll judges the tests in the background, --jobs at the same time, each job
// with a Redis server of its own. The verdict of each test comes on a channel of its own.
func judgeAll(ctx context.Context, o *options, work string, r *rules, tests []test) ([]chan verdict, func(), error) {
	var servers []*redisServer
	stop := func() {
		for _, s := range servers {
			s.stop()
		}
	}
	verdicts := make([]chan verdict, len(tests))
	for i := range verdicts {
		verdicts[i] = make(chan verdict, 1)
	}
	var mu sync.Mutex
	next := 0
	for range min(o.jobs, len(tests)) {
		server, err := startRedis(ctx, o.redisServer, work)
		if err != nil {
			return nil, stop, err
		}
		servers = append(servers, server)
		go func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(tests) {
					return
				}
				verdicts[i] <- judge(ctx, o, r, server, tests[i])
			}
		}()
	}
	return verdicts, stop, nil
}

// mostLines is how much of a failed test's output is printed without --verbose.
const mostLines = 40

var uninteresting = regexp.MustCompile(`^(=== RUN|FAIL$|time=)`)

func printDetails(output string, verbose bool) {
	if output == "" {
		return
	}
	lines := strings.Split(strings.TrimRight(output, "\n"), "\n")
	if !verbose {
		lines = slices.DeleteFunc(lines, uninteresting.MatchString)
		if more := len(lines) - mostLines; more > 0 {
			lines = append(lines[:mostLines], fmt.Sprintf("… %d lines more: --verbose", more))
		}
	}
	for _, l := range lines {
		fmt.Println("    | " + l)
	}
}

// sums counts results by stage, and those of all stages under "all".
type sums map[string]map[string]int

func (s sums) add(stage, result string) {
	for _, key := range []string{stage, "all"} {
		if s[key] == nil {
			s[key] = map[string]int{}
		}
		s[key][result]++
	}
}

func (s sums) print() {
	for _, stage := range stages {
		if n := s[stage]; n != nil {
			fmt.Printf("%s: %d passed, %d failed, %d skipped\n", stage, n["pass"], n["fail"], n["skip"])
		}
	}
	n := s["all"]
	fmt.Printf("%d passed, %d failed, %d skipped\n", n["pass"], n["fail"], n["skip"])
}

// byStage sorts tests by stage, and by name within a stage.
func byStage(tests []test) {
	sort.Slice(tests, func(i, j int) bool {
		a, b := tests[i], tests[j]
		if a.stage != b.stage {
			return slices.Index(stages, a.stage) < slices.Index(stages, b.stage)
		}
		return a.name < b.name
	})
}
