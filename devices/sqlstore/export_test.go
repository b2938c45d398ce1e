package sqlstore

import "context"

// MakeAt makes a store as it was at a version, with some rows.
func MakeAt(ctx context.Context, place string, version int64, statements ...string) error {
	s, err := connect(ctx, place)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.migrate(ctx, version); err != nil {
		return err
	}
	for _, q := range statements {
		if _, err := s.write.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}
