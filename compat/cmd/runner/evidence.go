package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"rasynq/compat/internal/scenario"
)

// evidence is what the peers of a failed run logged and reported last.
func (r *run) evidence() string {
	var b strings.Builder
	roles := make([]string, 0, len(r.assign))
	for role := range r.assign {
		roles = append(roles, role)
	}
	sort.Strings(roles)
	for _, role := range roles {
		if t := tail(r.stderrName(role), 15); t != "" {
			fmt.Fprintf(&b, "\n    stderr of %s (%s):\n%s", role, r.assign[role], t)
		}
		if l := r.logs[role]; l != nil {
			l.visit(func(events []*event) { writeLastEvents(&b, role, events) })
		}
	}
	if r.monitor != nil {
		if t := tail(filepath.Join(r.dir, "asynqmon.log"), 8); t != "" {
			fmt.Fprintf(&b, "\n    asynqmon:\n%s", t)
		}
	}
	if r.redis == nil {
		if t := tail(filepath.Join(r.dir, "redis.log"), 8); t != "" {
			fmt.Fprintf(&b, "\n    redis:\n%s", t)
		}
	}
	return b.String()
}

func writeLastEvents(b *strings.Builder, role string, events []*event) {
	if len(events) == 0 {
		return
	}
	fmt.Fprintf(b, "\n    last events of %s (%d in all):", role, len(events))
	for _, e := range events[max(0, len(events)-6):] {
		used := " "
		if e.used.Load() {
			used = "✓"
		}
		fmt.Fprintf(b, "\n      %s %s", used, cut(scenario.Text(e.body), 300))
	}
}

func (r *run) stderrName(role string) string { return filepath.Join(r.dir, role+".stderr") }

// tail is the last lines of a file, indented; empty if there is no such file.
func tail(name string, lines int) string {
	raw, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	all := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	var b strings.Builder
	for _, l := range all[max(0, len(all)-lines):] {
		if len(l) > 0 {
			fmt.Fprintf(&b, "      %s\n", cut(string(l), 300))
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
