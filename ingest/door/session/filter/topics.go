package filter

import (
	"strings"
	"sync"
)

// Topics holds one value by topic. Its methods may be called concurrently.
type Topics[V any] struct {
	mu   sync.RWMutex
	n    int
	root topic[V]
}

type topic[V any] struct {
	levels map[string]*topic[V]
	value  V
	set    bool
}

// Len is how many topics have a value.
func (t *Topics[V]) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.n
}

// Set gives a topic its value, and returns the one it had.
func (t *Topics[V]) Set(name string, v V) (was V, had bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := &t.root
	for rest, more := name, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		below, ok := n.levels[level]
		if !ok {
			if n.levels == nil {
				n.levels = map[string]*topic[V]{}
			}
			below = &topic[V]{}
			n.levels[strings.Clone(level)] = below
		}
		n = below
	}
	was, had = n.value, n.set
	n.value, n.set = v, true
	if !had {
		t.n++
	}
	return was, had
}

// Get is a topic's value.
func (t *Topics[V]) Get(name string) (v V, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := &t.root
	for rest, more := name, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		if n = n.levels[level]; n == nil {
			return v, false
		}
	}
	return n.value, n.set
}

// Delete takes a topic's value away, and returns it.
func (t *Topics[V]) Delete(name string) (was V, had bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if was, had = t.root.delete(name, true); had {
		t.n--
	}
	return was, had
}

func (n *topic[V]) delete(name string, more bool) (was V, had bool) {
	if !more {
		was, had = n.value, n.set
		*n = topic[V]{levels: n.levels}
		return was, had
	}
	level, rest, more := strings.Cut(name, "/")
	below := n.levels[level]
	if below == nil {
		return was, false
	}
	was, had = below.delete(rest, more)
	if !below.set && len(below.levels) == 0 {
		delete(n.levels, level)
	}
	return was, had
}

// Each calls f with the values of all topics that a filter selects, in no order. f must
// not call Topics.
func (t *Topics[V]) Each(filter string, f func(V)) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	t.root.each(filter, true, true, f)
}

// All calls f with all values, in no order. f must not call Topics.
func (t *Topics[V]) All(f func(V)) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	t.root.all(false, f)
}

func (n *topic[V]) each(filter string, more, first bool, f func(V)) {
	if !more {
		if n.set {
			f(n.value)
		}
		return
	}
	level, rest, more := strings.Cut(filter, "/")
	switch level {
	case "#":
		n.all(first, f)
	case "+":
		for name, below := range n.levels {
			if !first || !hidden(name) {
				below.one(rest, more, f)
			}
		}
	default:
		if below := n.levels[level]; below != nil {
			below.one(rest, more, f)
		}
	}
}

// one goes on with what is left of a filter, below the first level.
func (n *topic[V]) one(rest string, more bool, f func(V)) { n.each(rest, more, false, f) }

// all are the values of a topic and of all below.
func (n *topic[V]) all(first bool, f func(V)) {
	if n.set {
		f(n.value)
	}
	for name, below := range n.levels {
		if !first || !hidden(name) {
			below.all(false, f)
		}
	}
}
