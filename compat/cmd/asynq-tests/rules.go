package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// rules is what the files tests.json and expected.json say.
type rules struct {
	// Env has, by test, what its shim must know before the test begins.
	Env map[string]map[string]string
	// Skip has, by test, why it cannot be judged.
	Skip map[string]string
	// Logs are patterns of lines that a test logs, and that look like complaints.
	Logs []pattern
	// expected has, by test, how our peer differs, and why that is right.
	expected map[string]*difference
}

// difference says how one kind of peer differs from what a test of asynq expects.
type difference struct {
	Peer       string
	Kind       string
	Reason     string
	Complaints []complaint
}

// complaint describes a complaint of a test that is expected.
type complaint struct {
	Like   pattern
	Unlike []pattern
}

func (c complaint) matches(text string) bool {
	for _, p := range c.Unlike {
		if p.MatchString(text) {
			return false
		}
	}
	return c.Like.MatchString(text)
}

// covers reports whether every complaint of a test is expected.
func (d *difference) covers(complaints []string) bool {
	for _, text := range complaints {
		covered := false
		for _, c := range d.Complaints {
			covered = covered || c.matches(text)
		}
		if !covered {
			return false
		}
	}
	return len(complaints) > 0
}

// pattern is a regular expression in a JSON file. Its dot matches a line break.
type pattern struct{ *regexp.Regexp }

func (p *pattern) UnmarshalText(text []byte) (err error) {
	p.Regexp, err = regexp.Compile("(?s)" + string(text))
	return err
}

// loadRules reads the rules. Only the expected differences of this kind of peer are kept.
func loadRules(ctx context.Context, o *options) (*rules, error) {
	r := &rules{}
	if err := readJSON(filepath.Join(o.folder, "tests.json"), r); err != nil {
		return nil, err
	}
	if o.baseline {
		r.Skip = nil
		return r, nil
	}
	if err := readJSON(filepath.Join(o.folder, "expected.json"), &r.expected); err != nil {
		return nil, err
	}
	impl, err := implementation(ctx, o.peer)
	if err != nil {
		return nil, err
	}
	for name, d := range r.expected {
		if d.Peer != impl {
			delete(r.expected, name)
		}
	}
	return r, nil
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// implementation asks a peer for the name of its implementation.
func implementation(ctx context.Context, peer string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, peer, "--redis", "redis://127.0.0.1:1/0")
	cmd.Stdin = strings.NewReader("{\"id\": 1, \"op\": \"hello\"}\n")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", peer, err)
	}
	for line := range bytes.Lines(out) {
		var hello struct {
			OK *struct{ Impl string }
		}
		if json.Unmarshal(line, &hello) == nil && hello.OK != nil {
			return hello.OK.Impl, nil
		}
	}
	return "", fmt.Errorf("%s: no answer to hello", peer)
}
