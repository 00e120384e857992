// Command runner runs the scenarios of the compatibility suite for every
// assignment of their roles to implementations.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"rasynq/compat/internal/scenario"
)

// many is a flag that may be given again and again.
type many []string

func (m *many) String() string     { return strings.Join(*m, ",") }
func (m *many) Set(s string) error { *m = append(*m, s); return nil }

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "runner:", err)
		os.Exit(1)
	}
}

func start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	bin := filepath.Dir(self)
	home := filepath.Dir(bin)
	var (
		impls, files, only many
		names              = flag.String("impls", "go,rust", "the implementations that take part")
		reference          = flag.String("reference", "go", "the implementation whose golden dumps are right")
		jobs               = flag.Int("jobs", 2, "how many runs at a time")
		redisPath          = flag.String("redis-server", "redis-server", "the Redis or Valkey server to run on")
		differences        = flag.String("differences", "", "known deviations, or none (default: differences.json beside bin, for our own scenarios)")
		list               = flag.Bool("list", false, "list the scenarios and their assignments")
		keep               = flag.Bool("keep", false, "keep the directories of failed runs")
		strict             = flag.Bool("strict", os.Getenv("CI") != "", "a missing peer is a failure")
		noSlow             = flag.Bool("no-slow", false, "leave out what is tagged slow")
	)
	flag.Var(&impls, "impl", "NAME=PATH: the peer of an implementation (repeatable)")
	flag.Var(&files, "scenarios", "a scenario file or a directory of them (repeatable; default: scenarios beside bin)")
	flag.Var(&only, "only", "run only scenarios of this name, which may hold * (repeatable)")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("what is %q?", flag.Arg(0))
	}
	s := &suite{
		impls:     map[string]string{"go": filepath.Join(bin, "go-peer"), "rust": filepath.Join(bin, "rust-peer")},
		names:     strings.Split(*names, ","),
		reference: *reference, bin: bin, jobs: max(1, *jobs), keep: *keep, strict: *strict,
	}
	for _, i := range impls {
		name, path, ok := strings.Cut(i, "=")
		if !ok {
			return fmt.Errorf("--impl wants NAME=PATH, not %q", i)
		}
		if s.impls[name], err = filepath.Abs(path); err != nil {
			return err
		}
	}
	ours := len(files) == 0
	if ours {
		files = many{filepath.Join(home, "scenarios")}
	}
	all, err := scenario.Load(files...)
	if err != nil {
		return err
	}
	var chosen []*scenario.Scenario
	for _, scn := range all {
		if picked(only, scn.Name) && !(*noSlow && tagged(scn, "slow")) {
			chosen = append(chosen, scn)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no scenario fits")
	}
	if *list {
		return printList(chosen, s.names)
	}
	if *differences == "" && ours {
		*differences = filepath.Join(home, "differences.json")
	}
	if *differences != "" && *differences != "none" {
		if s.differences, err = scenario.LoadDifferences(*differences); err != nil {
			return err
		}
	}
	if s.redisPath, err = exec.LookPath(*redisPath); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s.ctx = ctx
	if !s.run(chosen, len(chosen) == len(all)) {
		os.Exit(1)
	}
	return nil
}

func picked(only []string, name string) bool {
	if len(only) == 0 {
		return true
	}
	for _, o := range only {
		if scenario.Glob(o, name) {
			return true
		}
	}
	return false
}

func tagged(s *scenario.Scenario, tag string) bool {
	for _, t := range s.Tags {
		if t == tag {
			return true
		}
	}
	return false
}

func printList(list []*scenario.Scenario, impls []string) error {
	runs := 0
	for _, s := range list {
		as, err := s.Assignments(impls)
		if err != nil {
			return err
		}
		runs += len(as)
		roles := append([]string{}, s.Roles...)
		for r, i := range s.Fixed {
			roles = append(roles, r+"="+i)
		}
		sort.Strings(roles)
		fmt.Printf("%s  [%s]  %d runs\n    %s\n", s.Name, strings.Join(roles, " "), len(as), s.Shows)
	}
	fmt.Printf("%d scenarios, %d runs\n", len(list), runs)
	return nil
}

// fullText prints a value as JSON, however long.
func fullText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
