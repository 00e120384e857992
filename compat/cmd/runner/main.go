// Command runner runs the scenarios of the compatibility suite for every
// assignment of their roles to implementations.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sort"
	"strings"
	"syscall"

	"rasynq/compat/internal/scenario"
)

func main() {
	passed, err := runSuite()
	if err != nil {
		fmt.Fprintln(os.Stderr, "runner:", err)
	}
	if err != nil || !passed {
		os.Exit(1)
	}
}

// runSuite does what the command line asks for and reports whether all runs passed.
func runSuite() (bool, error) {
	o, err := parseOptions(os.Args[1:])
	if err != nil {
		return false, err
	}
	all, err := scenario.Load(o.scenarios...)
	if err != nil {
		return false, err
	}
	var chosen []*scenario.Scenario
	for _, scn := range all {
		if o.chooses(scn) {
			chosen = append(chosen, scn)
		}
	}
	if len(chosen) == 0 {
		return false, fmt.Errorf("no scenario has such a name")
	}
	if o.list {
		return true, printList(chosen, o.impls)
	}
	s := &suite{options: o}
	if o.differences != "" {
		if s.differences, err = scenario.LoadDifferences(o.differences); err != nil {
			return false, err
		}
	}
	if s.redisServer, err = exec.LookPath(o.redisServer); err != nil {
		return false, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s.ctx = ctx
	return s.run(chosen, len(o.only) == 0 && !o.noSlow), nil
}

func printList(list []*scenario.Scenario, impls []string) error {
	runs := 0
	for _, s := range list {
		assignments, err := s.Assignments(impls)
		if err != nil {
			return err
		}
		runs += len(assignments)
		roles := append([]string{}, s.Roles...)
		for role, impl := range s.Fixed {
			roles = append(roles, role+"="+impl)
		}
		sort.Strings(roles)
		fmt.Printf("%s  [%s]  %d runs\n    %s\n", s.Name, strings.Join(roles, " "), len(assignments), s.Shows)
	}
	fmt.Printf("%d scenarios, %d runs\n", len(list), runs)
	return nil
}

// fullText prints a value as JSON, without a limit of length.
func fullText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
