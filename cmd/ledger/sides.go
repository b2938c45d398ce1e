package ledger

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest"
)

// printSides prints what each side has counted of each gateway's messages.
func printSides(w io.Writer, r ingest.Report) {
	if len(r.Sides) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	foreign := slices.ContainsFunc(r.Sides, func(s ingest.Side) bool { return s.Broker != nil })
	dropped := func(text string) string {
		if !foreign {
			return ""
		}
		return text + "\t"
	}
	fmt.Fprintln(t, "gateway\tacknowledged\twaiting\ttaken\t(again)\tQoS 0, retained\tconfirmed\tnumbered\tlost after PUBACK\tlost in journal\t"+dropped("dropped by the broker"))
	for _, s := range r.Sides {
		taken, again, unsure, confirmed := "not known", "", "", ""
		if k := s.Taken; k != nil {
			taken, again = terminal.Grouped(int64(k.First+k.Again+k.Excluded)), terminal.Grouped(int64(k.Again))
			unsure, confirmed = terminal.Grouped(int64(k.Unsure)), terminal.Grouped(int64(k.Confirmed))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Gateway, known(s.Door), known(s.Waiting), taken, again, unsure, confirmed,
			terminal.Grouped(int64(s.Journal)), terminal.Grouped(int64(s.DoorLost)), terminal.Grouped(int64(s.JournalLost)), dropped(droppedBy(s.Broker)))
	}
	t.Flush()
}

// droppedBy is what a broker that is another program says to have dropped; ours, beside
// which others may be, drops nothing.
func droppedBy(b *ingest.BrokerSide) string {
	if b == nil {
		return "–"
	}
	return known(b.Dropped)
}

func known(n *uint64) string {
	if n == nil {
		return "not known"
	}
	return terminal.Grouped(int64(*n))
}

// verdict is what all of it comes to, in words that are true of just this state.
func verdict(r ingest.Report) string {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	var missing, queued int64
	for _, b := range r.Gateways {
		missing, queued = missing+abs(b.Unsettled), queued+int64(b.Queued)
	}
	for _, l := range r.Losses {
		say("LOST: %s (found %s; haidang alarms list; acknowledging its alarm settles it).", l.Summary, terminal.Moment(l.Since))
	}
	switch {
	case missing > 0:
		say("NOT BALANCED: messages are missing (or, below 0, counted twice). See the loader's log for which, and the alarm: haidang alarms list.")
	case len(r.Differences) > 0:
		say("NOT BALANCED: what is counted by locality does not add up. Nothing is lost by that; keep ledger.db and tell who maintains the program.")
	case r.SidesProblem != "":
		say("NOT COMPARED: broker, gateways and journal could not be held against each other: %s", r.SidesProblem)
	case !r.Balanced:
		say("NOT BALANCED.")
	case len(r.Gateways) == 0:
		say("No gateway has received anything yet.")
	case slices.ContainsFunc(r.Gateways, func(b ingest.Balance) bool { return b.Missing != 0 || b.Forgotten > 0 }):
		say("Balanced: every message %s is accounted for, but for the settled.", extent(r))
	default:
		say("Balanced: every message %s is accounted for.", extent(r))
	}
	for _, s := range r.Sides {
		if s.Waiting != nil && *s.Waiting > 0 {
			say("%s waiting for gateway %s: acknowledged, and not taken yet.", terminal.Messages(int64(*s.Waiting)), s.Gateway)
		}
		switch {
		case s.DoorProblem != "":
			say("Gateway %s: %s.", s.Gateway, strings.TrimSuffix(s.DoorProblem, "."))
		case s.TakenProblem != "":
			say("Gateway %s: its own count is not known: %s.", s.Gateway, s.TakenProblem)
		case !s.Compared:
			say("Gateway %s: what was acknowledged is not held against it yet; nothing may be under way for that moment.", s.Gateway)
		}
	}
	lines = append(lines, brokerWords(r.Sides)...)
	if len(r.Sides) == 0 && len(r.Gateways) > 0 && r.SidesProblem == "" {
		say("What was acknowledged and what the gateways took is not known here: the gateways run in another process.")
	}
	if queued > 0 {
		say("%s waiting in the journal for the store.", terminal.Messages(queued))
	}
	return strings.Join(lines, "\n")
}

