package filter

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Tree holds values by filter. Its methods may be called concurrently.
//
//	kh ─┬─ nha-trang ── command ── lamp-1   here: who subscribed to kh/nha-trang/command/lamp-1
//	    └─ rest: who subscribed to kh/#
type Tree[V comparable] struct {
	n    atomic.Int64
	mu   sync.RWMutex
	root node[V]
}

type node[V comparable] struct {
	levels map[string]*node[V]
	any    *node[V] // of "+"
	here   []V      // whose filter ends at this level
	rest   []V      // whose filter ends with "#" behind this level
}

func (n *node[V]) empty() bool {
	return len(n.levels) == 0 && n.any == nil && len(n.here) == 0 && len(n.rest) == 0
}

// Len is how many values there are.
func (t *Tree[V]) Len() int { return int(t.n.Load()) }

// Add adds a value under a filter that [Parse] gave back. The same value may be under
// several filters, and is to be under each only once.
func (t *Tree[V]) Add(filter string, v V) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := &t.root
	for rest, more := filter, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		if level == "#" {
			n.rest = append(n.rest, v)
			t.n.Add(1)
			return
		}
		n = n.make(level)
	}
	n.here = append(n.here, v)
	t.n.Add(1)
}

func (n *node[V]) make(level string) *node[V] {
	if level == "+" {
		if n.any == nil {
			n.any = &node[V]{}
		}
		return n.any
	}
	if n.levels == nil {
		n.levels = map[string]*node[V]{}
	}
	below, ok := n.levels[level]
	if !ok {
		below = &node[V]{}
		n.levels[strings.Clone(level)] = below
	}
	return below
}

// Remove takes a value away from under a filter, and reports whether it was there.
func (t *Tree[V]) Remove(filter string, v V) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.root.remove(filter, true, v) {
		return false
	}
	t.n.Add(-1)
	return true
}

func (n *node[V]) remove(filter string, more bool, v V) bool {
	if !more {
		return without(&n.here, v)
	}
	level, rest, more := strings.Cut(filter, "/")
	if level == "#" {
		return without(&n.rest, v)
	}
	below := n.levels[level]
	if level == "+" {
		below = n.any
	}
	if below == nil || !below.remove(rest, more, v) {
		return false
	}
	switch {
	case !below.empty():
	case level == "+":
		n.any = nil
	default:
		delete(n.levels, level)
	}
	return true
}

func without[V comparable](all *[]V, v V) bool {
	i := slices.Index(*all, v)
	if i < 0 {
		return false
	}
	*all = slices.Delete(*all, i, i+1)
	return true
}

// Any reports whether a topic is selected by any filter.
func (t *Tree[V]) Any(topic string) bool {
	if t.n.Load() == 0 {
		return false
	}
	found := false
	t.Each(topic, func(V) bool { found = true; return false })
	return found
}

// Each calls f with the values of all filters that select the topic, until f returns
// false. f must not call the tree.
func (t *Tree[V]) Each(topic string, f func(V) bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if !hidden(topic) {
		t.root.each(topic, true, f)
		return
	}
	level, rest, more := strings.Cut(topic, "/")
	if below := t.root.levels[level]; below != nil {
		below.each(rest, more, f)
	}
}

func (n *node[V]) each(topic string, more bool, f func(V) bool) bool {
	for _, v := range n.rest {
		if !f(v) {
			return false
		}
	}
	if !more {
		for _, v := range n.here {
			if !f(v) {
				return false
			}
		}
		return true
	}
	level, rest, more := strings.Cut(topic, "/")
	if below := n.levels[level]; below != nil && !below.each(rest, more, f) {
		return false
	}
	return n.any == nil || n.any.each(rest, more, f)
}
