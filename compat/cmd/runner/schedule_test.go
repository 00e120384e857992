package main

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"rasynq/compat/internal/scenario"
)

func planOf(t *testing.T, text string) []string {
	t.Helper()
	list, err := scenario.Parse([]byte(text), "test.json")
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{options: &options{impls: []string{"go", "rust"}, reference: "go"}}
	var out []string
	for _, j := range s.plan(list) {
		out = append(out, fmt.Sprintf("%s compared=%t extra=%t", j.run, j.golden != nil && j.golden.run != j.run, j.extra))
	}
	return out
}

func TestGoldenRunComesFirst(t *testing.T) {
	got := planOf(t, `{"name":"g","shows":"x","roles":["w"],"steps":[{"golden":"d"}]}`)
	want := []string{"g  w=go compared=false extra=false", "g  w=rust compared=true extra=false"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestGoldenRunOutsideTheAssignmentsIsExtra(t *testing.T) {
	got := planOf(t, `{"name":"g","shows":"x","roles":["w"],"assign":[{"w":"rust"}],"steps":[{"golden":"d"}]}`)
	want := []string{"g  w=go compared=false extra=true", "g  w=rust compared=true extra=false"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOnlyOurScenariosRunManyAtATime(t *testing.T) {
	ours, err := parseOptions(nil)
	if err != nil {
		t.Fatal(err)
	}
	if ours.jobs != jobsPerCPU*runtime.NumCPU() || filepath.Base(ours.differences) != "differences.json" {
		t.Errorf("our own: %d jobs, differences %q", ours.jobs, ours.differences)
	}
	others, err := parseOptions([]string{"--scenarios", "elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	if others.jobs != 2 || others.differences != "" {
		t.Errorf("others: %d jobs, differences %q", others.jobs, others.differences)
	}
	given, err := parseOptions([]string{"--jobs", "1", "--timed-jobs", "5", "--differences", "none"})
	if err != nil {
		t.Fatal(err)
	}
	if given.jobs != 1 || given.timedJobs != 1 || given.differences != "" {
		t.Errorf("given: %d jobs, %d timed, differences %q", given.jobs, given.timedJobs, given.differences)
	}
}
