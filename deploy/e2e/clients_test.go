package e2e_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// TestRealClients has the clients that a city's devices and people use speak to a real
// city, and proves that nothing of it is missing.
func TestRealClients(t *testing.T) {
	t.Parallel()
	mqtt := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", mqtt)
	up.ready()
	web := strings.TrimPrefix(up.url, "http://")
	t.Run("clients", func(t *testing.T) {
		t.Run("mosquitto", func(t *testing.T) {
			t.Parallel()
			mosquittoClients(t, mqtt)
		})
		t.Run("paho Python", func(t *testing.T) {
			t.Parallel()
			const python = "/usr/bin/python3" // Debian's, whose packages those of apt-get are
			need(t, "paho for Python", "apt-get install python3-paho-mqtt", exec.Command(python, "-c", "import paho.mqtt.client").Run() == nil)
			script(t, 6, python, "testdata/client.py", mqtt, web)
		})
		t.Run("npm mqtt", func(t *testing.T) {
			t.Parallel()
			folder := os.Getenv("HAIDANG_TOOLS")
			need(t, "npm's mqtt", "make tools", lookPath("node") && exists(filepath.Join(folder, "node_modules", "mqtt")))
			script(t, 6, "node", "testdata/client.cjs", folder, mqtt, web)
		})
		t.Run("small device", func(t *testing.T) {
			t.Parallel()
			smallDevice(t, mqtt)
		})
	})
	if !t.Failed() {
		audit(t, up)
	}
}

// script runs a client that says ok so many times.
func script(t *testing.T, oks int, name string, arguments ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, arguments...).CombinedOutput()
	if n := strings.Count(string(out), "ok "); err != nil || n != oks {
		t.Errorf("%s: %v, %d ok, want %d:\n%s", name, err, n, oks, out)
	}
}

// listener is a mosquitto_sub that runs.
type listener struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{}

	mu  sync.Mutex
	out strings.Builder
}

// Write implements io.Writer.
func (l *listener) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(b)
}

func (l *listener) said() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}

// await waits until it has said something so many times.
func (l *listener) await(n int, what string) {
	l.t.Helper()
	eventually(l.t, patience, fmt.Sprintf("mosquitto_sub has said %q %d times: %v", what, n, l.cmd.Args), func() bool { return strings.Count(l.said(), what) >= n })
}

// listen starts a mosquitto_sub and waits for its SUBACK. It writes a line of each
// message: got TOPIC PAYLOAD QOS RETAINED.
func listen(t *testing.T, mqtt string, arguments ...string) *listener {
	t.Helper()
	host, port, err := net.SplitHostPort(mqtt)
	if err != nil {
		t.Fatal(err)
	}
	// Its lines are to come at once, also where they go into a pipe.
	l := &listener{t: t, done: make(chan struct{})}
	l.cmd = exec.Command("stdbuf", append([]string{"-oL", "mosquitto_sub", "-h", host, "-p", port, "-d", "-F", "got %t %p %q %r"}, arguments...)...)
	l.cmd.Stdout, l.cmd.Stderr = l, l
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(l.done)
		_ = l.cmd.Wait() // it is killed
	}()
	t.Cleanup(l.kill)
	l.await(1, "Subscribed (mid")
	return l
}

func (l *listener) kill() {
	_ = l.cmd.Process.Kill() // an error: it has ended
	<-l.done
}

// tell is a mosquitto_pub; its last argument is the payload.
func tell(t *testing.T, mqtt, topic, payload string, more ...string) {
	t.Helper()
	host, port, err := net.SplitHostPort(mqtt)
	if err != nil {
		t.Fatal(err)
	}
	all := append([]string{"-h", host, "-p", port, "-t", topic, "-m", payload}, more...)
	if out, err := exec.Command("mosquitto_pub", all...).CombinedOutput(); err != nil {
		t.Errorf("mosquitto_pub %v: %v\n%s", all, err, out)
	}
}

