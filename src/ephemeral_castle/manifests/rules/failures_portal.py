"""What went wrong with workstations and the portal to a castle."""

from __future__ import annotations

from ephemeral_castle.manifests.rules.failure import Failure, Kind

FAILURES: tuple[Failure, ...] = (
    Failure(
        "F1",
        "PRE",
        "downloads inside a container stall behind a VPN whose path cuts large packets",
        Kind.NOT,
        (
            "castle pulls images and packages on the computer itself, with timeouts, and hands them to machines; it "
            "does not measure the path's MTU"
        ),
    ),
    Failure(
        "F2",
        "INV",
        "variables of the shell are missing in the process that needs them",
        Kind.GATE,
        (
            "castle gives each child its environment itself; the few variables that it reads are "
            "[listed](environment.md)"
        ),
    ),
    Failure(
        "F3",
        "PRE",
        "a start takes minutes and fails when a download site is down",
        Kind.GATE,
        "`castle prefetch` fetches and builds everything ahead, pinned by digest",
    ),
    Failure(
        "F4",
        "POST",
        "an image still holds an old configuration",
        Kind.GATE,
        "images are named by the hash of what they are built from; a step `…/image` compares it",
    ),
    Failure(
        "F5",
        "PRE INV",
        "no loop device can be attached in a container",
        Kind.GATE,
        "castle uses none; `castle doctor` looks at what machines need of the kernel",
    ),
    Failure(
        "F6",
        "INV",
        "a prompt for a passphrase appears in shells that nobody sits at",
        Kind.GATE,
        "castle asks on a terminal only, and for a confirmation only (exit 7 without one)",
    ),
    Failure(
        "F7",
        "INV",
        "Ctrl+C at a prompt opens a shell",
        Kind.GATE,
        "an interrupted prompt ends the command (exit 130); nothing was opened before it",
    ),
    Failure(
        "F8",
        "POST",
        "another process reads the secrets from a global mount",
        Kind.GATE,
        "secrets go by standard input into the memory of the machine that needs them ([secrets](secrets.md))",
    ),
    Failure(
        "F9",
        "INV",
        "a migration deletes what it copies, because both paths are one",
        Kind.GATE,
        (
            "files come home by a manifest of hashes, into a new directory ([decision "
            "15](../decisions/0015-files-come-home-by-manifest.md))"
        ),
    ),
    Failure(
        "F10",
        "INV",
        "files are unreadable after a mount, because root owns them",
        Kind.GATE,
        "restores set owner and mode as they were; the digest of files compares both",
    ),
    Failure(
        "F11",
        "INV",
        "a second project fails because its container's name is taken",
        Kind.GATE,
        (
            "every castle has an id, and network, storage and names of its own ([decision "
            "2](../decisions/0002-a-namespace-and-a-podman-for-each-castle.md))"
        ),
    ),
    Failure(
        "F12",
        "HEAL INV",
        "devices of a crashed run are held by nobody",
        Kind.GATE,
        "`castle resume` finds what a run left by its mark; nothing of it belongs to the whole computer",
    ),
    Failure(
        "F13",
        "INV",
        "an unclean stop destroys the vault",
        Kind.GATE,
        "files are written beside and renamed; the treasury keeps versions ([treasury](treasury.md))",
    ),
    Failure(
        "F14",
        "INV",
        "isolation does not stop root",
        Kind.GATE,
        "stated in [secrets](secrets.md): root of a machine reads what the machine holds",
    ),
    Failure(
        "F15",
        "POST",
        "a mount that keeps secrets in memory disappears from a command",
        Kind.GATE,
        "steps that deliver secrets look where they lie before they write; a contract test of the driver holds it",
    ),
    Failure(
        "F16",
        "PRE LINT",
        "a key was stored with quotes around it and is refused as invalid",
        Kind.RULE,
        "and `castle doctor` uses every key once",
    ),
    Failure("F17", "INV", "a cleaner of white space breaks certificates", Kind.RULE),
    Failure(
        "F18",
        "INV",
        "a wrapper around the secrets hangs without a terminal",
        Kind.GATE,
        "castle runs its programs by itself: process groups, deadlines, exit codes",
    ),
    Failure(
        "F19",
        "INV",
        "a token shows in environment, logs and dumps",
        Kind.GATE,
        (
            "secrets travel by descriptors; journal, logs and reports are masked, and a test looks for every one "
            "([secrets](secrets.md))"
        ),
    ),
    Failure(
        "F20",
        "INV",
        "a run dies when its terminal closes",
        Kind.GATE,
        (
            "the runner is a process of its own; `castle watch` comes back ([decision "
            "10](../decisions/0010-the-runner-is-a-fork-of-the-command.md))"
        ),
    ),
    Failure(
        "F21",
        "PRE",
        "a login says that the instance does not exist: wrong region",
        Kind.GATE,
        "`castle doctor` asks the treasury's endpoint by name and region; other cloud logins castle does not have",
    ),
    Failure(
        "F22",
        "INV",
        "a client of a cloud reads a profile and hangs, although keys were given",
        Kind.GATE,
        "keys come from one place; every request has a deadline",
    ),
    Failure(
        "F23",
        "INV",
        "a command fails because its configuration was not loaded on that path",
        Kind.GATE,
        "every verb reads the definition by the same option (`-f`, `CASTLE_FILE`)",
    ),
    Failure(
        "F24",
        "INV",
        "a path of a container is used on the host",
        Kind.GATE,
        "paths of a definition are relative to its file; those of machines never leave the driver",
    ),
    Failure(
        "F25",
        "INV",
        "a command asks for root on the host",
        Kind.GATE,
        "[what needs root](../../README.md) is said; `plan`, `check` and `card` do not",
    ),
    Failure(
        "F26",
        "INV",
        "a tool or a profile is missing in a shell that reads no start-up files",
        Kind.GATE,
        "as F2",
    ),
    Failure(
        "F27",
        "INV",
        "a chain goes on after a failure, because a command returned 0",
        Kind.GATE,
        "exit codes are documented and tested for each way out ([exit codes](exit-codes.md))",
    ),
    Failure(
        "F28",
        "INV",
        "a right passphrase is refused: keys were typed ahead",
        Kind.GATE,
        "a confirmation is the castle's name, read whole; a wrong one refuses and destroys nothing",
    ),
    Failure(
        "F29",
        "INV",
        "the only backup is overwritten by a bad one",
        Kind.GATE,
        "a proof restores and reads the backup before anything is destroyed; retention keeps several",
    ),
    Failure(
        "F30",
        "INV",
        "history fills with equal copies, because encryption differs each time",
        Kind.GATE,
        "restic and pgBackRest compare content, not files",
    ),
    Failure(
        "F31",
        "INV",
        "a first upload is skipped because nothing equals nothing",
        Kind.GATE,
        "`absent` is an answer of its own in every look ([concepts](../concepts.md))",
    ),
    Failure(
        "F32",
        "INV",
        "a missing setting deletes the whole history",
        Kind.RULE,
        "castle's own retention is never below one full backup",
    ),
    Failure(
        "F33",
        "INV",
        "plain text stays in memory after a kill",
        Kind.GATE,
        "a lease with conditional writes; secrets of machines lie in memory that ends with the machine",
    ),
    Failure(
        "F34",
        "INV",
        "one unlock shows everything",
        Kind.GATE,
        "each step gets its own secrets; the reader's identity of a drill reads only",
    ),
    Failure(
        "F35",
        "INV",
        "a passphrase dialog hangs in another terminal",
        Kind.NOT,
        (
            "castle asks for none: keys lie in a file until there is an enclave ([decision "
            "5](../decisions/0005-a-key-file-until-there-is-an-enclave.md))"
        ),
    ),
    Failure(
        "F36",
        "PRE",
        "SSH dies in bursts of traffic through a userspace tunnel, while pings pass",
        Kind.NOT,
        (
            "castle joins no tailnet; long commands are jobs on the machine that survive the connection ([decision "
            "7](../decisions/0007-long-commands-are-jobs-on-the-machine.md))"
        ),
    ),
    Failure(
        "F37",
        "PRE",
        "a node is online and its port does not answer",
        Kind.GATE,
        "doctor and every driver connect to the very port with the very protocol that they use",
    ),
    Failure(
        "F38",
        "INV",
        "a check looks for a socket at its usual place only",
        Kind.GATE,
        "sockets are options of the driver, or asked of the program",
    ),
    Failure(
        "F39",
        "PRE",
        "a container as a host lacks devices, names and a new libc",
        Kind.GATE,
        "`castle doctor` names what the computer lacks",
    ),
    Failure(
        "F40",
        "INV",
        "a session that says nothing for minutes is cut and waited for without end",
        Kind.GATE,
        "keepalive and a deadline for every step; jobs are asked anew",
    ),
    Failure(
        "F41",
        "PRE",
        "the new machine is blamed for the operator's own network",
        Kind.NOT,
        "castle's machines are on this computer; `castle doctor` tells what fails here, before any machine",
    ),
    Failure(
        "F42",
        "POST",
        "a tool is there for root only",
        Kind.GATE,
        "steps run tools as the user that will use them",
    ),
)
