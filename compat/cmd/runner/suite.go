package main

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"rasynq/compat/internal/scenario"
)

// suite runs many scenarios.
type suite struct {
	ctx         context.Context
	impls       map[string]string // path of each implementation's peer
	names       []string          // those that take part
	reference   string
	bin         string
	redisPath   string
	jobs        int
	keep        bool
	strict      bool
	differences scenario.Differences

	mu     sync.Mutex
	counts [3]int
	failed []string
	// skipped runs may be why a difference is not met
	skipped []*run
}

// reference is the run whose golden dumps are right.
type reference struct {
	run  *run
	done chan struct{}
}

// run runs all and tells whether nothing failed. In a full run every known
// difference must have been met.
func (s *suite) run(list []*scenario.Scenario, full bool) bool {
	begun := time.Now()
	sort.SliceStable(list, func(i, j int) bool { return tagged(list[i], "slow") && !tagged(list[j], "slow") })
	places := make(chan struct{}, s.jobs)
	var wg sync.WaitGroup
	do := func(r *run, ref *reference, counted bool) {
		places <- struct{}{}
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() { <-places }()
			if s.ctx.Err() != nil {
				if ref != nil && ref.run == r {
					close(ref.done)
				}
				return
			}
			r.execute()
			if ref != nil && ref.run == r {
				close(ref.done)
			} else if ref != nil && r.end == passed {
				// The reference was started before, so this cannot hang.
				<-ref.done
				r.compare(ref.run)
			}
			if counted || r.end == failed {
				s.report(r)
			}
		}()
	}
	for _, scn := range list {
		as, err := scn.Assignments(s.names)
		if err != nil {
			s.note(scn.Name, err)
			continue
		}
		var ref *reference
		first := -1
		if scn.Golden() {
			all := scenario.Assignment{}
			for _, r := range scn.Roles {
				all[r] = s.reference
			}
			for r, i := range scn.Fixed {
				all[r] = i
			}
			ref = &reference{run: newRun(s, scn, all), done: make(chan struct{})}
			for i, a := range as {
				if a.String() == all.String() {
					first = i
				}
			}
			do(ref.run, ref, first >= 0)
		}
		for i, a := range as {
			if i != first {
				do(newRun(s, scn, a), ref, true)
			}
		}
	}
	wg.Wait()
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
	fmt.Printf("took %s\n", time.Since(begun).Round(time.Second))
	if len(s.failed) > 0 {
		fmt.Printf("failed:\n  %s\n", strings.Join(s.failed, "\n  "))
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", s.counts[passed], s.counts[failed], s.counts[skipped])
	return s.counts[failed] == 0
}

// hidden tells whether an entry was not met only because the runs that would
// meet it were skipped or do not take part.
func (s *suite) hidden(d *scenario.Difference) bool {
	for _, impl := range d.When {
		if !slices.Contains(s.names, impl) && impl != s.reference {
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

func (s *suite) report(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[r.end]++
	word := [...]string{"PASS", "FAIL", "SKIP"}[r.end]
	fmt.Printf("%s  %s  %.1fs\n", word, r, r.took.Seconds())
	switch r.end {
	case failed:
		s.failed = append(s.failed, r.String())
		fmt.Printf("    shows: %s\n    %s\n", r.scn.Shows, r.err)
	case skipped:
		s.skipped = append(s.skipped, r)
		fmt.Printf("    %s\n", r.err)
	}
}

// note counts a failure that is no run's.
func (s *suite) note(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[failed]++
	s.failed = append(s.failed, what+": "+err.Error())
	fmt.Printf("FAIL  %s\n    %s\n", what, err)
}

// compare judges a run's golden dumps by those of the reference.
func (r *run) compare(ref *run) {
	if ref.end != passed {
		r.end, r.err = skipped, &skip{"there is no reference: that run did not pass"}
		return
	}
	var bad []string
	for _, name := range ref.order {
		want := r.suite.differences.Golden(r.scn.Name, r.assign, name, ref.goldens[name])
		got, ok := r.goldens[name]
		if !ok {
			bad = append(bad, fmt.Sprintf("golden dump %q was not taken", name))
			continue
		}
		for _, m := range scenario.Diff(want, got) {
			bad = append(bad, fmt.Sprintf("golden dump %q: %s", name, m))
		}
	}
	if len(bad) > 0 {
		r.end = failed
		r.err = fmt.Errorf("%s", strings.Join(bad, "\n    "))
	}
}
