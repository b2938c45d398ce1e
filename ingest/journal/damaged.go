package journal

import (
	"bytes"
	"strconv"
	"strings"
)

// MessagesIn is how many messages the records had of which bytes are left, as far as
// their headers can still be read: those of a damaged piece of the stream's files.
func MessagesIn(piece []byte) (n uint64) {
	for {
		_, rest, found := bytes.Cut(piece, []byte(recordHeader+": "))
		if !found {
			return n
		}
		line, _, _ := bytes.Cut(rest, []byte("\r"))
		if fields := strings.Fields(string(line)); len(fields) > 1 {
			count, _ := strconv.ParseUint(fields[1], 10, 16) // a damaged number tells nothing
			n += count
		}
		piece = rest
	}
}
