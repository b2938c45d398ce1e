package city

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// actors run together. When the context ends or one of them returns, all are
// stopped: the last added first, each waited for before the next, so that who
// produces has ended before who consumes is told to.
type actors []actor

type actor struct {
	name string
	run  func(context.Context) error
}

func (a *actors) add(name string, run func(context.Context) error) {
	*a = append(*a, actor{name, run})
}

// run starts all and returns once all have ended, or grace after the stop began;
// its error names the actors that failed or did not end.
func (a actors) run(ctx context.Context, grace time.Duration) error {
	type ended struct {
		index int
		err   error
	}
	first := make(chan ended, len(a))
	done := make([]chan error, len(a))
	cancels := make([]context.CancelFunc, len(a))
	for i, act := range a {
		var actx context.Context
		actx, cancels[i] = context.WithCancel(context.WithoutCancel(ctx))
		defer cancels[i]()
		done[i] = make(chan error, 1)
		go func() {
			err := act.run(actx)
			first <- ended{i, err}
			done[i] <- err
		}()
	}
	var errs []error
	select {
	case <-ctx.Done():
	case e := <-first:
		if e.err == nil {
			errs = append(errs, fmt.Errorf("%s ended by itself", a[e.index].name))
		}
	}
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	for i := len(a) - 1; i >= 0; i-- {
		cancels[i]()
		select {
		case err := <-done[i]:
			if err != nil && !errors.Is(err, context.Canceled) {
				errs = append(errs, fmt.Errorf("%s: %w", a[i].name, err))
			}
		case <-deadline.C:
			return errors.Join(append(errs, fmt.Errorf("%s did not stop within %v", a[i].name, grace))...)
		}
	}
	return errors.Join(errs...)
}
