package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// testTimeout is how long one test may take.
const testTimeout = 150 * time.Second

// Exit codes with which a shim ends a test. They are those of shim/judge.
const (
	exitUnsupported  = 75 // the peer has answered `unsupported`
	exitNotForwarded = 76 // the interface has no word for what the test asks
)

// verdict is what came out of a test.
type verdict struct {
	result  string // pass, fail or skip
	why     string
	details string // the output of a failed test
}

// outcome is how a test process has ended.
type outcome struct {
	exit   int
	output string
	asked  int // requests to the peer
	took   time.Duration
}

var (
	gaveUp      = regexp.MustCompile(`GIVE-UP \d+ (.*)`)
	skipsItself = regexp.MustCompile(`(?m)^--- SKIP`)
)

// judge runs one test and judges it.
func judge(ctx context.Context, o *options, r *rules, server *redisServer, t test) verdict {
	if why, ok := r.Skip[t.name]; ok {
		return verdict{"skip", why, ""}
	}
	out, err := runTest(ctx, o, r, server, t)
	if err != nil {
		return verdict{"fail", err.Error(), ""}
	}
	if o.baseline {
		if out.exit == 0 {
			return verdict{"pass", fmt.Sprintf("%.1f s", out.took.Seconds()), ""}
		}
		return verdict{"fail", fmt.Sprintf("exit code %d", out.exit), out.output}
	}
	complaints := complaintsIn(out.output, r.Logs)
	if gaveUpText := gaveUp.FindStringSubmatch(out.output); gaveUpText != nil && len(complaints) == 0 {
		switch out.exit {
		case exitUnsupported:
			return verdict{"skip", "unsupported: " + gaveUpText[1], ""}
		case exitNotForwarded:
			return verdict{"skip", "not forwarded: " + gaveUpText[1], ""}
		}
	}
	numbers := fmt.Sprintf("%d requests, %.1f s", out.asked, out.took.Seconds())
	difference := r.expected[t.name]
	switch {
	case out.exit != 0 && difference != nil && difference.covers(complaints):
		return verdict{"skip", difference.Kind + ": " + difference.Reason, ""}
	case out.exit != 0:
		return verdict{"fail", fmt.Sprintf("exit code %d, %s", out.exit, numbers), out.output}
	case out.asked == 0:
		return verdict{"skip", "asks no peer: it tests Go's own functions", ""}
	case skipsItself.MatchString(out.output):
		return verdict{"skip", "skipped by asynq itself", ""}
	case difference != nil:
		return verdict{"fail", "passes, but expected.json says that it differs: remove the entry", ""}
	}
	return verdict{"pass", numbers, ""}
}

// runTest runs one test in a process of its own, on an empty Redis.
func runTest(ctx context.Context, o *options, r *rules, server *redisServer, t test) (*outcome, error) {
	// Not every test begins with an empty Redis.
	if err := server.client.FlushAll(ctx).Err(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(t.program), "test.")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	notes := filepath.Join(dir, "notes")
	ctx, cancel := context.WithTimeout(ctx, testTimeout+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.program, "-test.run", "^"+t.name+"$", "-test.v",
		"-test.timeout", testTimeout.String(), "-redis_addr", server.addr, "-redis_db", "14")
	cmd.Dir = t.folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(os.Environ(),
		"RASYNQ_PEER="+o.peer, "RASYNQ_NOTES="+notes, "RASYNQ_REDIS=redis://"+server.addr+"/14")
	for name, value := range r.Env[t.name] {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	start := time.Now()
	output, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	asked, err := os.ReadFile(notes)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return &outcome{
		exit:   cmd.ProcessState.ExitCode(),
		output: string(output),
		asked:  strings.Count(string(asked), "\n"),
		took:   time.Since(start),
	}, nil
}

var (
	complaintStart = regexp.MustCompile(`^\s+\w+\.go:\d+: `)
	failureLine    = regexp.MustCompile(`^panic: |timed out|found unexpected goroutines|GIVE-UP 1 `)
)

// complaintsIn returns what a test says against the peer: the texts of t.Error
// and the like, each with all its lines. Texts of t.Log look the same; `logs` are
// patterns of those.
func complaintsIn(output string, logs []pattern) []string {
	var found []string
	for line := range strings.SplitSeq(output, "\n") {
		switch {
		case complaintStart.MatchString(line):
			found = append(found, strings.TrimSpace(line))
		case len(found) > 0 && strings.HasPrefix(line, "        "):
			found[len(found)-1] += "\n" + line
		case failureLine.MatchString(line):
			found = append(found, line)
		}
	}
	var complaints []string
	for _, text := range found {
		isLog := false
		for _, p := range logs {
			isLog = isLog || p.MatchString(text)
		}
		if !isLog {
			complaints = append(complaints, text)
		}
	}
	return complaints
}
