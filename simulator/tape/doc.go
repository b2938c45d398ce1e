// Package tape records MQTT messages and plays them again.
//
// # Format
//
// A tape is zstd-compressed JSON lines, one for each message in the order of
// their arrival, after one that says what the tape is:
//
//	{"haidang_tape":1,"made":"2026-11-21T02:00:00Z","source":"tcp://127.0.0.1:1883","topics":["kh/#"]}
//	{"time":"2026-11-21T02:00:00.123456Z","topic":"kh/nha-trang/noise/n-1","qos":1,"text":"{\"laeq\":61.2}"}
//	{"time":"2026-11-21T02:00:00.200000Z","topic":"kh/nha-trang/x/y","qos":0,"retain":true,"base64":"/w=="}
//
// A payload that is not UTF-8 is in base64, any other in text. Ordinary tools
// read it: zstdcat city.tape | jq -r .topic
//
// # Blocks
//
// The file is a row of blocks, each a zstd frame of its own that holds whole
// lines, with a label before it: a frame that zstd skips, which says how long the
// block is, and the first and last time in it.
//
//	label │ header line │ label │ lines … │ label │ lines … │ …
//
// So there is no index to lose. Who wants an hour out of a large tape goes from
// label to label, a few reads to each MiB of lines, and decompresses only what it
// wants. Two tapes made one by `cat` are one tape if their headers are the same.
//
// # Guarantee
//
// A block is on disk, synced, before its messages are acknowledged to the broker:
// a recording that is killed, or whose disk runs full, is readable to its last
// whole block, and what is not in it the broker still has.
package tape
