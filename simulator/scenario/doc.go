// Package scenario reads scenarios from YAML, and knows those that are shipped.
//
//	name: rush-hour
//	title: {vi: Giờ cao điểm, en: Rush hour}
//	seed: 7
//	period: {start: 2026-03-10 06:00, for: 3h}
//	fleet:
//	  - {kind: traffic, localities: [nha-trang], count: 40}
//	  - {kind: air_quality, places: all, format: native, radio: nb-iot}
//	faults:
//	  - {fault: dropout, from: +1h, to: +90m, places: [cho-dam]}
//	  - {fault: spike, rate: 0.5, kinds: [air_quality], share: 0.2}
//
// A time is 2026-03-10 06:00 in the period's zone (Asia/Ho_Chi_Minh if none is
// named), RFC 3339, or +90m: since the period's start. A length of time is 90s,
// 5m, 12h or 3d. What is left out has its usual value. [Schema] describes all keys
// for editors.
package scenario
