package scenario

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
)

// operatorCall is one `$` word of a matcher, applied to a value.
type operatorCall struct {
	Matcher
	path string
	all  map[string]any // the matcher with all of its words
	want any            // the word's argument
	got  any
	out  *[]Mismatch
}

// operators are the words that judge a value. Each reports whether the value
// fits. A word that looks inside the value may instead add the mismatches
// found there to out.
var operators map[string]func(operatorCall) bool

func init() {
	operators = map[string]func(operatorCall) bool{
		"$any":       func(operatorCall) bool { return true },
		"$tol":       func(operatorCall) bool { return true }, // read by $near
		"$gte":       func(c operatorCall) bool { return c.compare(func(got, want float64) bool { return got >= want }) },
		"$lte":       func(c operatorCall) bool { return c.compare(func(got, want float64) bool { return got <= want }) },
		"$gt":        func(c operatorCall) bool { return c.compare(func(got, want float64) bool { return got > want }) },
		"$lt":        func(c operatorCall) bool { return c.compare(func(got, want float64) bool { return got < want }) },
		"$near":      operatorCall.near,
		"$duration":  operatorCall.duration,
		"$regex":     operatorCall.regex,
		"$ends_with": operatorCall.endsWith,
		"$contains":  operatorCall.contains,
		"$len":       operatorCall.length,
		"$exact":     operatorCall.exact,
		"$each":      operatorCall.each,
		"$unordered": operatorCall.unordered,
		"$in_order":  operatorCall.inOrder,
		"$count":     operatorCall.count,
		"$not":       func(c operatorCall) bool { return !c.fits(c.want, c.got) },
		// These two are judged before all others, as they fit absent values.
		"$absent": operatorCall.absent,
		"$zero":   func(c operatorCall) bool { return isZero(c.got) },
	}
}

func isOperator(w map[string]any) bool {
	for k := range w {
		if strings.HasPrefix(k, "$") {
			return true
		}
	}
	return false
}

