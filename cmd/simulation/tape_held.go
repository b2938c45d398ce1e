package simulation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/simulator/tape"
)

// heldAsked is how many of the devices a city is asked about.
const heldAsked = 20

// checkHeld asks the city whether it holds readings of the tape's devices and
// times already, and if so says so before anything is sent.
func (c *Replay) checkHeld(ctx context.Context, in *tape.Reader, hint io.Writer) error {
	span, err := in.Span()
	if err != nil {
		return fmt.Errorf("read tape: %w", err)
	}
	from, to := span.First, span.Last
	if f := time.Time(c.From); f.After(from) {
		from = f
	}
	if t := time.Time(c.To); !t.IsZero() && t.Before(to) {
		to = t
	}
	series, err := c.someSeries(in)
	if err != nil || to.Before(from) {
		return err
	}
	ask := terminal.ClientFlags{URL: c.City, Token: c.Token}
	return checkHeld(ctx, ask, series, from, to, "add --again to play all the same (the same readings count as duplicates), or --shift-to-now", hint)
}

// checkHeld is an error, with a remedy, if the city holds readings of any of the
// devices between two times. A city that cannot be asked is told of on the way.
func checkHeld(ctx context.Context, ask terminal.ClientFlags, series []taped, from, to time.Time, remedy string, hint io.Writer) error {
	for _, s := range series {
		held, err := heldReadings(ctx, ask, s, from, to)
		if err != nil {
			fmt.Fprintf(hint, "Cannot tell whether the city already holds these times: %v\n", err)
			return nil
		}
		if held > 0 {
			return fmt.Errorf("the city at %s already holds readings of %s between %s and %s: %s",
				terminal.Redact(ask.URL), s.device, from.In(terminal.Vietnam()).Format("2006-01-02 15:04"), to.In(terminal.Vietnam()).Format("2006-01-02 15:04"), remedy)
		}
	}
	return nil
}

// taped is whose readings are to be sent.
type taped struct{ kind, device string }

// someSeries are the first devices on the tape that the native topics name.
func (c *Replay) someSeries(in *tape.Reader) ([]taped, error) {
	in.From(time.Time(c.From))
	seen := map[taped]bool{}
	var out []taped
	for range 100_000 {
		m, err := in.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, tape.ErrCut) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read tape: %w", err)
		}
		parts := strings.Split(m.Topic, "/")
		if len(parts) != 4 || parts[0] != "kh" || parts[2] == "status" || parts[2] == "command" {
			continue
		}
		if s := (taped{parts[2], parts[3]}); !seen[s] {
			seen[s] = true
			if out = append(out, s); len(out) == heldAsked {
				break
			}
		}
	}
	return out, nil
}

// heldReadings is how many of a device's metrics have values in the city's store.
func heldReadings(ctx context.Context, ask terminal.ClientFlags, s taped, from, to time.Time) (int64, error) {
	window := max(time.Second, to.Sub(from).Truncate(time.Millisecond)) + time.Millisecond
	query := fmt.Sprintf(`count(last_over_time({__name__=~%q,device=%q}[%dms]))`, s.kind+"_.+", s.device, window.Milliseconds())
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	q := url.Values{"query": {query}, "time": {to.UTC().Format(time.RFC3339Nano)}}
	if err := ask.Call(ctx, http.MethodGet, terminal.PrometheusPath+"/api/v1/query?"+q.Encode(), nil, &answer); err != nil {
		return 0, err
	}
	if len(answer.Data.Result) == 0 {
		return 0, nil
	}
	text, _ := answer.Data.Result[0].Value[1].(string)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	return n, nil
}
