package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"
)

// Version is set at build time.
var Version = "dev"

// Output is where a command writes: results to stdout, all else to stderr.
type Output struct {
	Stdout, Stderr io.Writer
}

// ExitCode is an error that has been reported already; only the code is left.
type ExitCode int

// Error implements error; nobody prints it.
func (e ExitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exited is how kong's help leaves, so that it does not end the process itself.
type exited int

// Run runs one command line of a grammar, a pointer to a struct as kong takes it,
// and returns the exit code: 0, 1 if the command failed or found something wrong,
// 2 if the command line itself is wrong.
func Run(ctx context.Context, grammar any, args []string, stdout, stderr io.Writer, more ...kong.Option) (code int) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case exited:
			code = int(e)
		default:
			panic(e)
		}
	}()
	out := &Output{stdout, stderr}
	parser, err := kong.New(grammar, append(more,
		kong.Name("haidang"), kong.UsageOnError(),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { panic(exited(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Bind(out), kong.BindTo(ctx, (*context.Context)(nil)))...)
	if err != nil {
		fmt.Fprintln(stderr, "haidang:", err)
		return 2
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "haidang: %v\nSee: haidang --help\n", err)
		return 2
	}
	err = command.Run()
	var reported ExitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &reported):
		return int(reported)
	default:
		fmt.Fprintln(stderr, "haidang:", err)
		return 1
	}
}
