package main

import (
	"fmt"
	"time"
)

// fields reads the fields of a step whose variables are filled in.
type fields struct{ m map[string]any }

func (f fields) has(name string) bool {
	_, ok := f.m[name]
	return ok
}

func (f fields) text(name string) string {
	s, _ := f.m[name].(string)
	return s
}

func (f fields) flag(name string) bool {
	b, _ := f.m[name].(bool)
	return b
}

func (f fields) count(name string, otherwise int) int {
	if n, ok := f.m[name].(float64); ok {
		return int(n)
	}
	return otherwise
}

func (f fields) duration(name string, otherwise time.Duration) (time.Duration, error) {
	s, ok := f.m[name].(string)
	if !ok {
		return otherwise, nil
	}
	return time.ParseDuration(s)
}

func (f fields) object(name string) map[string]any {
	m, _ := f.m[name].(map[string]any)
	return m
}

// list reads a list. A single value stands for a list of one.
func (f fields) list(name string) []any {
	switch v := f.m[name].(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

func (f fields) texts(name string) []string {
	var out []string
	for _, v := range f.list(name) {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

func (f fields) bytes(name string) [][]byte {
	var out [][]byte
	for _, s := range f.texts(name) {
		out = append(out, []byte(s))
	}
	return out
}
