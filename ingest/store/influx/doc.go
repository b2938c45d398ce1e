// Package influx stores points in any server that speaks InfluxDB's write API of
// version 2, POST /api/v2/write: InfluxDB 1.8, 2.x and 3, and VictoriaMetrics.
//
// # What is written
//
// One line for each point, in line protocol with millisecond times. The
// measurement is the kind, each metric a float field, and the tags are device,
// locality and site:
//
//	air_quality,device=a1,locality=nha-trang,site=tran-phu pm25=12.4,pm10=30.1 1795293600123
//
// VictoriaMetrics makes of it the series air_quality_pm25{…}, which is how the
// embedded store names it too. Everything of a point is its identity but the
// values, so writing it again changes nothing. Another value for the same time
// replaces the first one in InfluxDB without a word, and of two VictoriaMetrics
// shows the larger; so what may contradict what is stored goes through a
// [store.Guard].
//
// # What is refused
//
// A refusal is about the data only if an InfluxDB says so: status 400 or 422 with
// its JSON, {"error":"partial write: …"} of 1.8, {"code":…,"message":…} of 2,
// {"error":…,"data":[{"line_number":…,"error_message":…}]} of 3, in words that
// blame the data. Then the batch is divided until the values it will not take are
// found; all others are written. InfluxDB writes the good part of a batch and says
// 400 all the same; dividing writes that part twice, which changes nothing. If all
// of a call is refused, the server is given once more what it took before: one that
// refuses that too refuses everything, and nothing is rejected.
//
// A body that is too large (413, of a proxy most likely) is sent in smaller ones.
// Any other answer, and none at all, leaves open what became of the batch: it is to
// be written again, and the error says what an operator can do about it.
//
// # What a server must be told
//
// InfluxDB 1.8: the bucket is "database" or "database/retention-policy", the
// token "user:password", or empty where there is no authentication.
//
// VictoriaMetrics answers 204 to everything, data it drops included: points
// older than its retention or more than two days ahead. Options.Retention
// rejects the former before they are sent. It stores a point that is written
// twice twice, unless it is started with -dedup.minScrapeInterval=1ms, which it
// must be. And it keeps what it has acknowledged in memory for up to
// -inmemoryDataFlushInterval, 5 s by default: a crash of that server loses it.
// No writer can mend that; InfluxDB does not have this gap.
package influx