// CheckMatcher refuses `$` words that do not exist, so that a misspelt one
// cannot pass for an expectation.
func CheckMatcher(want any) error {
	switch w := want.(type) {
	case map[string]any:
		isOperator := isOperator(w)
		for k, v := range w {
			if isOperator && operators[k] == nil {
				return fmt.Errorf("unknown matcher word %q", k)
			}
			if err := CheckMatcher(v); err != nil {
				return err
			}
		}
	case []any:
		for _, v := range w {
			if err := CheckMatcher(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// operator judges a value by all words of a matcher. The first word that does
// not fit ends it.
func (m Matcher) operator(path string, all map[string]any, got any, out *[]Mismatch) {
	words := sortedKeys(all)
	for _, first := range []string{"$absent", "$zero"} {
		if _, ok := all[first]; ok {
			words = []string{first}
			break
		}
	}
	_, absent := got.(Absent)
	for _, word := range words {
		judge := operators[word]
		alone := word == "$absent" || word == "$zero"
		c := operatorCall{m, path, all, all[word], got, out}
		if judge == nil || absent && !alone || !judge(c) {
			*out = append(*out, Mismatch{path, all, got})
			return
		}
	}
}

func (c operatorCall) absent() bool {
	_, ok := c.got.(Absent)
	return ok
}

func (c operatorCall) compare(holds func(got, want float64) bool) bool {
	got, ok := number(c.got)
	want, okWant := number(c.want)
	return ok && okWant && holds(got, want)
}

func (c operatorCall) near() bool {
	tolerance := 2.0
	if t, ok := number(c.all["$tol"]); ok {
		tolerance = t
	}
	return c.compare(func(got, want float64) bool { return math.Abs(got-want) <= tolerance })
}

// duration compares Go duration texts as lengths of time.
func (c operatorCall) duration() bool {
	wantText, _ := c.want.(string)
	want, err := time.ParseDuration(wantText)
	if err != nil {
		return false
	}
	if c.Loose && want == 0 && isZero(c.got) {
		return true
	}
	gotText, _ := c.got.(string)
	got, err := time.ParseDuration(gotText)
	return err == nil && got == want
}

func (c operatorCall) regex() bool {
	text, ok := textOf(c.got)
	pattern, okPattern := c.want.(string)
	if !ok || !okPattern {
		return false
	}
	re, err := regexp.Compile(pattern)
	return err == nil && re.MatchString(text)
}

func (c operatorCall) endsWith() bool {
	text, ok := textOf(c.got)
	suffix, okSuffix := c.want.(string)
	return ok && okSuffix && strings.HasSuffix(text, suffix)
}

// contains looks for a part of a text, or for elements of a list.
func (c operatorCall) contains() bool {
	if text, ok := c.got.(string); ok {
		part, ok := c.want.(string)
		return ok && strings.Contains(text, part)
	}
	list, ok := c.got.([]any)
	if !ok {
		return false
	}
	wants, many := c.want.([]any)
	if !many {
		wants = []any{c.want}
	}
	for _, want := range wants {
		if !slices.ContainsFunc(list, func(got any) bool { return c.fits(want, got) }) {
			return false
		}
	}
	return true
}

func (c operatorCall) length() bool {
	n, ok := length(c.got)
	if !ok && c.Loose && isZero(c.got) {
		n, ok = 0, true
	}
	if ok {
		c.match(c.path+"/$len", c.want, float64(n), c.out)
	}
	return ok
}

// exact matches an object that has no other members.
func (c operatorCall) exact() bool {
	want, ok := c.want.(map[string]any)
	if !ok {
		return false
	}
	got, ok := c.got.(map[string]any)
	if !ok {
		return len(want) == 0 && c.Loose && isZero(c.got)
	}
	for _, k := range sortedKeys(got) {
		if _, ok := want[k]; !ok {
			*c.out = append(*c.out, Mismatch{c.path + "/" + k, Absent{}, got[k]})
		}
	}
	c.match(c.path, want, got, c.out)
	return true
}

func (c operatorCall) each() bool {
	list, ok := c.got.([]any)
	for i, got := range list {
		c.match(fmt.Sprintf("%s/%d", c.path, i), c.want, got, c.out)
	}
	return ok
}

func (c operatorCall) unordered() bool {
	wants, ok := c.want.([]any)
	list, okList := c.got.([]any)
	if !okList && c.Loose && isZero(c.got) {
		return len(wants) == 0
	}
	return ok && okList && len(wants) == len(list) && c.pair(wants, list)
}

// inOrder matches a list in which the wanted elements come in their order,
// with others between them.
func (c operatorCall) inOrder() bool {
	wants, ok := c.want.([]any)
	list, okList := c.got.([]any)
	if !ok || !okList {
		return false
	}
	for _, got := range list {
		if len(wants) > 0 && c.fits(wants[0], got) {
			wants = wants[1:]
		}
	}
	return len(wants) == 0
}

// count matches the number of elements that fit `of` with `is`.
func (c operatorCall) count() bool {
	spec, ok := c.want.(map[string]any)
	list, okList := c.got.([]any)
	if !ok || !okList {
		return false
	}
	n := 0.0
	for _, got := range list {
		if c.fits(spec["of"], got) {
			n++
		}
	}
	c.match(c.path+"/$count", spec["is"], n, c.out)
	return true
}

// pair finds an element for every expectation by augmenting paths, so that a
// loose expectation never takes the only element that fits a strict one.
func (m Matcher) pair(wants, list []any) bool {
	owner := make([]int, len(list))
	for i := range owner {
		owner[i] = -1
	}
	fits := make([][]bool, len(wants))
	for i, w := range wants {
		fits[i] = make([]bool, len(list))
		for j, g := range list {
			fits[i][j] = m.fits(w, g)
		}
	}
	var place func(i int, seen []bool) bool
	place = func(i int, seen []bool) bool {
		for j := range list {
			if !fits[i][j] || seen[j] {
				continue
			}
			seen[j] = true
			if owner[j] < 0 || place(owner[j], seen) {
				owner[j] = i
				return true
			}
		}
		return false
	}
	for i := range wants {
		if !place(i, make([]bool, len(list))) {
			return false
		}
	}
	return true
}
