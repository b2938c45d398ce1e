package simulation

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest"
)

const (
	// queueLook is how often the city is asked whether it has caught up.
	queueLook = 250 * time.Millisecond
	// queueLooks is after how many looks without progress it is waited for no more.
	queueLooks = 60
)

// catchUp waits until the city has been through every message that it had received
// when this began: what still waits in its journal would be told as lost. What does
// not move, because its store is away, is said and not waited for.
func (c *Verify) catchUp(ctx context.Context, out *terminal.Output) error {
	show := terminal.NewCourse(out, c.JSON)
	defer show.Clear()
	until := map[string]uint64{}
	for before, still := uint64(0), 0; ; {
		var r ingest.Report
		if err := c.Call(ctx, http.MethodGet, "/api/v1/ledger", nil, &r); err != nil {
			return err
		}
		left := uint64(0)
		for _, g := range r.Gateways {
			if _, known := until[g.Gateway]; !known {
				until[g.Gateway] = g.Received
			}
			if target := until[g.Gateway]; g.Position < target {
				left += target - g.Position
			}
		}
		if left == 0 {
			return nil
		}
		if still++; left != before {
			before, still = left, 0
		}
		if still >= queueLooks {
			fmt.Fprintf(out.Stderr, "%s waiting in the city's journal, and it does not move: what is told as lost may be among them. See haidang audit, and verify again when the store takes them.\n", terminal.Messages(int64(left)))
			return nil
		}
		if !c.JSON {
			show.Line(nil, terminal.Messages(int64(left))+" still in the city's journal …")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(cmp.Or(c.look, queueLook)):
		}
	}
}
