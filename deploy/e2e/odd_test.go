package e2e_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"
)

// raw is an MQTT connection of which every byte is the test's: no client library would
// send what is sent here.
type raw struct {
	t       *testing.T
	conn    net.Conn
	in      *bufio.Reader
	version byte
}

// rawText is a string as MQTT has it.
func rawText(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}

// rawPacket is a packet of a first byte and a body.
func rawPacket(first byte, body []byte) []byte {
	out := []byte{first}
	for n := len(body); ; {
		digit := byte(n % 128)
		if n /= 128; n > 0 {
			out = append(out, digit|0x80)
			continue
		}
		return append(append(out, digit), body...)
	}
}

// rawConnect is a CONNECT with a clean session.
func rawConnect(version byte, client, user, secret string) []byte {
	name := "MQTT"
	if version == 3 {
		name = "MQIsdp"
	}
	body := append(rawText(name), version, 2, 0, 60)
	if user != "" {
		body[len(body)-3] |= 0xc0
	}
	if version == 5 {
		body = append(body, 0)
	}
	body = append(body, rawText(client)...)
	if user != "" {
		body = append(append(body, rawText(user)...), rawText(secret)...)
	}
	return rawPacket(0x10, body)
}

// dialRaw connects and sends a first packet.
func dialRaw(t *testing.T, address string, trust *tls.Config, version byte, first []byte) *raw {
	t.Helper()
	var conn net.Conn
	var err error
	if trust != nil {
		conn, err = tls.DialWithDialer(&net.Dialer{Timeout: time.Minute}, "tcp", address, trust)
	} else {
		conn, err = net.DialTimeout("tcp", address, time.Minute)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r := &raw{t: t, conn: conn, in: bufio.NewReader(conn), version: version}
	r.send(first)
	return r
}

func (r *raw) send(b []byte) {
	_ = r.conn.SetDeadline(time.Now().Add(2 * time.Minute))
	_, _ = r.conn.Write(b) // that it fails is seen at the next answer
}

// answer is the next packet: its type, and the code that CONNACK, PUBACK, PUBREC, SUBACK
// and DISCONNECT have; "end" where the connection ends.
func (r *raw) answer() string {
	first, err := r.in.ReadByte()
	if err != nil {
		return "end"
	}
	n, err := binary.ReadUvarint(r.in) // MQTT's lengths are written so
	body := make([]byte, min(n, 1<<20))
	if err == nil {
		_, err = io.ReadFull(r.in, body)
	}
	if err != nil {
		return "end"
	}
	at := map[byte]int{2: 1, 4: 2, 5: 2, 9: 2, 14: 0}
	name := map[byte]string{2: "CONNACK", 4: "PUBACK", 5: "PUBREC", 9: "SUBACK", 14: "DISCONNECT"}
	code := byte(0)
	if i, ok := at[first>>4]; ok && i < len(body) {
		code = body[i]
		if first>>4 == 9 {
			code = body[len(body)-1]
		}
	}
	return fmt.Sprintf("%s %#02x", name[first>>4], code)
}

// publish sends a message, of packet id 7, and gives the answer, which QoS 0 has not.
func (r *raw) publish(topic, payload string, qos byte) string {
	body := rawText(topic)
	first := 0x30 | qos<<1
	if qos > 0 {
		body = append(body, 0, 7)
	}
	if r.version == 5 {
		body = append(body, 0)
	}
	if r.send(rawPacket(first, append(body, payload...))); qos == 0 {
		return ""
	}
	answer := r.answer()
	if answer == "PUBREC 0x00" {
		r.send([]byte{0x62, 2, 0, 7})
		r.answer() // PUBCOMP
	}
	return answer
}

// oddTopic is a PUBLISH and what becomes of it.
type oddTopic struct {
	topic, payload string
	qos            byte
	// answer is of MQTT 5; that of 3.1.1 is the same, but that it ends where 5 refuses.
	answer string
	// row is the locality in which it is counted, reason why it is not stored; of what is
	// not counted row is "".
	row, reason, nearest string
}

const (
	noRow       = "(none)"
	right       = "kh/nha-trang/air_quality/aq-01"
	puback      = "PUBACK 0x00"
	someReading = `{"pm25":12.4}`
)

func oddTopics() []oddTopic {
	taken := func(topic, payload, row, reason, nearest string) oddTopic {
		return oddTopic{topic, payload, 1, puback, row, reason, nearest}
	}
	bad := func(topic, row, nearest string) oddTopic { return taken(topic, someReading, row, "bad_topic", nearest) }
	nowhere := func(topic, nearest string) oddTopic {
		return taken(topic, someReading, noRow, "unknown_locality", nearest)
	}
	return []oddTopic{
		// What is well.
		taken(right, someReading, "nha-trang", "", ""),
		{right, `{"pm25":13.5}`, 2, "PUBREC 0x00", "nha-trang", "", ""},
		{"kh/cam-ranh/noise/n-1", `{"laeq":61}`, 0, "", "cam-ranh", "", ""},
		{"kh/nha-trang/command/aq-01", "blink", 1, puback, "", "", ""}, // for subscribers alone
		// What is wrong with more than the topic, or with less.
		taken(right, "not JSON", "nha-trang", "not_json", ""),
		taken("kh/nha-trang/noise/n-2", "", "nha-trang", "empty", ""),
		taken("kh/nha-trang/air_quality/aq-02", `{"foo":1}`, "nha-trang", "unknown_metric", ""),
		taken("kh/ninh-hoa/status/s-1", "online", "ninh-hoa", "unregistered", ""),
		taken("kh/cam-ranh/air_quality/aq-01", someReading, "cam-ranh", "unregistered", ""),
		taken("kh/nha-trang/Air_Quality/aq-01", someReading, "nha-trang", "unknown_kind", right),
		taken("kh/nha-trang/air/aq-01", someReading, "nha-trang", "unknown_kind", right),
		taken("kh/nha-trang/kitchen/x-9", someReading, "nha-trang", "unknown_kind", "kh/nha-trang/<kind>/x-9"),
		taken("kh/nha-trang/platform/haidang", someReading, "nha-trang", "unknown_kind", ""),
		// Another locality than there is.
		nowhere("kh/Nha-Trang/air_quality/aq-01", right),
		nowhere("kh/NHA-TRANG/air_quality/aq-01", right),
		nowhere("kh/nhatrang/air_quality/aq-01", right),
		nowhere("kh/nha_trang/air_quality/aq-01", right),
		nowhere("kh/nha-tranq/air_quality/aq-01", right),
		nowhere("kh/hue/noise/n-1", "kh/cam-ranh/noise/n-1"), // n-1 is known there
		nowhere("kh/hue/noise/n-77", "kh/<locality>/noise/n-77"),
		taken("kh/Cam-Ranh/noise/n-1", "not JSON", noRow, "unknown_locality", "kh/cam-ranh/noise/n-1"), // the topic first
		// No topic of ours, but for its beginning.
		bad("kh/nha-trang/air_quality/", "nha-trang", "kh/nha-trang/air_quality/<device>"),
		bad(right+"/", "nha-trang", right),
		bad(right+"/data", "nha-trang", right),
		bad("kh/nha-trang/ward-7/air_quality/aq-01", "nha-trang", right),
		bad("kh/nha-trang/aq-01", "nha-trang", right),
		bad("kh/nha-trang/", "nha-trang", "kh/nha-trang/<kind>/<device>"),
		bad("kh/nha-trang//aq-01", "nha-trang", right),
		bad("kh/nha-trang/air quality/aq-01", "nha-trang", right),
		bad("kh/nha-trang/air_quality/aq 01", "nha-trang", right),
		bad("kh/nha-trang/air_quality/trạm-1", "nha-trang", "kh/nha-trang/air_quality/tram-1"),
		bad("kh/nha-trang/air_quality/"+strings.Repeat("d", 65), "nha-trang", "kh/nha-trang/air_quality/<device>"),
		// None of ours.
		bad("kh/nha-trang", noRow, "kh/nha-trang/<kind>/<device>"),
		bad("kh/nha trang/air_quality/aq-01", noRow, right),
		bad("kh/cam-lâm/noise/n-5", noRow, "kh/cam-lam/noise/n-5"),
		bad("kh//air_quality/aq-01", noRow, right),
		bad("/"+right, noRow, right),
		bad("//"+right, noRow, right),
		bad(" "+right, noRow, right),
		bad("site-1/"+right, noRow, right),
		bad("vn/nha-trang/air_quality/aq-01", noRow, right),
		bad("KH/nha-trang/air_quality/aq-01", noRow, right),
		bad("nha-trang/air_quality/aq-01", noRow, right),
		bad("kh", noRow, ""),
		bad("/", noRow, ""),
		bad("zigbee2mqtt/kitchen", noRow, ""),
		bad("a/"+strings.Repeat("long", 15_000), noRow, ""),
		// What MQTT forbids.
		{"kh/+/air_quality/aq-01", someReading, 1, "PUBACK 0x90", "", "", ""},
		{"kh/#", someReading, 1, "PUBACK 0x90", "", "", ""},
		{"", someReading, 1, "PUBACK 0x90", "", "", ""},
		{"kh/nha-trang/air_quality/\xff", someReading, 1, "end", "", "", ""},
		{"kh/nha-trang/air_quality/a\x00b", someReading, 1, "end", "", "", ""},
	}
}

// TestOddTopics publishes to odd topics, of MQTT 3.1.1 and 5: what is acknowledged is in
// the row of its locality or in that of none, and what is not stored waits with a reason,
// and with the topic that was most likely meant.
func TestOddTopics(t *testing.T) {
	long(t)
	t.Parallel()
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker)
	up.ready()
	rows, wait := map[string][2]int{}, map[string]int{}
	all := oddTopics()
	counted := 0
	// A known device first: what is most likely meant is told from those that there are.
	for _, version := range []byte{4, 5} {
		for i, c := range all {
			r := dialRaw(t, broker, nil, version, rawConnect(version, fmt.Sprintf("odd %d.%d", version, i), "", ""))
			if answer := r.answer(); answer != "CONNACK 0x00" {
				t.Fatalf("CONNECT is answered with %s", answer)
			}
			answer := r.publish(c.topic, c.payload, c.qos)
			if strings.HasPrefix(answer, "DISCONNECT") {
				answer = r.answer()
			}
			want := c.answer
			if version == 4 && strings.HasPrefix(want, "PUBACK 0x9") {
				want = "end" // MQTT 3.1.1 has no way to refuse a message
			}
			if answer != want {
				t.Errorf("MQTT %d: %.80q is answered with %q, want %q", version, c.topic, answer, want)
			}
			r.send([]byte{0xe0, 0})
			if c.row == "" {
				continue
			}
			counted++
			n := rows[c.row]
			if c.reason == "" {
				n[0]++
			} else {
				n[1]++
				wait[c.topic+" "+c.reason]++
			}
			rows[c.row] = n
			if version == 4 && i == 2 { // until the known devices are known
				up.accounted(t, counted)
			}
		}
	}
	l := up.accounted(t, counted)
	want := map[string][2]int{"cam-lam": {}}
	for row, n := range rows {
		want[row] = n
	}
	for _, r := range l.Localities {
		if r.Gateway != "door" {
			continue
		}
		if n := [2]int{r.Stored + r.Duplicate, r.Quarantined}; n != want[r.Locality] {
			t.Errorf("of %s %v are stored and in quarantine, want %v", r.Locality, n, want[r.Locality])
		}
		delete(want, r.Locality)
	}
	if len(want) > 0 || !l.Balanced || len(l.Differences) > 0 {
		t.Errorf("balanced %t, differences %v, no rows of %v", l.Balanced, l.Differences, want)
	}
	up.oddReasons(t, all, wait)
}

