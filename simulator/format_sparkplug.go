package simulator

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// sparkplugB is Eclipse Sparkplug B: protobuf at spBv1.0/{group}/NDATA/{edge
// node}. Each device is an edge node of its own; its first message since it was
// switched on is its birth. Metrics always have their names, never only an alias.
func sparkplugB() *format {
	return &format{name: SparkplugB, topic: func(d *Device) string { return sparkplugTopic(d, "NDATA") },
		address: func(u *uplink) string {
			if u.sequence == 1 {
				return sparkplugTopic(u.device, "NBIRTH")
			}
			return u.device.topic
		},
		append: appendSparkplug}
}

func sparkplugTopic(d *Device, message string) string {
	return "spBv1.0/" + string(d.Locality) + "/" + message + "/" + string(d.ID)
}

// Numbers of fields and types in sparkplug_b.proto of Eclipse Tahu.
const (
	sparkplugPayloadTime = protowire.Number(1)
	sparkplugMetrics     = protowire.Number(2)
	sparkplugSequence    = protowire.Number(3)
	sparkplugName        = protowire.Number(1)
	sparkplugTime        = protowire.Number(3)
	sparkplugDatatype    = protowire.Number(4)
	sparkplugLong        = protowire.Number(11)
	sparkplugDouble      = protowire.Number(13)
	sparkplugBoolean     = protowire.Number(14)

	sparkplugUInt64Type  = 8
	sparkplugDoubleType  = 10
	sparkplugBooleanType = 11
)

func appendSparkplug(b []byte, u *uplink) []byte {
	at := uint64(u.stamp.UnixMilli())
	b = protowire.AppendTag(b, sparkplugPayloadTime, protowire.VarintType)
	b = protowire.AppendVarint(b, at)
	if u.sequence == 1 { // the birth that a death would name
		b = appendSparkplugMetric(b, "bdSeq", at, sparkplugUInt64Type, 0)
	}
	for i := range u.values {
		v := &u.values[i]
		kind := sparkplugDoubleType
		if v.spec.Form == telemetry.Flag {
			kind = sparkplugBooleanType
		}
		b = appendSparkplugMetric(b, string(u.device.Kind.Kind)+"/"+string(v.spec.Name), at, kind, v.number)
	}
	b = protowire.AppendTag(b, sparkplugSequence, protowire.VarintType)
	return protowire.AppendVarint(b, (u.sequence-1)%256)
}

func appendSparkplugMetric(b []byte, name string, at uint64, kind int, v float64) []byte {
	var m [128]byte
	metric := protowire.AppendTag(m[:0], sparkplugName, protowire.BytesType)
	metric = protowire.AppendString(metric, name)
	metric = protowire.AppendTag(metric, sparkplugTime, protowire.VarintType)
	metric = protowire.AppendVarint(metric, at)
	metric = protowire.AppendTag(metric, sparkplugDatatype, protowire.VarintType)
	metric = protowire.AppendVarint(metric, uint64(kind))
	switch kind {
	case sparkplugUInt64Type:
		metric = protowire.AppendTag(metric, sparkplugLong, protowire.VarintType)
		metric = protowire.AppendVarint(metric, uint64(v))
	case sparkplugBooleanType:
		metric = protowire.AppendTag(metric, sparkplugBoolean, protowire.VarintType)
		metric = protowire.AppendVarint(metric, protowire.EncodeBool(v != 0))
	default:
		metric = protowire.AppendTag(metric, sparkplugDouble, protowire.Fixed64Type)
		metric = protowire.AppendFixed64(metric, math.Float64bits(v))
	}
	b = protowire.AppendTag(b, sparkplugMetrics, protowire.BytesType)
	return protowire.AppendBytes(b, metric)
}
