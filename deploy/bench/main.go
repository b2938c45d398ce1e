package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// plan is what is measured, how often and how long.
type plan struct {
	rounds int
	loads  []load
	// probe is how long probes are sent under each load, drain how long a stack may take to
	// store what it has acknowledged.
	probe, drain time.Duration
	// rates are tried in order, each with rateLoad's connections, until one is not held.
	rates    []int
	rateLoad load
	// outage is how long the store is away, under outageLoad.
	outage     time.Duration
	outageLoad load
	kills      int
	killLoad   load
	// scenario is what the size on disk is measured with; sizeDevices of it, 0 is all.
	scenario    string
	sizeDevices int
}

// fullPlan takes some hours, quickPlan some minutes.
func fullPlan() plan {
	return plan{rounds: 5, loads: []load{{200, 5000, 25}, {5000, 5000, 25}}, probe: 20 * time.Second, drain: time.Minute,
		rates: []int{5000, 10000, 15000, 20000, 25000, 30000, 40000}, rateLoad: load{5000, 0, 20},
		outage: 10 * time.Minute, outageLoad: load{200, 1000, 0}, kills: 9, killLoad: load{200, 1000, 40}, scenario: "ordinary-day"}
}

func quickPlan() plan {
	return plan{rounds: 1, loads: []load{{200, 5000, 10}, {5000, 5000, 10}}, probe: 5 * time.Second, drain: 30 * time.Second,
		rates: []int{5000, 10000, 20000}, rateLoad: load{5000, 0, 10},
		outage: 20 * time.Second, outageLoad: load{200, 1000, 0}, kills: 3, killLoad: load{200, 1000, 20}, scenario: "ordinary-day", sizeDevices: 50}
}

// flags are the command line.
type flags struct {
	quick, write                 bool
	rounds                       int
	only, phases, haidang, tools string
	out, from                    string
	outage                       time.Duration
	floor, floorHTTP, floorFile  string
}

func parse(args []string) (f flags, err error) {
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.BoolVar(&f.quick, "quick", false, "one short round of everything")
	set.BoolVar(&f.write, "write", false, "write tables and plots into -out")
	set.IntVar(&f.rounds, "rounds", 0, "how many `rounds`; 5, or 1 with -quick")
	set.StringVar(&f.only, "only", "", "only these contenders, `ids` with commas between: "+strings.Join(ids(), ","))
	set.StringVar(&f.phases, "phases", "load,rate,outage,kill,size", "only these `phases`")
	set.StringVar(&f.haidang, "haidang", "./haidang", "the `program` of ours")
	set.StringVar(&f.tools, "tools", os.Getenv("HAIDANG_TOOLS"), "`folder` of influxd and telegraf")
	set.StringVar(&f.out, "out", "deploy/bench", "`folder` of README.md, plots and raw figures")
	set.StringVar(&f.from, "from", "", "measure nothing, write what this `file` of raw figures has")
	set.DurationVar(&f.outage, "outage", 0, "how `long` the store is away; 10m, or 20s with -quick")
	set.StringVar(&f.floor, "floor", "", "be the floor's listener at this `address`")
	set.StringVar(&f.floorHTTP, "floor-http", "", "where the floor tells its count")
	set.StringVar(&f.floorFile, "floor-file", "", "the floor's file")
	err = set.Parse(args)
	return f, err
}

func ids() (out []string) {
	for _, c := range contenders() {
		out = append(out, c.id)
	}
	return out
}

func main() {
	f, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(2)
	}
	if f.floor != "" { // before signals are caught: one ends it
		err := runFloor(f.floor, f.floorHTTP, f.floorFile)
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, f); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) error {
	if f.from != "" {
		r, err := readResult(f.from)
		if err != nil {
			return err
		}
		return r.write(f.out)
	}
	programs, err := findPrograms(f.haidang, f.tools)
	if err != nil {
		return err
	}
	b := &bench{programs: programs, plan: f.plan(), say: func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }}
	if b.dir, err = os.MkdirTemp("", "haidang-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	r := result{Machine: describe(programs), Outage: b.plan.outage.Seconds(), Quick: f.quick}
	measured := b.all(ctx, f, func(g Figure) { r.Figures = append(r.Figures, g) })
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	raw := filepath.Join(os.TempDir(), "haidang-bench.json")
	if err := os.WriteFile(raw, text, 0o644); err != nil {
		return err
	}
	fmt.Println(r.tables())
	b.say("raw figures: %s", raw)
	if f.write {
		return errors.Join(measured, r.write(f.out))
	}
	return measured
}

func (f flags) plan() plan {
	p := fullPlan()
	if f.quick {
		p = quickPlan()
	}
	if f.rounds > 0 {
		p.rounds = f.rounds
	}
	if f.outage > 0 {
		p.outage = f.outage
	}
	return p
}

// chosen are the contenders that take part.
func (f flags) chosen(all []contender) []contender {
	if f.only == "" {
		return all
	}
	only := strings.Split(f.only, ",")
	return slices.DeleteFunc(all, func(c contender) bool { return !slices.Contains(only, c.id) })
}

// all measures everything: the loads in rounds, each contender in turn, so that what changes
// on the machine changes for all of them; then once what takes long. What fails is told
// and left out.
func (b *bench) all(ctx context.Context, f flags, keep func(Figure)) error {
	all := f.chosen(contenders())
	var errs []error
	do := func(what string, c contender, measure func() (Figure, error)) {
		if ctx.Err() != nil {
			return
		}
		g, err := measure()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s of %s: %w", what, c.id, err))
			b.say("%s %s: %v", what, c.id, err)
			return
		}
		b.say("%s %s: %s", what, c.id, g.line())
		keep(g)
	}
	has := func(phase string) bool { return slices.Contains(strings.Split(f.phases, ","), phase) }
	for round := range b.plan.rounds {
		for _, l := range b.plan.loads {
			for _, c := range all {
				if has("load") {
					do(fmt.Sprintf("round %d, %s:", round+1, l), c, func() (Figure, error) { return b.load(ctx, c, l, round) })
				}
			}
		}
	}
	for _, c := range all {
		if has("rate") {
			do("highest rate", c, func() (Figure, error) { return b.rate(ctx, c, b.plan.rateLoad, 0) })
		}
	}
	if has("outage") {
		for _, c := range []contender{{id: outage, title: "`haidang up`, power, to VictoriaMetrics", build: oursToVictoria}, find(peer), find("telegraf-influx")} {
			do("outage", c, func() (Figure, error) { return b.outage(ctx, c, b.plan.outageLoad, 0) })
		}
	}
	for _, c := range all {
		if has("kill") && !c.floor {
			do("kill -9", c, func() (Figure, error) { return b.kill(ctx, c, b.plan.killLoad, 0) })
		}
		if has("size") && !c.floor && c.id != "haidang-process" && c.id != "haidang-broker" {
			do("size", c, func() (Figure, error) { return b.size(ctx, c, 0) })
		}
	}
	return errors.Join(append(errs, ctx.Err())...)
}

func find(id string) contender {
	all := contenders()
	return all[slices.IndexFunc(all, func(c contender) bool { return c.id == id })]
}
