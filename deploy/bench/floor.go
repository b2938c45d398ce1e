package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
)

// floor is the least that a listener can do for a message that must not be lost: receive it,
// write it with one synced write for all that came meanwhile, acknowledge it. It knows no
// sessions, access, TLS or retained messages, and its file cannot be asked.
type floor struct {
	file  *os.File
	count atomic.Int64

	mu      sync.Mutex
	pending []byte // of the next write
	acks    []ack
	wake    chan struct{}
}

// ack is a message that waits for the write.
type ack struct {
	conn *floorConn
	id   uint16
}

// floorConn gathers what is to be written to a connection.
type floorConn struct {
	net.Conn
	out []byte
}

// maxPacket bounds a packet, in bytes.
const maxPacket = 1 << 20

// runFloor serves until it is killed.
func runFloor(mqtt, web, file string) error {
	f := &floor{wake: make(chan struct{}, 1)}
	var err error
	if f.file, err = os.Create(file); err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	listener, err := net.Listen("tcp", mqtt)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	go func() {
		if err := f.commit(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}()
	go func() {
		mux := http.NewServeMux()
		mux.HandleFunc("/count", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, f.count.Load()) })
		fmt.Fprintln(os.Stderr, http.ListenAndServe(web, mux))
		os.Exit(1)
	}()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		go func() {
			defer conn.Close()
			if err := f.serve(&floorConn{Conn: conn}); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
}

// serve reads a connection's packets.
func (f *floor) serve(c *floorConn) error {
	r := bufio.NewReaderSize(c, 4096)
	for {
		head, err := r.ReadByte()
		if err != nil {
			return err
		}
		size, err := binary.ReadUvarint(r) // MQTT's length has the same form, up to four bytes
		if err != nil || size > maxPacket {
			return fmt.Errorf("read packet of %d bytes: %w", size, err)
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(r, body); err != nil {
			return err
		}
		switch head >> 4 {
		case 1: // CONNECT
			_, err = c.Write([]byte{0x20, 2, 0, 0})
		case 3: // PUBLISH
			err = f.publish(c, head, body)
		case 12: // PINGREQ
			_, err = c.Write([]byte{0xd0, 0})
		case 14: // DISCONNECT
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// publish adds a message to the next write.
func (f *floor) publish(c *floorConn, head byte, body []byte) error {
	if len(body) < 2 {
		return errors.New("PUBLISH is cut off")
	}
	at := 2 + int(binary.BigEndian.Uint16(body))
	if head>>1&3 == 0 { // QoS 0 is not promised anything
		return nil
	}
	if len(body) < at+2 {
		return errors.New("PUBLISH is cut off")
	}
	f.mu.Lock()
	f.pending = append(binary.AppendUvarint(f.pending, uint64(len(body))), body...)
	f.acks = append(f.acks, ack{c, binary.BigEndian.Uint16(body[at:])})
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
	return nil
}

// commit writes what has come, again and again.
func (f *floor) commit() error {
	var data []byte
	var acks []ack
	for range f.wake {
		f.mu.Lock()
		data, f.pending = f.pending, data[:0]
		acks, f.acks = f.acks, acks[:0]
		f.mu.Unlock()
		if _, err := f.file.Write(data); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if err := f.file.Sync(); err != nil {
			return fmt.Errorf("sync: %w", err)
		}
		f.count.Add(int64(len(acks)))
		for _, a := range acks {
			a.conn.out = append(a.conn.out, 0x40, 2, byte(a.id>>8), byte(a.id))
		}
		for _, a := range acks {
			if len(a.conn.out) > 0 {
				_, _ = a.conn.Write(a.conn.out) // whoever has gone comes again
				a.conn.out = a.conn.out[:0]
			}
		}
	}
	return nil
}
