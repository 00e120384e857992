package main

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestComplaintsAreWholeTextsWithoutLogs(t *testing.T) {
	output := "=== RUN   TestX\n" +
		"    x_test.go:7: first:\n        a detail\n" +
		"    x_test.go:8: data == 5\n" +
		"--- FAIL: TestX (0.1s)\n" +
		"panic: boom\n"
	var logs []pattern
	if err := json.Unmarshal([]byte(`["data == \\d+$"]`), &logs); err != nil {
		t.Fatal(err)
	}
	want := []string{"x_test.go:7: first:\n        a detail", "panic: boom"}
	if got := complaintsIn(output, logs); !reflect.DeepEqual(got, want) {
		t.Errorf("complaintsIn = %q, want %q", got, want)
	}
}

func TestADifferenceCoversOnlyTheComplaintsThatItDescribes(t *testing.T) {
	var d difference
	text := `{"complaints": [{"like": "^too many: .*rows", "unlike": ["one row"]}]}`
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		complaints []string
		covered    bool
	}{
		{[]string{"too many: a\nfew rows"}, true},
		{[]string{"too many: rows", "something else"}, false},
		{[]string{"too many: rows, one row"}, false},
		{nil, false},
	} {
		if got := d.covers(c.complaints); got != c.covered {
			t.Errorf("covers(%q) = %v, want %v", c.complaints, got, c.covered)
		}
	}
}
