package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAssignments(t *testing.T) {
	cases := []struct {
		text string
		want int
	}{
		{`{"name":"a","shows":"x","roles":["w","r"],"steps":[{"spawn":"w"}]}`, 4},
		{`{"name":"a","shows":"x","roles":["w","r"],"assign":"mixed","steps":[{"spawn":"w"}]}`, 2},
		{`{"name":"a","shows":"x","roles":["w"],"fixed":{"i":"go"},"steps":[{"spawn":"w"}]}`, 2},
		{`{"name":"a","shows":"x","fixed":{"i":"go"},"steps":[{"spawn":"i"}]}`, 1},
		{`{"name":"a","shows":"x","roles":["w"],"assign":[{"w":"rust"}],"steps":[{"spawn":"w"}]}`, 1},
	}
	for _, c := range cases {
		list, err := Parse([]byte(c.text), "f")
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		as, err := list[0].Assignments([]string{"go", "rust"})
		if err != nil || len(as) != c.want {
			t.Errorf("%s: %v, %v", c.text, as, err)
		}
	}
}

func TestBadFilesAreRefused(t *testing.T) {
	for _, text := range []string{
		`{"name":"A B","shows":"x","roles":["w"],"steps":[{"spawn":"w"}]}`,
		`{"name":"a","roles":["w"],"steps":[{"spawn":"w"}]}`,
		`{"name":"a","shows":"x","steps":[{"spawn":"w"}]}`,
		`{"name":"a","shows":"x","roles":["w"],"steps":[]}`,
		`{"name":"a","shows":"x","roles":["w"],"steps":[{"nonsense":1}]}`,
		`{"name":"a","shows":"x","roles":["w"],"steps":[{"op":"hello","role":"w","expct":1}]}`,
		`{"name":"a","shows":"x","roles":["w"],"steps":[{"op":"hello","role":"w","expect":{"$bad":1}}]}`,
		`{"name":"a","shows":"x","roles":["w"],"steps":[{"poll":{"keyspace":{"k":{"$bad":1}}}}]}`,
		`{"name":"a","shows":"x","roles":["w"],"steps":[{"repeat":2,"steps":[{"spwn":"w"}]}]}`,
		`{"name":"a","shows":"x","roles":["w"],"steps":[{"parallel":[[{"spwn":"w"}]]}]}`,
		`{"name":"a","shows":"x","roles":["w"],"unknown":1,"steps":[{"spawn":"w"}]}`,
		`{"name":"a","shows":"x","roles":["w"],"assign":[{"x":"go"}],"steps":[{"spawn":"w"}]}`,
		`{"name":"a","shows":"x","roles":["w"],"assign":"some","steps":[{"spawn":"w"}]}`,
		`{"name":"a","shows":"x","roles":["w"],"fixed":{"w":"go"},"steps":[{"spawn":"w"}]}`,
	} {
		if _, err := Parse([]byte(text), "f"); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
}

func TestOurScenariosLoad(t *testing.T) {
	all, err := Load(filepath.Join("..", "..", "scenarios"))
	if err != nil {
		t.Fatal(err)
	}
	ds, err := LoadDifferences(filepath.Join("..", "..", "differences.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range ds {
		found := false
		for _, s := range all {
			found = found || Glob(d.Scenario, s.Name)
		}
		if !found {
			t.Errorf("no scenario fits %s", d)
		}
	}
}

func TestExpand(t *testing.T) {
	s := NewScope(nil)
	s.Set("id", "a")
	s.Set("n", 5.0)
	s.Set("obj", map[string]any{"x": 1.0})
	inner := NewScope(s)
	inner.Set("i", 2.0)
	got, err := inner.Expand(parse(t, `{"k:${id}":"$n","sum":"$n+2.5","text":"${id}-${i}-${n+1}","obj":"$obj","esc":"$$n","plain":"a$b"}`))
	if err != nil {
		t.Fatal(err)
	}
	if Text(got) != `{"esc":"$n","k:a":5,"obj":{"x":1},"plain":"a$b","sum":7.5,"text":"a-2-6"}` {
		t.Error(Text(got))
	}
	if _, err := s.Expand("$nobody"); err == nil {
		t.Error("an unknown variable was accepted")
	}
	now, _ := s.Expand("$now+60")
	if f, ok := now.(float64); !ok || f < float64(time.Now().Unix()+58) {
		t.Errorf("%v", now)
	}
	inner.Save("fresh", "v")
	if v, ok := s.Get("fresh"); !ok || v != "v" {
		t.Error("a variable saved in an inner scope is not seen outside")
	}
}

func TestPick(t *testing.T) {
	v := parse(t, `[{"ok":{"id":"x"}}]`)
	if got, err := Pick(v, "/0/ok/id"); err != nil || got != "x" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Pick(v, "/1"); err == nil {
		t.Error("a path that does not exist was found")
	}
}

func TestDifferences(t *testing.T) {
	name := filepath.Join(t.TempDir(), "d.json")
	write := func(text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`[
		{"scenario":"a-*","step":"s","when":{"w":"go"},"instead":{"expect_err":"duplicate"},"reason":"r","row":"1"},
		{"scenario":"a-*","step":"g","when":{"*":"rust"},"path":["k","hash","f"],"value":"v","reason":"r","row":"1"},
		{"scenario":"never","step":"s","when":{"w":"go"},"instead":{"expect":1},"reason":"r","row":"1"}
	]`)
	ds, err := LoadDifferences(name)
	if err != nil {
		t.Fatal(err)
	}
	st := Step{"op": "x", "label": "s", "expect": 1.0}
	if got := ds.Step("a-b", Assignment{"w": "rust"}, st); got["expect"] != 1.0 {
		t.Errorf("%v", got)
	}
	got := ds.Step("a-b", Assignment{"w": "go"}, st)
	if _, ok := got["expect"]; ok || got["expect_err"] != "duplicate" || st["expect"] != 1.0 {
		t.Errorf("%v from %v", got, st)
	}
	want := parse(t, `{"k":{"hash":{}}}`)
	if g := ds.Golden("a-b", Assignment{"w": "go", "r": "rust"}, "g", want); Text(g) != `{"k":{"hash":{"f":"v"}}}` {
		t.Error(Text(g))
	}
	if Text(want) != `{"k":{"hash":{}}}` {
		t.Error("the reference itself was changed")
	}
	if u := ds.Unused(); len(u) != 1 || u[0].Scenario != "never" {
		t.Errorf("%v", u)
	}
	for _, text := range []string{
		`[{"scenario":"a","step":"s","when":{"w":"go"},"instead":{"expect":1},"row":"1"}]`,
		`[{"scenario":"a","step":"s","when":{},"instead":{"expect":1},"reason":"r","row":"1"}]`,
		`[{"scenario":"a","step":"s","when":{"w":"go"},"reason":"r","row":"1"}]`,
		`[{"scenario":"a","step":"s","when":{"w":"go"},"instead":{"op":"x"},"reason":"r","row":"1"}]`,
		`[{"scenario":"a","step":"s","when":{"w":"go"},"instead":{"expect":{"$x":1}},"reason":"r","row":"1"}]`,
	} {
		write(text)
		if _, err := LoadDifferences(name); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"asynq:servers:{*}", "asynq:servers:{h:1:x}", true},
		{"asynq:{q}:t:*", "asynq:{q}:t:a/b", true},
		{"asynq:{q}:t:a/*", "asynq:{q}:t:a/b", true},
		{"asynq:{q}", "asynq:{q}:t", false},
		{"a[b*", "a[bc", true},
	} {
		if got := Glob(c.pattern, c.name); got != c.want {
			t.Errorf("%s with %s: %v", c.pattern, c.name, got)
		}
	}
	if !strings.Contains((&Difference{Scenario: "s"}).String(), "s") {
		t.Error("the text of a difference does not name its scenario")
	}
}
