-- Runs once, when the castle is born, in database `app` as its owner. A rebirth restores; it never runs this again.
CREATE TABLE ledger (
    id   bigint PRIMARY KEY,
    body text,
    at   timestamptz DEFAULT clock_timestamp()
);

CREATE TABLE posts (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title text NOT NULL,
    body  text NOT NULL,
    at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO posts (title, body) VALUES
    ('A castle that may fall', E'Everything here can be taken down at any hour and comes back by one command.\n\nThis text is a row of a database that was destroyed more often than it can count.'),
    ('What is kept', E'A bucket, a repository and a passphrase. The rest is rebuilt.'),
    ('How one knows', E'Rows are counted and digested before the end and after the return, while nobody may write.');
