package main

import (
	"sort"

	"rasynq/compat/internal/scenario"
)

// matchKeyspace matches a dump with what a step expects of its keys. A name with `*`
// stands for the one key that fits it. With only, there may be no other keys.
func matchKeyspace(want map[string]any, got map[string]any, only bool) []scenario.Mismatch {
	var out []scenario.Mismatch
	named := map[string]bool{}
	m := scenario.Matcher{}
	for pattern, w := range want {
		var hits []string
		for key := range got {
			if key == pattern || scenario.Glob(pattern, key) {
				hits = append(hits, key)
				named[key] = true
			}
		}
		sort.Strings(hits)
		var value any = scenario.Absent{}
		switch {
		case len(hits) == 1:
			value = got[hits[0]]
		case len(hits) > 1:
			out = append(out, scenario.Mismatch{Path: pattern, Want: "one key", Got: hits})
			continue
		}
		for _, bad := range m.Match(w, value) {
			bad.Path = pattern + bad.Path
			out = append(out, bad)
		}
	}
	if only {
		for key, v := range got {
			if !named[key] {
				out = append(out, scenario.Mismatch{Path: key, Want: scenario.Absent{}, Got: v})
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out
}
