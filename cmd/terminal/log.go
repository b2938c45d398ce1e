package terminal

import (
	"io"
	"log/slog"
)

// LogFlags say what is logged and how.
type LogFlags struct {
	LogFormat string `enum:"text,json" default:"text" help:"How log lines are written: text or json." placeholder:"text"`
	LogLevel  string `enum:"debug,info,warn,error" default:"info" help:"The least level that is logged: debug, info, warn or error." placeholder:"info"`
}

// Logger writes to w as the flags say.
func (f LogFlags) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if level.UnmarshalText([]byte(f.LogLevel)) != nil {
		level = slog.LevelInfo // the parser lets no other word through
	}
	o := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// LibraryLogger is for parts that narrate their normal work at level info: of
// them only warnings are of interest, unless one is debugging.
func (f LogFlags) LibraryLogger(w io.Writer) *slog.Logger {
	if f.LogLevel == "info" {
		f.LogLevel = "warn"
	}
	return f.Logger(w)
}
