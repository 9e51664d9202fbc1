-- Runs once, when the castle is born, in database `app` as its owner. A rebirth restores; it never runs this again.
CREATE TABLE ledger (
    id   bigint PRIMARY KEY,
    body text,
    at   timestamptz DEFAULT clock_timestamp()
);
