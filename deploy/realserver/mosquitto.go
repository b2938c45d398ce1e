package realserver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// MosquittoOptions changes how the broker is configured. The zero value is a
// broker that allows anonymous clients, limits neither in-flight nor queued
// messages, and saves its sessions when it is stopped and every two seconds.
type MosquittoOptions struct {
	// SaveEveryChange saves the sessions after each turn of the broker's loop
	// in which one changed, so that what it had acknowledged before a Kill is
	// there after the Start, but for the last few milliseconds. It writes all
	// its sessions each time: for tests with little traffic.
	SaveEveryChange bool
	// Config is added to the end of the configuration file, as it is.
	Config string
}

// Mosquitto starts Debian's Mosquitto. The URL is mqtt://127.0.0.1:PORT.
func Mosquitto(t testing.TB, options MosquittoOptions) *Server {
	t.Helper()
	binary := find("mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto")
	if binary == "" {
		missing(t, "mosquitto", "apt-get install mosquitto")
	}
	return launch(t, program{
		name:   "mosquitto",
		scheme: "mqtt",
		ports:  1,
		arguments: func(dir string, ports []int) ([]string, error) {
			path := filepath.Join(dir, "mosquitto.conf")
			text, err := mosquittoConfig(dir, ports[0], options)
			if err != nil {
				return nil, err
			}
			return []string{"-c", path}, os.WriteFile(path, []byte(text), 0o600)
		},
		ready: mqttReady,
	}, binary)
}

func mosquittoConfig(dir string, port int, options MosquittoOptions) (string, error) {
	// Started by root, Mosquitto becomes its own user, who may not enter the
	// test's directory.
	who, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("look up user: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "user %s\n", who.Username)
	fmt.Fprintf(&b, "listener %d 127.0.0.1\n", port)
	b.WriteString("allow_anonymous true\n")
	b.WriteString("max_inflight_messages 0\n")
	b.WriteString("max_queued_messages 0\n")
	b.WriteString("max_queued_bytes 0\n")
	b.WriteString("persistence true\n")
	fmt.Fprintf(&b, "persistence_location %s/\n", dir)
	b.WriteString("autosave_interval 1\n")
	fmt.Fprintf(&b, "autosave_on_changes %t\n", options.SaveEveryChange)
	b.WriteString("log_dest stderr\n")
	b.WriteString("log_type error\nlog_type warning\nlog_type notice\nlog_type information\n")
	b.WriteString(options.Config)
	b.WriteString("\n")
	return b.String(), nil
}

// mqttReady connects as an MQTT 3.1.1 client with a clean session and waits for
// the broker's CONNACK, so that ready means more than an open port.
func mqttReady(ctx context.Context, address string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	connect := []byte{
		0x10, 17, // CONNECT, remaining length
		0, 4, 'M', 'Q', 'T', 'T', 4, // protocol, level
		0x02,  // clean session
		0, 10, // keep alive, seconds
		0, 5, 'r', 'e', 'a', 'd', 'y', // client id
	}
	if _, err := conn.Write(connect); err != nil {
		return err
	}
	answer := make([]byte, 4)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return fmt.Errorf("read CONNACK: %w", err)
	}
	if !bytes.Equal(answer, []byte{0x20, 2, 0, 0}) {
		return fmt.Errorf("broker answered % x to CONNECT", answer)
	}
	_, err = conn.Write([]byte{0xe0, 0}) // DISCONNECT
	return err
}
