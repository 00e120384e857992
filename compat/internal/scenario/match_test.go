package scenario

import (
	"encoding/json"
	"testing"
)

func parse(t *testing.T, text string) any {
	t.Helper()
	if text == "nothing" {
		return Absent{}
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// Most of this test is its table.
func TestMatch(t *testing.T) {
	cases := []struct {
		want, got string
		strict    bool // fits without Loose
		loose     bool // fits with Loose
	}{
		{`1`, `1`, true, true},
		{`1`, `2`, false, false},
		{`1`, `"1"`, false, false},
		{`true`, `false`, false, false},
		{`{"a":1}`, `{"a":1,"b":2}`, true, true},
		{`{"a":1}`, `{"b":2}`, false, false},
		{`[1,2]`, `[1,2]`, true, true},
		{`[1,2]`, `[2,1]`, false, false},
		{`[1]`, `[1,2]`, false, false},
		{`{"a":0}`, `{}`, false, true},
		{`{"a":""}`, `{"a":null}`, false, true},
		{`{"a":null}`, `{"a":0}`, false, true},
		{`{"a":false}`, `{}`, false, true},
		{`{"a":[]}`, `{}`, false, true},
		{`{"a":{}}`, `{"a":null}`, false, true},
		{`{"a":0}`, `{"a":1}`, false, false},
		{`{"a":1}`, `{}`, false, false},
		{`{"utf8":"hi"}`, `{"b64":"aGk="}`, true, true},
		{`{"utf8":""}`, `null`, false, true},
		{`null`, `{"utf8":""}`, false, true},
		{`{"utf8":"hi"}`, `{"utf8":"ho"}`, false, false},
		{`{"$absent":true}`, `nothing`, true, true},
		{`{"a":{"$absent":true}}`, `{}`, true, true},
		{`{"a":{"$absent":true}}`, `{"a":null}`, false, false},
		{`{"a":{"$any":true}}`, `{"a":null}`, true, true},
		{`{"a":{"$any":true}}`, `{}`, false, false},
		{`{"$zero":true}`, `"0s"`, true, true},
		{`{"$zero":true}`, `1`, false, false},
		{`{"$gte":2,"$lt":4}`, `3`, true, true},
		{`{"$gte":2,"$lt":4}`, `4`, false, false},
		{`{"$gte":2}`, `"3"`, true, true},
		{`{"$gte":2}`, `"x"`, false, false},
		{`{"$near":10,"$tol":1}`, `10.9`, true, true},
		{`{"$near":10,"$tol":1}`, `11.1`, false, false},
		{`{"$near":"10"}`, `"11"`, true, true},
		{`{"$duration":"90s"}`, `"1m30s"`, true, true},
		{`{"$duration":"90s"}`, `"1m31s"`, false, false},
		{`{"$duration":"0s"}`, `null`, false, true},
		{`{"$regex":"^a+$"}`, `"aa"`, true, true},
		{`{"$regex":"^a+$"}`, `"ab"`, false, false},
		{`{"$regex":"i"}`, `{"utf8":"hi"}`, true, true},
		{`{"$contains":"b"}`, `"abc"`, true, true},
		{`{"$contains":"b"}`, `["a","b"]`, true, true},
		{`{"$contains":[{"x":1},{"x":2}]}`, `[{"x":2,"y":1},{"x":1}]`, true, true},
		{`{"$contains":"d"}`, `["a","b"]`, false, false},
		{`{"$len":2}`, `[1,2]`, true, true},
		{`{"$len":{"$gt":2}}`, `[1,2]`, false, false},
		{`{"$len":0}`, `null`, false, true},
		{`{"$exact":{"a":1}}`, `{"a":1}`, true, true},
		{`{"$exact":{"a":1}}`, `{"a":1,"b":1}`, false, false},
		{`{"$exact":{}}`, `null`, false, true},
		{`{"$each":{"a":1}}`, `[{"a":1,"b":1},{"a":1}]`, true, true},
		{`{"$each":{"a":1}}`, `[{"a":1},{"a":2}]`, false, false},
		{`{"$unordered":[1,2]}`, `[2,1]`, true, true},
		{`{"$unordered":[1,2]}`, `[2,2]`, false, false},
		{`{"$unordered":[{"$any":true},2]}`, `[2,1]`, true, true},
		{`{"$unordered":[1]}`, `[1,1]`, false, false},
		{`{"$in_order":[1,3]}`, `[1,2,3]`, true, true},
		{`{"$in_order":[3,1]}`, `[1,2,3]`, false, false},
		{`{"$count":{"of":{"a":1},"is":{"$gte":2}}}`, `[{"a":1},{"a":2},{"a":1}]`, true, true},
		{`{"$count":{"of":{"a":1},"is":1}}`, `[{"a":1},{"a":2},{"a":1}]`, false, false},
		{`{"$not":1}`, `2`, true, true},
		{`{"$not":1}`, `1`, false, false},
		{`{"$ends_with":"c"}`, `"abc"`, true, true},
		{`9223372036854775807`, `9223372036854775807`, true, true},
	}
	for _, c := range cases {
		want, got := parse(t, c.want), parse(t, c.got)
		if ok := len(Matcher{}.Match(want, got)) == 0; ok != c.strict {
			t.Errorf("strict: %s with %s: %v", c.want, c.got, ok)
		}
		if ok := len(Matcher{Loose: true}.Match(want, got)) == 0; ok != c.loose {
			t.Errorf("loose: %s with %s: %v", c.want, c.got, ok)
		}
	}
}

func TestMismatchNamesItsPath(t *testing.T) {
	bad := Matcher{}.Match(parse(t, `{"a":[{"b":1},{"b":2}]}`), parse(t, `{"a":[{"b":1},{"b":3}]}`))
	if len(bad) != 1 || bad[0].Path != "/a/1/b" || bad[0].Got != 3.0 {
		t.Errorf("%v", bad)
	}
}

func TestMisspeltOperatorIsRefused(t *testing.T) {
	for _, text := range []string{`{"$gtee":1}`, `{"a":[{"$abse":true}]}`, `{"$any":true,"b":1}`} {
		if CheckMatcher(parse(t, text)) == nil {
			t.Errorf("%s was accepted", text)
		}
	}
	if err := CheckMatcher(parse(t, `{"a":{"$near":1,"$tol":2}}`)); err != nil {
		t.Error(err)
	}
}
