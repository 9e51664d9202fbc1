"""Fills a database with data made on the server: by default about 400 MB.

`goods` holds texts that do not compress well (hex digests), `accounts` narrow rows as in pgbench. Both are vacuumed
afterwards: a fresh table gets its hint bits at the first read, and with data checksums these go through the WAL, which
would charge the load to whoever reads first. A database that is filled already is left alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psql

ROWS_PER_MEGABYTE = 2500  # rows of each table: goods take 280 bytes with their index, accounts 140

GOODS = """
begin;
drop table if exists goods;
create table goods as
  select g::bigint as id,
         md5(g::text) || md5((-g)::text) || md5((g * 3)::text) || md5((g * 5)::text)
         || md5((g * 7)::text) || md5((g * 11)::text) || md5((g * 13)::text) as body
  from generate_series(1, {rows}) g;
alter table goods add primary key (id);
commit;
"""

ACCOUNTS = """
begin;
drop table if exists accounts;
create table accounts as
  select g as id, 1 + (g - 1) / 100000 as branch, 0 as balance, repeat(' ', 84)::character(84) as filler
  from generate_series(1, {rows}) g;
alter table accounts add primary key (id);
commit;
"""

STATEMENTS = {"goods": GOODS, "accounts": ACCOUNTS}


def filled(target: psql.Target, table: str, rows: int) -> bool:
    """Whether the table holds as many rows as asked for."""
    if target.run(f"select to_regclass('{table}') is null;") == "t":
        return False
    return int(target.run(f"select count(*) from {table};")) == rows


def fill(target: psql.Target, table: str, rows: int) -> bool:
    """Makes one table unless it is there; says whether it was made."""
    if filled(target, table, rows):
        return False
    target.run(STATEMENTS[table].format(rows=rows))
    target.run(f"vacuum (analyze) {table};")  # not in a transaction, hence a call of its own
    return True


def main() -> int:
    """Parses the command line and fills both tables at once."""
    parser = argparse.ArgumentParser(description="fills a database on the server's side; password in PGPASSWORD")
    psql.add_arguments(parser)
    parser.add_argument("--megabytes", type=int, default=400, help="size of the database in MB, about")
    args = parser.parse_args()
    target, rows = psql.target(args), args.megabytes * ROWS_PER_MEGABYTE
    start = time.monotonic()
    with ThreadPoolExecutor(len(STATEMENTS)) as pool:
        made = list(pool.map(lambda table: fill(target, table, rows), STATEMENTS))
    size = target.run("select pg_size_pretty(pg_database_size(current_database()));")
    did = f"filled in {time.monotonic() - start:.1f} s" if any(made) else "filled already"
    print(f"fill: {2 * rows} rows, database {size}, {did}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
