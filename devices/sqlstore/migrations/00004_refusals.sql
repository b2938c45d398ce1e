-- The newest refusal of a device is looked for at every live check; a device that
-- asks for topics that are not its own has many other events.

-- +goose Up

CREATE INDEX access_event_by_subject_action ON access_event (subject, action, seq);

-- +goose Down

DROP INDEX access_event_by_subject_action;
