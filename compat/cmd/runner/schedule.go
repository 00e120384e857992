package main

import (
	"fmt"
	"strings"
	"sync"

	"rasynq/compat/internal/scenario"
)

// job is a run that is to be done.
type job struct {
	run *run
	// golden is the run whose golden dumps are right, for scenarios that take
	// such dumps.
	golden *goldenRun
	// extra is set for a golden run that is not itself one of the scenario's
	// assignments: it is reported only if it fails.
	extra bool
}

// goldenRun is the all-reference run of a scenario. done closes when it has
// finished.
type goldenRun struct {
	run  *run
	done chan struct{}
}

// plan lists the runs of all scenarios. A golden run comes before the runs that
// are compared with it.
func (s *suite) plan(list []*scenario.Scenario) []job {
	var jobs []job
	for _, scn := range list {
		assignments, err := scn.Assignments(s.impls)
		if err != nil {
			s.note(scn.Name, err)
			continue
		}
		var golden *goldenRun
		if scn.Golden() {
			golden = &goldenRun{run: newRun(s, scn, s.referenceAssignment(scn)), done: make(chan struct{})}
			jobs = append(jobs, job{run: golden.run, golden: golden, extra: true})
		}
		first := len(jobs) - 1
		for _, a := range assignments {
			if golden != nil && a.String() == golden.run.assign.String() {
				jobs[first].extra = false
				continue
			}
			jobs = append(jobs, job{run: newRun(s, scn, a), golden: golden})
		}
	}
	return jobs
}

func (s *suite) referenceAssignment(scn *scenario.Scenario) scenario.Assignment {
	a := scenario.Assignment{}
	for _, role := range scn.Roles {
		a[role] = s.reference
	}
	for role, impl := range scn.Fixed {
		a[role] = impl
	}
	return a
}

// execute does the jobs in three stages:
//
//	slow    starts first and runs beside the others, as it mostly waits
//	timed   at most s.timedJobs runs at a time
//	others  when all timed runs have finished, s.jobs runs at a time
func (s *suite) execute(jobs []job) {
	var slow, timed, others []job
	for _, j := range jobs {
		switch {
		case j.run.scn.Tagged(scenario.TagTimed):
			timed = append(timed, j)
		case j.run.scn.Tagged(scenario.TagSlow):
			slow = append(slow, j)
		default:
			others = append(others, j)
		}
	}
	var background sync.WaitGroup
	background.Add(1)
	go func() {
		defer background.Done()
		s.executeAll(slow, s.jobs)
	}()
	s.executeAll(timed, s.timedJobs)
	s.executeAll(others, s.jobs)
	background.Wait()
}

// executeAll starts the jobs in their order, so many at a time, and returns
// when all have finished.
func (s *suite) executeAll(jobs []job, atATime int) {
	slots := make(chan struct{}, atATime)
	var wg sync.WaitGroup
	for _, j := range jobs {
		slots <- struct{}{}
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() { <-slots }()
			s.executeOne(j)
		}()
	}
	wg.Wait()
}

func (s *suite) executeOne(j job) {
	isGolden := j.golden != nil && j.golden.run == j.run
	if isGolden {
		defer close(j.golden.done)
	}
	if s.ctx.Err() != nil {
		return
	}
	j.run.execute()
	if j.golden != nil && !isGolden && j.run.outcome == passed {
		// The golden run was started earlier, so this wait ends.
		<-j.golden.done
		j.run.compare(j.golden.run)
	}
	if !j.extra || j.run.outcome == failed {
		s.report(j.run)
	}
}

// compare judges a run by the golden dumps of the reference.
func (r *run) compare(golden *run) {
	if golden.outcome != passed {
		r.outcome, r.err = skipped, &skip{"the reference run did not pass: there is nothing to compare with"}
		return
	}
	var bad []string
	for _, name := range golden.dumpNames {
		want := r.suite.differences.Golden(r.scn.Name, r.assign, name, golden.dumps[name])
		got, ok := r.dumps[name]
		if !ok {
			bad = append(bad, fmt.Sprintf("golden dump %q was not taken", name))
			continue
		}
		for _, m := range scenario.Diff(want, got) {
			bad = append(bad, fmt.Sprintf("golden dump %q: %s", name, m))
		}
	}
	if len(bad) > 0 {
		r.outcome = failed
		r.err = fmt.Errorf("%s", strings.Join(bad, "\n    "))
	}
}
