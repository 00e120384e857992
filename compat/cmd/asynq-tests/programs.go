package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// asynq is the module whose tests are run. go.mod names its version.
const asynq = "github.com/hibiken/asynq"

// stages are the groups of tests, in the order in which they run.
var stages = []string{"client", "inspector", "server", "rdb", "rdbinspect"}

// stageOf returns the stage of the tests in a file.
func stageOf(file string) string {
	switch file {
	case "client_test.go":
		return "client"
	case "inspector_test.go":
		return "inspector"
	case "rdb_test.go":
		return "rdb"
	case "inspect_test.go":
		return "rdbinspect"
	}
	return "server"
}

// programs are the test programs: the package of asynq that each tests, and which
// shim is laid over which package.
var programs = []struct {
	name, tested string
	shims        map[string]string
}{
	{"asynq", ".", map[string]string{"asynq": ".", "judge": "internal/judge"}},
	{"rdb", "internal/rdb", map[string]string{"rdb": "internal/rdb", "judge": "internal/judge"}},
}

// test is one test function of asynq.
type test struct {
	name    string
	stage   string
	program string // path of the test program
	folder  string // of the tested package, where the program runs
}

var testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(\w+ \*testing\.T\)`)

// buildTests builds the test programs in `work`, and returns the tests of the
// chosen stages. The test files are those of asynq, unchanged.
func buildTests(ctx context.Context, o *options, work string) ([]test, error) {
	copied := filepath.Join(work, "asynq")
	if err := copyModule(ctx, o, copied); err != nil {
		return nil, err
	}
	var all []test
	for _, p := range programs {
		folder := filepath.Join(copied, p.tested)
		tests, err := testsIn(folder)
		if err != nil {
			return nil, err
		}
		tests = slices.DeleteFunc(tests, func(t test) bool { return !slices.Contains(o.stages, t.stage) })
		if len(tests) == 0 {
			continue
		}
		args := []string{"test", "-c", "-trimpath", "-vet=off"}
		if !o.baseline {
			overlay, err := makeOverlay(copied, filepath.Join(work, p.name+".overlay"), filepath.Join(o.folder, "shim"), p.shims)
			if err != nil {
				return nil, err
			}
			args = append(args, "-overlay", overlay)
		}
		program := filepath.Join(work, p.name+".test")
		if _, err := output(ctx, folder, "go", append(args, "-o", program, ".")...); err != nil {
			return nil, err
		}
		for i := range tests {
			tests[i].program, tests[i].folder = program, folder
		}
		all = append(all, tests...)
	}
	byStage(all)
	return all, nil
}

// copyModule copies asynq's module from the module cache, where Go allows no overlays.
func copyModule(ctx context.Context, o *options, to string) error {
	listed, err := output(ctx, o.folder, "go", "mod", "download", "-json", asynq)
	if err != nil {
		return err
	}
	var module struct{ Dir, Error string }
	if err := json.Unmarshal(listed, &module); err != nil {
		return fmt.Errorf("go mod download: %w", err)
	}
	if module.Dir == "" {
		return fmt.Errorf("there is no %s: %s", asynq, module.Error)
	}
	return os.CopyFS(to, os.DirFS(module.Dir))
}

// testsIn returns the test functions of a package that are compiled here.
func testsIn(folder string) ([]test, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		return nil, err
	}
	var tests []test
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, found := range testFunction.FindAllSubmatch(text, -1) {
			tests = append(tests, test{name: string(found[1]), stage: stageOf(filepath.Base(file))})
		}
	}
	return tests, nil
}

// output runs a command and returns its standard output.
func output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out, errors.String())
	}
	return out, nil
}
