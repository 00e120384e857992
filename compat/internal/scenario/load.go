package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
)

// File is one scenario file.
type File struct {
	Scenarios []*Scenario       `json:"scenarios"`
	Defs      map[string][]Step `json:"defs"`
	Note      string            `json:"note"`
}

// Load reads scenario files and directories of them, in the order given.
func Load(paths ...string) ([]*Scenario, error) {
	var all []*Scenario
	seen := map[string]string{}
	for _, p := range paths {
		files, err := scenarioFiles(p)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				return nil, err
			}
			list, err := Parse(raw, filepath.Base(f))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f, err)
			}
			for _, s := range list {
				if other, ok := seen[s.Name]; ok {
					return nil, fmt.Errorf("scenario %q is in %s and in %s", s.Name, other, f)
				}
				seen[s.Name] = f
				all = append(all, s)
			}
		}
	}
	return all, nil
}

// scenarioFiles lists the JSON files of a directory, or the file itself.
func scenarioFiles(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	files, err := filepath.Glob(filepath.Join(name, "*.json"))
	sort.Strings(files)
	return files, err
}

// Parse reads a scenario file: `{"scenarios": […]}`, a list, or one scenario.
func Parse(raw []byte, name string) ([]*Scenario, error) {
	var f File
	var probe any
	if err := json.Unmarshal(raw, &probe); err != nil {
		return nil, err
	}
	var target any = &f
	switch v := probe.(type) {
	case []any:
		target = &f.Scenarios
	case map[string]any:
		if _, ok := v["scenarios"]; !ok {
			s := &Scenario{}
			f.Scenarios = []*Scenario{s}
			target = s
		}
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(target); err != nil {
		return nil, err
	}
	for _, steps := range f.Defs {
		for i, st := range steps {
			if err := checkStep(st); err != nil {
				return nil, fmt.Errorf("defs: step %d: %w", i+1, err)
			}
		}
	}
	for _, s := range f.Scenarios {
		s.File = name
		s.Defs = f.Defs
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("scenario %q: %w", s.Name, err)
		}
	}
	return f.Scenarios, nil
}
