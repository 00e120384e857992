package twins

import (
	"fmt"
	"slices"
	"strings"
)

// idsIn are the ids in a list or sorted set.
func idsIn(dump map[string]any, place string) []string {
	entry, _ := dump[place].(map[string]any)
	set, _ := entry["zset"].(map[string]any)
	ids := sorted(set)
	list, _ := entry["list"].([]any)
	for _, id := range list {
		ids = append(ids, fmt.Sprint(id))
	}
	return ids
}

// holds reports whether a list or sorted set has an id.
func holds(dump map[string]any, place, id string) bool {
	return slices.Contains(idsIn(dump, place), id)
}

// take removes an id from a list or sorted set, which goes with its last id.
func take(dump map[string]any, place, id string) {
	entry, _ := dump[place].(map[string]any)
	if set, ok := entry["zset"].(map[string]any); ok {
		delete(set, id)
		if len(set) == 0 {
			delete(dump, place)
		}
	}
	if list, ok := entry["list"].([]any); ok {
		list = slices.DeleteFunc(list, func(e any) bool { return e == id })
		entry["list"] = list
		if len(list) == 0 {
			delete(dump, place)
		}
	}
}

// put adds an id to a list or sorted set as it was before. Of a list whose other ids are
// gone, the order is that of before.
func put(dump, before map[string]any, place, id string) {
	was := before[place].(map[string]any)
	entry, ok := dump[place].(map[string]any)
	if !ok {
		entry = map[string]any{}
		dump[place] = entry
	}
	if set, ok := was["zset"].(map[string]any); ok {
		now, ok := entry["zset"].(map[string]any)
		if !ok {
			now = map[string]any{}
			entry["zset"] = now
		}
		now[id] = set[id]
		return
	}
	list, _ := entry["list"].([]any)
	all := append(list[:len(list):len(list)], any(id))
	entry["list"] = slices.DeleteFunc(slices.Clone(was["list"].([]any)), func(e any) bool { return !slices.Contains(all, e) })
}

func addToSet(dump map[string]any, key, member string) {
	entry, _ := dump[key].(map[string]any)
	set, _ := entry["set"].([]any)
	if !slices.Contains(set, any(member)) {
		set = append(set, member)
		slices.SortFunc(set, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	dump[key] = map[string]any{"set": set}
}
