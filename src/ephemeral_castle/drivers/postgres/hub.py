"""Many conversations over one way into the container.

A way in costs 0.3 s of a processor (podman, and podman inside the machine), as much as a digest of 100 MB. So one
process inside starts the sessions and carries their lines: `open NAME DATABASE`, `say NAME LINE`, `close NAME` go in;
`NAME|LINE` (standard output), `NAME!LINE` (standard error) and `NAME#STATUS` (its end) come out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from ephemeral_castle.errors import CastleError, Unreachable
from ephemeral_castle.spi.world import Process

LAST_WORDS = 20  # lines of standard error kept for messages
PATIENCE = 86400.0  # seconds between two lines: a restore may last, and each question has a deadline of its own

# perl-base is in every Debian image; it needs no package of its own.
CARRIER = r"""#!/usr/bin/perl
use strict;
use warnings;
use IO::Handle;
use IO::Select;
use IPC::Open3;
use Symbol 'gensym';
$| = 1;
my (%in, %from, %left, %pid);
my $select = IO::Select->new(\*STDIN);
my %rest = (STDIN => '');
sub start {
  my ($name, $database) = @_;
  my $err = gensym;
  $pid{$name} = open3(my $to, my $out, $err, 'sh', '/usr/local/bin/castle-session', $database);
  $to->autoflush(1);
  $in{$name} = $to;
  $left{$name} = 2;
  $from{fileno $out} = [$name, '|', $out, ''];
  $from{fileno $err} = [$name, '!', $err, ''];
  $select->add($out, $err);
}
sub obey {
  my ($word, $name, $text) = split / /, $_[0], 3;
  if ($word eq 'open') { start($name, $text) }
  elsif ($word eq 'say' && $in{$name}) { print { $in{$name} } $text, "\n" }
  elsif ($word eq 'close' && $in{$name}) { close delete $in{$name} }
}
sub ended {
  my ($stream) = @_;
  my ($name, $sign, $handle, $rest) = @$stream;
  print "$name$sign$rest\n" if length $rest;
  $select->remove($handle);
  delete $from{fileno $handle};
  close $handle;
  return if --$left{$name};
  waitpid $pid{$name}, 0;
  print "$name#", $? >> 8, "\n";
  delete $in{$name};
}
$SIG{PIPE} = 'IGNORE';
while (1) {
  for my $handle ($select->can_read) {
    my $got = sysread $handle, my $bytes, 65536;
    if (fileno $handle == fileno STDIN) {
      if (!$got) { kill 'TERM', values %pid; exit 0 }
      $rest{STDIN} .= $bytes;
      obey($1) while $rest{STDIN} =~ s/^(.*)\n//;
      next;
    }
    my $stream = $from{fileno $handle};
    if (!$got) { ended($stream); next }
    $stream->[3] .= $bytes;
    print "$stream->[0]$stream->[1]$1\n" while $stream->[3] =~ s/^(.*)\n//;
  }
}
"""


class Hub:
    """The one process; hands out channels."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.channels: dict[str, Channel] = {}
        self.alive = True
        self._reader = asyncio.create_task(self._read())
        self._count = 0

    async def open(self, database: str) -> Channel:
        """A new session with a database."""
        self._count += 1
        channel = Channel(self, f"s{self._count}")
        self.channels[channel.name] = channel
        await self.process.write(f"open {channel.name} {database}\n")
        return channel

    async def _read(self) -> None:
        try:
            with contextlib.suppress(CastleError):
                while (line := await self.process.read_line(PATIENCE)) is not None:
                    self._hand_out(line)
        finally:
            self.alive = False
            for channel in self.channels.values():
                channel.end()

    def _hand_out(self, line: str) -> None:
        for position, sign in enumerate(line):
            if sign in "|!#":
                channel = self.channels.get(line[:position])
                if channel is not None:
                    channel.take(sign, line[position + 1 :])
                return

    async def close(self) -> None:
        """Ends it and all its sessions."""
        self.alive = False
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader
        for channel in self.channels.values():
            channel.end()
        await self.process.close()


class Channel:
    """One session's lines; implements `spi.world.Process`."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub = hub
        self.name = name
        self.status: int | None = None
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._said: deque[str] = deque(maxlen=LAST_WORDS)

    @property
    def pid(self) -> int:
        """Of the process that carries it."""
        return self.hub.process.pid

    @property
    def errors(self) -> str:
        """The last lines of its standard error; those of the carrier when it never spoke."""
        return "\n".join(self._said) or self.hub.process.errors

    def take(self, sign: str, text: str) -> None:
        """A line from the carrier."""
        if sign == "|":
            self._lines.put_nowait(text)
        elif sign == "!":
            self._said.append(text)
        else:
            self.status = int(text)
            self.end()

    def end(self) -> None:
        """Nothing more will come."""
        self._lines.put_nowait(None)

    async def write(self, text: str) -> None:
        """Whole lines to the session."""
        if self.status is not None or not self.hub.alive:
            raise Unreachable("the session has ended", why=self.errors)
        await self.hub.process.write("".join(f"say {self.name} {line}\n" for line in text.splitlines()))

    async def read_line(self, timeout: float) -> str | None:
        """The next line, None at the end; Unreachable after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                line = await self._lines.get()
        except TimeoutError:
            raise Unreachable(f"no answer within {timeout:g} s", why=self.errors) from None
        if line is None:
            self.end()  # for whoever asks again
        return line

    async def close(self) -> int:
        """Lets the session end."""
        if self.status is None and self.hub.alive:
            with contextlib.suppress(CastleError):
                await self.hub.process.write(f"close {self.name}\n")
        self.hub.channels.pop(self.name, None)
        return self.status or 0
