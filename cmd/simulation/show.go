package simulation

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/simulator"
)

// rate is a number of messages a second, written like 20000/s.
type rate float64

// Decode implements kong.MapperValue.
func (r *rate) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("rate", &text); err != nil {
		return err
	}
	number, per := strings.TrimSuffix(text, "/s"), 1.0
	if n, ok := strings.CutSuffix(text, "/min"); ok {
		number, per = n, 60
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n > 0 && n <= 1e6) {
		return fmt.Errorf("%q is not a rate: write it like 20000/s, or 90/min for fewer", text)
	}
	*r = rate(n / per)
	return nil
}

// sentText is one line for a terminal.
func sentText(s simulator.Stats) string {
	var b strings.Builder
	if s.Planned == 0 && s.Connected < s.Connections {
		return fmt.Sprintf("connecting: %s of %s", terminal.Grouped(int64(s.Connected)), terminal.Grouped(int64(s.Connections)))
	}
	if !s.From.IsZero() {
		share := min(1, max(0, float64(s.At.Sub(s.From))/float64(s.To.Sub(s.From))))
		fmt.Fprintf(&b, "%s  %s  ", terminal.ProgressBar(share), s.At.In(terminal.Vietnam()).Format("2006-01-02 15:04:05"))
	}
	fmt.Fprintf(&b, "sent %s", terminal.Grouped(int64(s.Sent)))
	if s.Latency.Count > 0 || s.Acknowledged > 0 {
		fmt.Fprintf(&b, "  acknowledged %s", terminal.Grouped(int64(s.Acknowledged)))
	}
	for _, more := range []struct {
		name string
		n    uint64
	}{{"late", s.Late}, {"failed", s.Failed}, {"resent", s.Resent}, {"withheld", s.Withheld}} {
		if more.n > 0 {
			fmt.Fprintf(&b, "  %s %s", more.name, terminal.Grouped(int64(more.n)))
		}
	}
	fmt.Fprintf(&b, "  %s/s, mean %s/s", terminal.Grouped(int64(s.Rate)), terminal.Grouped(int64(s.MeanRate)))
	if l := s.Latency; l.Count > 0 {
		fmt.Fprintf(&b, "  p50 %s p90 %s p99 %s p99.9 %s max %s", millis(l.P50), millis(l.P90), millis(l.P99), millis(l.P999), millis(l.Max))
	}
	fmt.Fprintf(&b, "  connected %d/%d", s.Connected, s.Connections)
	return b.String()
}

// millis is a time in milliseconds, short.
func millis(ms float64) string {
	switch {
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.0f s", ms/1000)
}

// trust is how ssl:// is spoken; nil is as this machine does.
func (c *Simulate) trust() (*tls.Config, error) {
	client, err := c.client().Client()
	if err != nil || c.CA == "" {
		return nil, err
	}
	return client.Transport.(*http.Transport).TLSClientConfig, nil
}

// checkFiles says what to do where the system allows fewer open files than there
// are to be connections.
func checkFiles(connections int) error {
	const others = 64 // the program's own, and those that come and go
	have, need := openFiles(), uint64(connections+others)
	if have == 0 || have >= need {
		return nil
	}
	return fmt.Errorf("%s connections need %s open files, and this process may have %s: raise the limit (ulimit -Hn %d as root, LimitNOFILE= in systemd), or give fewer --connections",
		terminal.Grouped(int64(connections)), terminal.Grouped(int64(need)), terminal.Grouped(int64(have)), need)
}

// withMetrics runs the simulator, and beside it a listener for its metrics if
// there is an address for one.
func withMetrics(ctx context.Context, address string, sim *simulator.Simulator) error {
	if address == "" {
		return sim.Run(ctx)
	}
	if !access.Loopback(address) {
		return fmt.Errorf("--metrics is %q: nobody logs in there, so give an address of the loopback, such as 127.0.0.1:9464", address)
	}
	reg := terminal.NewMetrics()
	if err := sim.Register(reg); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen on --metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	err = sim.Run(ctx)
	_ = srv.Close() // who scrapes has nothing to lose
	if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serve --metrics: %w", failed))
	}
	return err
}

// whyNotIn adds to a broker's no what to do about it.
func whyNotIn(err error, ca string) error {
	var (
		refused  *simulator.Refusal
		unknown  x509.UnknownAuthorityError
		other    x509.HostnameError
		notTLS   tls.RecordHeaderError
		remedies = ""
	)
	switch {
	case errors.As(err, &refused):
		remedies = "are --broker-user and HAIDANG_BROKER_PASSWORD right? A city with --mqtt-credentials wants --credentials FILE, and with --register it gets to know the devices; secrets it has revoked are to be taken out of the file"
	case errors.As(err, &unknown) && ca == "":
		remedies = "if this is your own authority, give its certificate with --ca FILE"
	case errors.As(err, &unknown):
		remedies = "is --ca the authority that issued this certificate?"
	case errors.As(err, &other):
		remedies = "give the broker by a name that its certificate has"
	case errors.As(err, &notTLS):
		remedies = "nothing is encrypted there: does --broker begin with tcp://?"
	case errors.Is(err, syscall.ECONNREFUSED):
		remedies = "is a broker, such as that of `haidang up`, running there?"
	case errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET):
		remedies = "it hung up: is MQTT encrypted there (ssl://), or are all its connections taken?"
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded):
		remedies = "it does not answer: are host and port right, is MQTT encrypted there (ssl://), does a firewall stand between?"
	default:
		return err
	}
	return fmt.Errorf("%w: %s", err, remedies)
}
