package session

import (
	"context"
	"time"
)

// file is where sessions are kept.
type file struct{}

// changes are what is to be written, in order.
type changes struct{}

func (s *Sessions) open(ctx context.Context) error { s.file = &file{}; return nil }

func (s *Sessions) commit(ctx context.Context, c *changes) error { return nil }

func (f *file) changes() *changes                                  { return &changes{} }
func (f *file) later(c *changes)                                   {}
func (f *file) close() error                                       { return nil }
func (f *file) completed(st *state, d *delivery)                   {}
func (f *file) released(st *state, d *delivery, then func())       {}
func (f *file) release(st *state, id uint16)                       {}
func (c *changes) insert(st *state, d *delivery)                   {}
func (c *changes) session(*state, time.Duration, time.Time, int64) {}
func (c *changes) forget(d *delivery)                              {}
func (c *changes) end(st *state)                                   {}
func (c *changes) receive(st *state, id uint16)                    {}
func (c *changes) subscribe(st *state, sub *subscription)          {}
func (c *changes) unsubscribe(st *state, name string)              {}
func (c *changes) retain(m *message)                               {}
func (c *changes) unretain(topic string)                           {}
