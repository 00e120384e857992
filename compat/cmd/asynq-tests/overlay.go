package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// overlayMaker collects the files that `go test -overlay` puts in the place of others.
type overlayMaker struct {
	out     string            // the folder of the files that are made
	replace map[string]string // by path in asynq's module
}

// makeOverlay makes shims a part of asynq's packages, and returns the path of the
// overlay file. `shims` has, by the name of the shim's folder, the package.
//
// A function of a shim stands for a function of asynq by its name:
//
//	peer_Client_Enqueue(c *Client, …)   stands for   func (c *Client) Enqueue(…)
//	peer_fn_MaxRetry(n int)             stands for   func MaxRetry(n int)
//
// The body of asynq's function becomes a call of the shim's. What the function was
// is appended to its file under the name orig_Enqueue. All other lines stay.
func makeOverlay(module, out, shimFolder string, shims map[string]string) (string, error) {
	m := &overlayMaker{out: out, replace: map[string]string{}}
	if err := os.Mkdir(out, 0o755); err != nil {
		return "", err
	}
	for shim, tested := range shims {
		if err := m.layOver(filepath.Join(module, tested), filepath.Join(shimFolder, shim)); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": m.replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(out, "overlay.json")
	return path, os.WriteFile(path, text, 0o644)
}

// layOver makes one shim a part of the package in `dir`, which may be new.
func (m *overlayMaker) layOver(dir, shim string) error {
	wanted, err := m.addShim(dir, shim)
	if err != nil {
		return err
	}
	files, err := sources(dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := m.forward(file, wanted); err != nil {
			return err
		}
	}
	for name, found := range wanted {
		if !found {
			return fmt.Errorf("asynq has no function %s, for which %s stands", name, shim)
		}
	}
	return nil
}

// addShim adds the files of a shim to the package in `dir`. It returns the functions
// that the shim stands for, as "Client.Enqueue" or ".MaxRetry". None is found yet.
func (m *overlayMaker) addShim(dir, shim string) (map[string]bool, error) {
	wanted := map[string]bool{}
	files, err := sources(shim)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		m.replace[filepath.Join(dir, "zz_peer_"+filepath.Base(file))] = file
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		functions, err := functionsIn(file, text)
		if err != nil {
			return nil, err
		}
		for _, f := range functions {
			parts := strings.SplitN(f.Name.Name, "_", 3)
			if len(parts) == 3 && parts[0] == "peer" {
				wanted[strings.TrimPrefix(parts[1], "fn")+"."+parts[2]] = false
			}
		}
	}
	return wanted, nil
}

// forward makes the wanted functions of a file call those of the shim.
func (m *overlayMaker) forward(file string, wanted map[string]bool) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	functions, err := functionsIn(file, text)
	if err != nil {
		return err
	}
	var cuts []cut
	var originals strings.Builder
	for _, f := range functions {
		receiver, args := receiverOf(f)
		name := receiver + "." + f.Name.Name
		if _, ok := wanted[name]; !ok {
			continue
		}
		wanted[name] = true
		cuts = append(cuts, cut{int(f.Body.Lbrace), int(f.Body.Rbrace) - 1, " " + shimCall(receiver, f, args) + " "})
		fmt.Fprintf(&originals, "\n%sorig_%s\n", text[f.Pos()-1:f.Name.Pos()-1], text[f.Name.Pos()-1:f.End()-1])
	}
	if len(cuts) == 0 {
		return nil
	}
	made := filepath.Join(m.out, filepath.Base(file))
	m.replace[file] = made
	return os.WriteFile(made, append(splice(text, cuts), originals.String()...), 0o644)
}

// receiverOf returns the type of a function's receiver and, for the shim's call, its
// name. A function without a receiver has neither.
func receiverOf(f *ast.FuncDecl) (string, []string) {
	if f.Recv == nil {
		return "", nil
	}
	receiver := f.Recv.List[0]
	of := receiver.Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	name, ok := of.(*ast.Ident)
	if !ok || len(receiver.Names) == 0 {
		return "?", nil
	}
	return name.Name, []string{receiver.Names[0].Name}
}

// shimCall returns the call of the shim's function for f.
func shimCall(receiver string, f *ast.FuncDecl, args []string) string {
	for _, p := range f.Type.Params.List {
		spread := ""
		if _, ok := p.Type.(*ast.Ellipsis); ok {
			spread = "..."
		}
		for _, n := range p.Names {
			args = append(args, n.Name+spread)
		}
	}
	if receiver == "" {
		receiver = "fn"
	}
	call := fmt.Sprintf("peer_%s_%s(%s)", receiver, f.Name.Name, strings.Join(args, ", "))
	if f.Type.Results != nil {
		call = "return " + call
	}
	return call
}

// cut replaces text[from:to], as offsets.
type cut struct {
	from, to int
	text     string
}

func splice(text []byte, cuts []cut) []byte {
	sort.Slice(cuts, func(i, j int) bool { return cuts[i].from > cuts[j].from })
	s := string(text)
	for _, c := range cuts {
		s = s[:c.from] + c.text + s[c.to:]
	}
	return []byte(s)
}

// sources returns the Go files of a package, without its tests.
func sources(dir string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(dir, "*.go"))
	var files []string
	for _, f := range all {
		if !strings.HasSuffix(f, "_test.go") {
			files = append(files, f)
		}
	}
	return files, err
}

// functionsIn returns the functions of a file that have a body. Their positions are
// offsets into the text, plus one.
func functionsIn(name string, text []byte) ([]*ast.FuncDecl, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var functions []*ast.FuncDecl
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
			functions = append(functions, f)
		}
	}
	return functions, nil
}
