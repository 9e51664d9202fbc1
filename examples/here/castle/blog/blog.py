"""A small blog: posts from PostgreSQL, uploads from a directory.

Configuration by environment: BLOG_DATABASE_HOST, BLOG_DATABASE_PORT, BLOG_DATABASE (app), BLOG_DATABASE_USER (app),
BLOG_DATABASE_PASSWORD_FILE, BLOG_REPLICA (shown in a header), BLOG_UPLOADS (directory; without it this replica has
none), BLOG_UPLOAD_TOKEN_FILE.
"""

import contextlib
import hmac
import html
import os
import queue
import signal
import sys
import tempfile
from pathlib import Path

import bottle
import psycopg2
import waitress

THREADS = 8
UPLOAD_LIMIT = 64 << 20  # bytes
UPLOADS = os.environ.get("BLOG_UPLOADS", "")
PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title><link rel="stylesheet" href="/static/style.css"></head>
<body>
<header><a href="/">Notes from an ephemeral castle</a> · <a href="/static/about.html">about</a></header>
{body}
<footer>last entry in the ledger: <span id="last">{last}</span></footer>
</body>
</html>
"""
idle = queue.LifoQueue(THREADS)


def secret(variable):
    """What the file holds that a variable names; "" without one."""
    path = os.environ.get(variable)
    return Path(path).read_text(encoding="utf-8").strip() if path else ""


def connect():
    """A new session. The password is read each time: it changes when the castle comes back."""
    connection = psycopg2.connect(
        host=os.environ["BLOG_DATABASE_HOST"],
        port=os.environ["BLOG_DATABASE_PORT"],
        dbname=os.environ.get("BLOG_DATABASE", "app"),
        user=os.environ.get("BLOG_DATABASE_USER", "app"),
        password=secret("BLOG_DATABASE_PASSWORD_FILE"),
        connect_timeout=3,
    )
    connection.autocommit = True
    return connection


@contextlib.contextmanager
def session():
    """A session from the idle ones, or a new one; one that failed is not used again."""
    try:
        connection = idle.get_nowait()
    except queue.Empty:
        connection = connect()
    try:
        yield connection.cursor()
    except psycopg2.Error:
        connection.close()
        raise
    try:
        idle.put_nowait(connection)
    except queue.Full:
        connection.close()


def ask(query, *values):
    """All rows of a query. An idle session may have died with the database's last life: then once more, with a new one."""
    for last_try in (False, True):
        try:
            with session() as cursor:
                cursor.execute(query, values)
                return cursor.fetchall()
        except psycopg2.OperationalError:
            if last_try:
                raise
            while not idle.empty():
                idle.get_nowait().close()
    return []


def page(title, body):
    """A whole page round a body of HTML."""
    bottle.response.set_header("X-Replica", os.environ.get("BLOG_REPLICA", ""))
    bottle.response.set_header("Cache-Control", "no-store")
    last = ask("select coalesce(max(id), 0) from ledger")[0][0]
    return PAGE.format(title=html.escape(title), body=body, last=last)


def paragraphs(text):
    """Plain text as HTML paragraphs."""
    return "\n".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n"))


@bottle.get("/")
def index():
    """All posts, the newest first."""
    posts = ask("select id, title, body from posts order by id desc")
    parts = [f'<h2><a href="/posts/{i}">{html.escape(title)}</a></h2>\n{paragraphs(body)}' for i, title, body in posts]
    return page("Notes from an ephemeral castle", "\n".join(parts))


@bottle.get("/posts/<number:int>")
def post(number):
    """One post."""
    found = ask("select title, body, at from posts where id = %s", number)
    if not found:
        bottle.abort(404, "no such post")
    title, body, at = found[0]
    return page(title, f"<h1>{html.escape(title)}</h1>\n<p>{at:%d %B %Y}</p>\n{paragraphs(body)}")


@bottle.get("/health")
def health():
    """Answers 200 when the database does."""
    ask("select 1")
    return "well\n"


@bottle.get("/uploads/<name:re:[A-Za-z0-9][A-Za-z0-9._-]*>")
def upload(name):
    """A file, byte for byte."""
    if not UPLOADS:
        bottle.abort(404, "this replica keeps no uploads")
    return bottle.static_file(name, root=UPLOADS)


@bottle.put("/uploads/<name:re:[A-Za-z0-9][A-Za-z0-9._-]*>")
def store(name):
    """Keeps a file; answers only when it is on the disk."""
    token, given = secret("BLOG_UPLOAD_TOKEN_FILE"), bottle.request.get_header("Authorization", "")
    if not UPLOADS or not token or not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        bottle.abort(403, "the token does not fit")
    if bottle.request.content_length > UPLOAD_LIMIT:
        bottle.abort(413, "too large")
    body = bottle.request.body  # each access to it begins anew
    with tempfile.NamedTemporaryFile(dir=UPLOADS, prefix=".upload-", delete=False) as file:
        while block := body.read(1 << 20):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o644)
    Path(file.name).rename(Path(UPLOADS) / name)
    folder = os.open(UPLOADS, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    bottle.response.status = 201
    return "kept\n"


@bottle.error(500)
def broken(error):
    """The database is away: said plainly, with the status that a proxy and a health check understand."""
    bottle.response.status = 503
    return f"The blog does not reach its database. {html.escape(type(error.exception).__name__)}\n"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the first process of a container ends only when it says so
    waitress.serve(bottle.default_app(), host="0.0.0.0", port=8000, threads=THREADS, ident="blog")