type oddLedger struct {
	Balanced    bool
	Differences []any
	Localities  []struct {
		Gateway, Locality                       string
		Stored, Duplicate, Quarantined, Partial int
	}
}

// accounted waits until so many messages beside canaries are accounted for.
func (p *process) accounted(t *testing.T, n int) (l oddLedger) {
	t.Helper()
	eventually(t, patience, fmt.Sprintf("%d messages are accounted for", n), func() bool {
		l = oddLedger{}
		ask(t, p, "/api/v1/ledger", &l)
		have := 0
		for _, r := range l.Localities {
			have += r.Stored + r.Duplicate + r.Quarantined
		}
		if have > n {
			t.Fatalf("%d messages are accounted for, of %d: %+v", have, n, l.Localities)
		}
		return have == n
	})
	return l
}

// oddReasons demands of each topic how many messages wait and for what, and the nearest
// topic; in quarantine and in the list of topics that lead nowhere.
func (p *process) oddReasons(t *testing.T, all []oddTopic, wait map[string]int) {
	t.Helper()
	var page struct {
		Messages []struct {
			Topic    string
			Problems []struct{ Reason, Detail string }
		}
	}
	ask(t, p, "/api/v1/quarantine?limit=1000", &page)
	details := map[string]string{}
	for _, m := range page.Messages {
		wait[m.Topic+" "+m.Problems[0].Reason]--
		details[m.Topic] = m.Problems[0].Detail
	}
	for what, n := range wait {
		if n != 0 {
			t.Errorf("%.80q: %d messages too few in quarantine", what, n)
		}
	}
	var astray struct {
		Topics []struct {
			Topic, Reason, Nearest, Fault, Payload string
			Count                                  int
		}
	}
	ask(t, p, "/api/v1/quarantine/topics?limit=1000", &astray)
	for _, c := range all {
		listed := false
		for _, a := range astray.Topics {
			if a.Topic == c.topic && a.Reason == c.reason {
				listed = true
				if a.Count != 2 || a.Nearest != c.nearest || a.Fault == "" {
					t.Errorf("%.80q is listed as %+v, want the nearest %q", c.topic, a, c.nearest)
				}
			}
		}
		if want := c.reason == "bad_topic" || c.reason == "unknown_locality" || c.reason == "unknown_kind"; listed != want {
			t.Errorf("%.80q is listed as leading nowhere: %t, want %t", c.topic, listed, want)
		}
		if c.nearest != "" && c.reason != "unknown_locality" && !strings.Contains(details[c.topic], "did you mean "+c.nearest+"?") {
			t.Errorf("%.80q waits because %s", c.topic, details[c.topic])
		}
		if c.reason == "unknown_locality" && !strings.Contains(details[c.topic], "The registry has") && !strings.Contains(details[c.topic], "the registry has cam-lam, cam-ranh") {
			t.Errorf("%.80q waits because %s", c.topic, details[c.topic])
		}
	}
}

