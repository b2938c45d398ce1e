package door

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// TCP asks who is silent whether he is there, for a client may have no keep-alive of MQTT.
func TestKeepAliveOfTCP(t *testing.T) {
	d, err := Open(t.Context(), Options{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.closeListener()
	client, err := net.Dial("tcp", d.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	nc, err := d.listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	option := func(level, name int) (value int) {
		if e := raw.Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), level, name) }); e != nil || err != nil {
			t.Fatal(e, err)
		}
		return value
	}
	if option(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE) == 0 {
		t.Error("nobody is asked")
	}
	idle, every, count := option(syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE), option(syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL), option(syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT)
	if longest := time.Duration(idle+every*count) * time.Second; idle < 60 || longest > 10*time.Minute {
		t.Errorf("asked after %d s, then every %d s, %d times: want no more often than once a minute, and an end within ten minutes", idle, every, count)
	}
}
