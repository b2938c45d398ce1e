package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// replay sends a scenario as fast as the stack takes it.
func (s *stack) replay(ctx context.Context, scenario string, l load, more ...string) (out sent, err error) {
	args := []string{"simulate", "--scenario", scenario, "--as-fast-as-possible", "--broker", "tcp://" + s.mqtt, "--json"}
	if l.Connections > 0 {
		args = append(args, "-n", strconv.Itoa(l.Connections))
	}
	cmd := exec.CommandContext(ctx, s.programs.haidang, append(args, more...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var problems bytes.Buffer
	cmd.Stderr = &problems
	text, err := cmd.Output()
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	if e := json.Unmarshal(lines[len(lines)-1], &out); e != nil {
		return out, fmt.Errorf("replay %s into %s: %w (%.300s)", scenario, s.id, err, problems.Bytes())
	}
	return out, ctx.Err()
}

// settled waits until a store has put its files in order, and returns the bytes that a sample
// takes and how many samples that is of. Of the embedded store it is of its blocks: the
// newest hours are in its log still.
func (s *stack) settled(ctx context.Context, dir string) (perSample float64, samples int64, err error) {
	switch r := s.store.(type) {
	case influxReader:
		time.Sleep(mergeWait) // its own compaction of cold shards
		samples, err = r.samples(ctx)
	case promReader:
		if s.url != "" && s.storeProcess == nil {
			return blockSize(ctx, dir)
		}
		// Merges everything, and makes what is in memory a file.
		if err = httpOK(ctx, r.base+"/internal/force_flush"); err == nil {
			err = httpOK(ctx, r.base+"/internal/force_merge")
		}
		time.Sleep(mergeWait)
		var v float64
		if err == nil {
			v, err = r.query(ctx, `sum(count_over_time({__name__=~"[a-z_]+"}[5d]))`)
		}
		samples = int64(v)
	default:
		return 0, 0, fmt.Errorf("%s keeps nothing", s.id)
	}
	if err != nil {
		return 0, 0, err
	}
	size, err := folderSize(dir)
	return float64(size) / float64(max(1, samples)), samples, err
}

const (
	// mergeWait is how long a store is left alone to merge its files.
	mergeWait = 45 * time.Second
	// blocksWithin is how long the embedded store may take to make blocks of its head.
	blocksWithin = 5 * time.Minute
)

// samples is how many values there are.
func (r influxReader) samples(ctx context.Context) (n int64, err error) {
	var answer struct {
		Results []struct {
			Series []struct{ Values [][]int64 }
		}
	}
	if err := ask(ctx, r.base+"/query", url.Values{"q": {"SELECT count(*) FROM /.*/"}, "db": {"city"}, "epoch": {"ms"}}, &answer); err != nil {
		return 0, err
	}
	for _, result := range answer.Results {
		for _, s := range result.Series {
			for _, row := range s.Values {
				for _, v := range row[1:] {
					n += v
				}
			}
		}
	}
	return n, nil
}

// blockSize waits until the blocks of a TSDB do not change any more, and returns bytes for a
// sample and samples of them.
func blockSize(ctx context.Context, dir string) (float64, int64, error) {
	var last, samples int64
	for began, same := time.Now(), 0; time.Since(began) < blocksWithin && same < 3; {
		size, n, err := blocks(dir)
		if err != nil {
			return 0, 0, err
		}
		if same++; size != last || size == 0 {
			same = 0
		}
		last, samples = size, n
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-time.After(30 * time.Second):
		}
	}
	return float64(last) / float64(max(1, samples)), samples, nil
}

// blocks adds up bytes and samples of a TSDB's blocks.
func blocks(dir string) (size, samples int64, err error) {
	metas, err := filepath.Glob(filepath.Join(dir, "*", "meta.json"))
	if err != nil {
		return 0, 0, err
	}
	for _, path := range metas {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // compacted away meanwhile
		}
		var meta struct{ Stats struct{ NumSamples int64 } }
		if err := json.Unmarshal(data, &meta); err != nil {
			return 0, 0, fmt.Errorf("read %s: %w", path, err)
		}
		n, err := folderSize(filepath.Dir(path))
		if err != nil {
			return 0, 0, err
		}
		size, samples = size+n, samples+meta.Stats.NumSamples
	}
	return size, samples, nil
}
