package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"rasynq/compat/internal/scenario"
)

// suite runs many scenarios and counts their outcomes.
type suite struct {
	*options
	ctx         context.Context
	differences scenario.Differences

	mu     sync.Mutex
	counts [3]int
	failed []string
	// skipped runs explain why a difference was not met.
	skipped []*run
}

// run runs all scenarios and reports whether nothing failed. In a full run
// every known difference must have been met.
func (s *suite) run(list []*scenario.Scenario, full bool) bool {
	begun := time.Now()
	s.execute(s.plan(list))
	if s.ctx.Err() != nil {
		s.note("the suite", fmt.Errorf("interrupted"))
	}
	if full {
		for _, d := range s.differences.Unused() {
			if !s.hidden(d) {
				s.note("differences.json", fmt.Errorf("this entry matches nothing: %s", d))
			}
		}
	}
	fmt.Printf("took %s with %d jobs\n", time.Since(begun).Round(time.Second), s.jobs)
	if len(s.failed) > 0 {
		fmt.Printf("failed:\n  %s\n", strings.Join(s.failed, "\n  "))
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", s.counts[passed], s.counts[failed], s.counts[skipped])
	return s.counts[failed] == 0
}

// hidden reports whether a difference was not met only because the runs that
// would meet it were skipped or do not take part.
func (s *suite) hidden(d *scenario.Difference) bool {
	for _, impl := range d.When {
		if !slices.Contains(s.impls, impl) && impl != s.reference {
			return true
		}
	}
	for _, r := range s.skipped {
		if scenario.Glob(d.Scenario, r.scn.Name) && d.Concerns(r.assign) {
			return true
		}
	}
	return false
}

// report counts a finished run and prints its outcome.
func (s *suite) report(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[r.outcome]++
	fmt.Printf("%s  %s  %.1fs\n", r.outcome, r, r.took.Seconds())
	switch r.outcome {
	case failed:
		s.failed = append(s.failed, r.String())
		fmt.Printf("    shows: %s\n    %s\n", r.scn.Shows, r.err)
	case skipped:
		s.skipped = append(s.skipped, r)
		fmt.Printf("    %s\n", r.err)
	}
}

// print prints a line between the outcomes.
func (s *suite) print(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Println(line)
}

// note counts a failure that belongs to no run.
func (s *suite) note(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[failed]++
	s.failed = append(s.failed, what+": "+err.Error())
	fmt.Printf("FAIL  %s\n    %s\n", what, err)
}
