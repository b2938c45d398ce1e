package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// FormerRecord is a record of one message as it was before there were epochs.
func FormerRecord(gateway string, first byte, payload string) []byte {
	b := append([]byte("HDJ\x01"), byte(len(gateway)))
	b = append(append(b, gateway...), first, 0, 1, 0, 0, 1, 't', byte(len(payload)))
	b = append(b, payload...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}