// brokerWords says what brokers that are other programs tell of themselves, once for
// gateways of which the same is to be said.
func brokerWords(sides []ingest.Side) (lines []string) {
	of := map[string][]string{}
	for _, s := range sides {
		if s.Broker == nil {
			continue
		}
		b, name := s.Broker, "its broker"
		if b.Name != "" {
			name += " (" + b.Name + ")"
		}
		line := ""
		switch {
		case b.Dropped == nil:
			line = fmt.Sprintf("whether %s drops what it has acknowledged is not known, for %s; docs/brokers.md says how to prove that it does not", name, b.Problem)
		case *b.Dropped > 0:
			line = fmt.Sprintf("%s says to have dropped %s since %s, for all its clients, not only for this gateway", name, terminal.Messages(int64(*b.Dropped)), terminal.Moment(b.Since))
		}
		if b.Restarts > 0 || b.Forgotten > 0 {
			if line != "" {
				line += "; "
			}
			line += fmt.Sprintf("restarts of %s that were seen: %s, sessions of the gateway that it had lost: %s", name, terminal.Grouped(int64(b.Restarts)), terminal.Grouped(int64(b.Forgotten)))
		}
		if line == "" {
			continue
		}
		if of[line] == nil {
			lines = append(lines, line)
		}
		of[line] = append(of[line], s.Gateway)
	}
	for i, line := range lines {
		lines[i] = fmt.Sprintf("Gateway %s: %s.", strings.Join(of[line], ", "), line)
	}
	return lines
}

// settledShown is how many settled losses are printed, the newest.
const settledShown = 10

// printSettled prints the losses that somebody has acknowledged, one line for each
// acknowledgement, gateway and side.
func printSettled(w io.Writer, r ingest.Report) {
	var lines []ingest.Settlement
	for _, s := range r.Settlements {
		s.Epoch = ""
		last := len(lines) - 1
		if same := s; last >= 0 {
			if same.Lost = lines[last].Lost; same == lines[last] {
				lines[last].Lost += s.Lost
				continue
			}
		}
		lines = append(lines, s)
	}
	if more := len(lines) - settledShown; more > 0 {
		fmt.Fprintf(w, "\n%d earlier losses are settled: haidang audit --json lists them.", more)
		lines = lines[more:]
	}
	for _, s := range lines {
		fmt.Fprint(w, "\n"+settledText(s))
	}
	if len(lines) > 0 {
		fmt.Fprintln(w)
	}
}

// settledText is one settled loss in words.
func settledText(s ingest.Settlement) string {
	n, at := terminal.Messages(s.Lost), terminal.Moment(s.At)
	if s.Who == "" {
		return fmt.Sprintf("Settled, and found again by %s: %s of gateway %s.", at, terminal.Messages(abs(s.Lost)), s.Gateway)
	}
	var what string
	switch s.What {
	case ingest.LackValues:
		what = fmt.Sprintf("%s values that the store lacked", terminal.Grouped(s.Lost))
	case ingest.LackForgotten:
		what = fmt.Sprintf("%s of gateway %s of which only a newer ledger knew", n, s.Gateway)
	case ingest.LackDoor:
		what = fmt.Sprintf("%s lost that were acknowledged (%s)", n, s.Gateway)
	case ingest.LackDropped:
		what = fmt.Sprintf("%s that the broker of gateway %s had dropped", n, s.Gateway)
	case ingest.LackSession:
		what = fmt.Sprintf("%s lost sessions of gateway %s", terminal.Grouped(s.Lost), s.Gateway)
	case ingest.LackJournal:
		what = fmt.Sprintf("%s of gateway %s that the journal lacked", n, s.Gateway)
	default:
		what = fmt.Sprintf("%s of gateway %s missing", n, s.Gateway)
	}
	why := s.Why
	if why == "" {
		why = "no note"
	}
	return fmt.Sprintf("Settled: %s before %s, by %s: %s", what, at, s.Who, strings.Join(strings.Fields(why), " "))
}

// extent says of which messages a balance tells: of all that was acknowledged
// and that do not wait there, if that is known of every gateway.
func extent(r ingest.Report) string {
	doors := 0
	for _, s := range r.Sides {
		if s.Door != nil && s.Compared && s.DoorProblem == "" {
			doors++
		}
	}
	if doors == 0 || doors < len(r.Gateways) {
		return "that the gateways have received"
	}
	for _, s := range r.Sides {
		if *s.Waiting > 0 {
			return "that was acknowledged and the gateways have taken"
		}
	}
	return "that was acknowledged"
}

func abs(n int64) int64 { return max(n, -n) }
