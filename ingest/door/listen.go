package door

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/coder/websocket"
)

// acceptPause is how long nobody is let in while there is no place for one more who has
// not said who he is; the system keeps them waiting.
const acceptPause = 20 * time.Millisecond

// keepAliveOfTCP finds within seven minutes who is gone without a word: a client of MQTT 3
// may have no keep-alive of its own. Go's default asks every 15 s, which costs a device on
// a mobile network 18 MB a month.
func keepAliveOfTCP() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 5 * time.Minute, Interval: 30 * time.Second, Count: 4}
}

// accept lets clients in until the listener is closed.
func (d *Door) accept(ctx context.Context, l net.Listener) error {
	for {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			// Too many open files, say: it passes.
			d.o.Logger.Error("cannot accept an MQTT connection; trying again", "error", err)
			if !pause(ctx, time.Second) {
				return nil
			}
			continue
		}
		c := newConn(d, nc, false, addrPort(nc.RemoteAddr()), d.here(nc))
		if !d.enter(ctx, c) {
			c.shut()
			continue
		}
		d.serving.Add(1)
		go func() {
			defer d.serving.Done()
			c.serve(ctx)
		}()
	}
}

// enter gives a connection a place among those that are half open.
func (d *Door) enter(ctx context.Context, c *conn) bool {
	for {
		out, wait, err := d.clients.enter(c, d.o.Now())
		if out != nil {
			out.shut()
		}
		if err != nil {
			if !errors.Is(err, errStopping) {
				c.refused(RefusedConnect, "", err.Error(), codeBusy())
			}
			return false
		}
		if !wait {
			return true
		}
		if !pause(ctx, acceptPause) {
			return false
		}
	}
}

// here says whether a client is on this machine: on the loopback, or at the one address
// that is listened on. Where all addresses are, only the loopback is: what comes by
// another one may have been forwarded.
func (d *Door) here(nc net.Conn) bool {
	from := addrPort(nc.RemoteAddr()).Addr()
	if from.IsLoopback() {
		return true
	}
	to := addrPort(d.listener.Addr()).Addr()
	return from.IsValid() && !to.IsUnspecified() && from == to
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		p := tcp.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}

// pause waits, and reports false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// WebSocket serves MQTT over WebSocket (subprotocol mqtt) on an HTTP listener.
func (d *Door) WebSocket() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, ok := d.join()
		if !ok {
			http.Error(w, "MQTT is not served at the moment", http.StatusServiceUnavailable)
			return
		}
		defer d.serving.Done()
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols: []string{"mqtt", "mqttv3.1"},
			// Who it is, CONNECT says, and no cookie: any page may connect. Where nobody is
			// asked who it is, a foreign page must not speak for its reader.
			InsecureSkipVerify: d.o.Authenticator != nil,
		})
		if err != nil {
			return // it has been answered
		}
		ws.SetReadLimit(-1) // packets are bounded, and read as they come
		if ws.Subprotocol() == "" {
			_ = ws.Close(websocket.StatusPolicyViolation, "offer the subprotocol mqtt")
			return
		}
		remote, _ := netip.ParseAddrPort(r.RemoteAddr)
		remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
		c := newConn(d, &webSocket{ws: ws}, r.TLS != nil, remote, remote.Addr().IsLoopback() || isLocal(r, remote))
		if !d.enter(ctx, c) {
			c.shut()
			return
		}
		c.serve(ctx)
	})
}

// isLocal says whether a request has come from the very address that it has reached.
func isLocal(r *http.Request, remote netip.AddrPort) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && remote.Addr().IsValid() && addrPort(local).Addr() == remote.Addr()
}

// webSocket is a WebSocket as a stream of bytes: MQTT packets may lie across its
// messages, which are binary.
type webSocket struct {
	ws    *websocket.Conn
	in    io.Reader
	until time.Time
}

func (w *webSocket) Read(b []byte) (int, error) {
	for {
		if w.in == nil {
			kind, in, err := w.ws.Reader(context.Background())
			if err != nil {
				return 0, err
			}
			if kind != websocket.MessageBinary {
				return 0, fmt.Errorf("a WebSocket message is not binary")
			}
			w.in = in
		}
		n, err := w.in.Read(b)
		if errors.Is(err, io.EOF) {
			w.in, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (w *webSocket) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithDeadline(context.Background(), w.until)
	defer cancel()
	if err := w.ws.Write(ctx, websocket.MessageBinary, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close says good bye and does not wait long for an answer.
func (w *webSocket) Close() error {
	return w.ws.Close(websocket.StatusNormalClosure, "")
}

func (w *webSocket) LocalAddr() net.Addr                { return nil }
func (w *webSocket) RemoteAddr() net.Addr               { return nil }
func (w *webSocket) SetDeadline(t time.Time) error      { return w.SetWriteDeadline(t) }
func (w *webSocket) SetReadDeadline(time.Time) error    { return nil }
func (w *webSocket) SetWriteDeadline(t time.Time) error { w.until = t; return nil }

// webSocket is the connection's, if it is one.
func (c *conn) webSocket() *webSocket {
	w, _ := c.nc.(*webSocket)
	return w
}