// TestOddClients comes to a guarded city as clients that are not let in, or that want
// what they may not: each has its reason code, and is in the journal of access.
func TestOddClients(t *testing.T) {
	long(t)
	t.Parallel()
	f := newFortress(t)
	secret := f.register("aq-1", "thap-tram-huong")
	f.register("aq-2", "cau-tran-phu")
	told := map[string]bool{}
	const own, other = "kh/nha-trang/air_quality/aq-1", "kh/nha-trang/air_quality/aq-2"
	for _, c := range []struct {
		name                  string
		version               byte
		client, user, secret  string
		answer                string // of CONNECT
		topic, filter         string // what is asked for then
		then                  string
		action, about, reason string // the event; none if empty
	}{
		{"3.1", 3, "aq-1", "aq-1", secret, "CONNACK 0x00", own, "", puback, "", "", ""},
		{"a free client id", 4, "gw.01", "aq-1", secret, "CONNACK 0x00", own, "", puback, "", "", ""},
		{"a client id of spaces and wildcards", 5, "ESP32 +/#*", "aq-1", secret, "CONNACK 0x00", own, "", puback, "", "", ""},
		{"an address as client id", 4, "192.168.1.10", "aq-1", secret, "CONNACK 0x00", own, "", puback, "", "", ""},
		{"an empty client id", 5, "", "aq-1", secret, "CONNACK 0x00", own, "", puback, "", "", ""},
		{"a wrong secret, 3.1.1", 4, "aq-1", "aq-1", "a guess", "CONNACK 0x04", "", "", "end", "credential_refused", "aq-1", "wrong_secret"},
		{"a wrong secret, 5", 5, "c", "aq-1", "a guess", "CONNACK 0x86", "", "", "end", "credential_refused", "aq-1", "wrong_secret"},
		{"nobody", 4, "aq-1", "", "", "CONNACK 0x05", "", "", "end", "credential_refused", "", ""},
		{"a stranger", 5, "c", "aq-9", secret, "CONNACK 0x86", "", "", "end", "credential_refused", "aq-9", "unknown_device"},
		{"no version", 9, "c", "aq-1", secret, "CONNACK 0x84", "", "", "end", "", "", ""},
		{"another's topic, 5", 5, "c", "aq-1", secret, "CONNACK 0x00", other, "", "PUBACK 0x87", "topic_refused", "aq-1", "not_its_topic"},
		{"another's topic, 3.1.1", 4, "c", "aq-1", secret, "CONNACK 0x00", other, "", "end", "topic_refused", "aq-1", "not_its_topic"},
		{"wrong case, 5", 5, "c", "aq-1", secret, "CONNACK 0x00", "kh/Nha-Trang/air_quality/aq-1", "", "PUBACK 0x87", "topic_refused", "aq-1", "not_its_topic"},
		{"a leading slash, 5", 5, "c", "aq-1", secret, "CONNACK 0x00", "/" + own, "", "PUBACK 0x87", "topic_refused", "aq-1", "not_its_topic"},
		{"a wildcard in a topic, 5", 5, "c", "aq-1", secret, "CONNACK 0x00", "kh/+/x", "", "PUBACK 0x90", "topic_refused", "aq-1", "wildcard"},
		{"all there is", 5, "c", "aq-1", secret, "CONNACK 0x00", "", "#", "SUBACK 0x87", "topic_refused", "aq-1", "wildcard"},
		{"all there is, 3.1.1", 4, "c", "aq-1", secret, "CONNACK 0x00", "", "#", "SUBACK 0x80", "topic_refused", "aq-1", "wildcard"},
		{"its commands", 5, "c", "aq-1", secret, "CONNACK 0x00", "", "kh/nha-trang/command/aq-1", "SUBACK 0x01", "", "", ""},
	} {
		r := dialRaw(t, f.mqtt, f.authority.client(), c.version, rawConnect(c.version, c.client, c.user, c.secret))
		if answer := r.answer(); answer != c.answer {
			t.Errorf("%s: CONNECT is answered with %s, want %s", c.name, answer, c.answer)
			continue
		}
		var then string
		switch {
		case c.topic != "":
			then = r.publish(c.topic, someReading, 1)
		case c.filter != "":
			body := []byte{0, 9}
			if c.version == 5 {
				body = append(body, 0)
			}
			r.send(rawPacket(0x82, append(append(body, rawText(c.filter)...), 1)))
			then = r.answer()
		default:
			then = r.answer()
		}
		if then != c.then {
			t.Errorf("%s: then comes %s, want %s", c.name, then, c.then)
		}
		r.conn.Close()
		if c.action == "" {
			continue
		}
		entry := c.action + c.about + c.reason
		if told[entry] { // what repeats is counted in one entry
			f.event(c.action, c.about, c.reason)
			continue
		}
		told[entry] = true
		f.told(c.name, c.action, c.about, c.reason, c.client, c.topic+c.filter)
	}
	// A device has so many connections, and the next is told why not.
	eventually(t, patience, "a device has too many connections", func() bool {
		return dialRaw(t, f.mqtt, f.authority.client(), 5, rawConnect(5, "", "aq-1", secret)).answer() == "CONNACK 0x97"
	})
	f.event("credential_refused", "aq-1", "quota_reached")
}

// told waits for an entry in the journal of access that names client and topic.
func (f *fortress) told(name, action, subject, reason, client, topic string) {
	f.t.Helper()
	q := url.Values{"action": {action}, "subject": {subject}, "reason": {reason}}
	eventually(f.t, patience, fmt.Sprintf("%s: the journal of access has %s of %q because of %s, with client %q and topic %q", name, action, subject, reason, client, topic), func() bool {
		var all []map[string]any
		f.admin.ask("GET", "/api/v1/access/events?"+q.Encode(), nil, &all, 200)
		for _, e := range all {
			if text := fmt.Sprint(e); strings.Contains(text, client) && strings.Contains(text, topic) {
				return true
			}
		}
		return false
	})
}