// mosquittoClients are mosquitto_pub and mosquitto_sub, by MQTT 3.1.1 and 5.
func mosquittoClients(t *testing.T, mqtt string) {
	need(t, "mosquitto_sub", "apt-get install mosquitto-clients", lookPath("mosquitto_sub"))
	for _, version := range []string{"mqttv311", "mqttv5"} {
		own := func(kind string) string { return "kh/ninh-hoa/" + kind + "/mosquitto-" + version }
		all := listen(t, mqtt, "-V", version, "-q", "2", "-t", "kh/ninh-hoa/noise/#")
		for qos := range 3 {
			tell(t, mqtt, own("noise"), fmt.Sprintf(`{"laeq":%d}`, 50+qos), "-V", version, "-q", fmt.Sprint(qos))
			all.await(1, fmt.Sprintf(`got %s {"laeq":%d} %d 0`, own("noise"), 50+qos, qos))
		}
		// Retained, and a will.
		tell(t, mqtt, own("status"), "online", "-V", version, "-q", "1", "-r")
		watching := listen(t, mqtt, "-V", version, "-q", "1", "-t", own("status"))
		watching.await(1, "got "+own("status")+" online 1 1")
		listen(t, mqtt, "-V", version, "-t", "nothing", "--will-topic", own("status"), "--will-payload", "offline", "--will-qos", "1").kill()
		watching.await(1, "got "+own("status")+" offline 1 0")
		tell(t, mqtt, own("status"), "", "-V", version, "-q", "1", "-r")
		// What comes while a client is away waits for it.
		away := []string{"-V", version, "-c", "-i", "sleeper-" + version, "-q", "1", "-t", own("command")}
		if version == "mqttv5" {
			away = append(away, "-x", "600")
		}
		listen(t, mqtt, away...).kill()
		tell(t, mqtt, own("command"), "reboot", "-V", version, "-q", "1")
		listen(t, mqtt, away...).await(1, "got "+own("command")+" reboot 1 0")
		// Two share a subscription: each message comes to one of them.
		shared := []string{"-V", version, "-q", "1", "-t", "$share/group/" + own("weather")}
		one, two := listen(t, mqtt, shared...), listen(t, mqtt, shared...)
		for i := range 10 {
			tell(t, mqtt, own("weather"), fmt.Sprintf(`{"temperature":%d}`, 20+i), "-V", version, "-q", "1")
		}
		count := func(l *listener) int { return strings.Count(l.said(), "\ngot ") }
		eventually(t, patience, "ten messages for both", func() bool { return count(one)+count(two) >= 10 })
		if a, b := count(one), count(two); a+b != 10 || a == 0 || b == 0 {
			t.Errorf("%s: of ten messages of a shared subscription %d and %d came", version, a, b)
		}
	}
}

// smallDevice speaks as the usual libraries of microcontrollers do: clean session, QoS 0,
// a short keep-alive. It stays while it pings, and is ended when it falls silent.
func smallDevice(t *testing.T, mqtt string) {
	const keepAlive = 2 * time.Second
	conn, err := net.Dial("tcp", mqtt)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	packet := func(p packets.ControlPacket) {
		t.Helper()
		if err := p.Write(conn); err != nil {
			t.Fatal(err)
		}
	}
	answer := func() (packets.ControlPacket, error) {
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		return packets.ReadPacket(conn)
	}
	hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	hello.ProtocolName, hello.ProtocolVersion, hello.CleanSession, hello.ClientIdentifier, hello.Keepalive = "MQTT", 4, true, "ESP32_A1", uint16(keepAlive/time.Second)
	packet(hello)
	if p, err := answer(); err != nil || p.(*packets.ConnackPacket).ReturnCode != packets.Accepted {
		t.Fatalf("CONNACK: %v, %v", p, err)
	}
	for range 5 { // longer than it would be let be silent
		p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		p.TopicName, p.Payload = "kh/cam-lam/noise/ESP32_A1", []byte(`{"laeq":48}`)
		packet(p)
		packet(packets.NewControlPacket(packets.Pingreq))
		if p, err := answer(); err != nil {
			t.Fatalf("PINGRESP: %v, %v", p, err)
		} else if _, ok := p.(*packets.PingrespPacket); !ok {
			t.Fatalf("PINGREQ is answered with %v", p)
		}
		time.Sleep(keepAlive / 2)
	}
	silent := time.Now()
	if p, err := answer(); err == nil {
		t.Fatalf("it is sent %v", p)
	}
	// The last it sent was half a keep-alive before.
	if d := time.Since(silent); d < keepAlive/2 || d > 30*time.Second {
		t.Errorf("it was silent for %v before it was ended, with a keep-alive of %v", d, keepAlive)
	}
}
