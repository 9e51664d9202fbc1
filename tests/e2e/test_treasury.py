"""The treasury that castle keeps itself: a real versitygw on this computer's loopback."""

import asyncio
import os
import secrets
import signal
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from ephemeral_castle.errors import Conflict, Denied, NotFound, Permanent, Refused, Unreachable
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.spi.world import Rights
from ephemeral_castle.world.bucket_policy import rewrite
from ephemeral_castle.world.identities import VersityIdentities
from ephemeral_castle.world.keys import KeyFile
from ephemeral_castle.world.objects import S3Objects
from ephemeral_castle.world.pidfile import ProcessMark
from ephemeral_castle.world.s3 import Endpoint
from ephemeral_castle.world.sigv4 import Credentials
from ephemeral_castle.world.treasury_probe import FOLDER, probe
from ephemeral_castle.world.treasury_server import LocalTreasury, Place, find_versitygw
from ephemeral_castle.world.vault import TreasuryVault

BUCKET = "castle-test"
PREFIX = "here"
STANZA = f"{PREFIX}/pgbackrest/database/backup/castle"


def rights(stanza: str = "castle") -> Rights:
    base = f"pgbackrest/database/backup/{stanza}"
    kept = (base, f"pgbackrest/database/archive/{stanza}")
    return Rights(kept, (f"{base}/latest", f"{base}/*/backup.manifest.copy"))


class RealClock:
    """The clock of this computer, off by a fixed number of seconds."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead

    def now(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def have_versitygw() -> bool:
    try:
        find_versitygw()
    except NotFound:
        return False
    return True


pytestmark = [
    pytest.mark.skipif(not have_versitygw(), reason="versitygw is not built: make prefetch"),
    pytest.mark.evidence("real", "versitygw", "age"),
]


def credentials() -> Credentials:
    return Credentials(f"ROOT{secrets.token_hex(6)}", Secret(secrets.token_urlsafe(24)))


def make(tmp_path, clock=None, port=None, **options) -> LocalTreasury:
    place = Place(tmp_path / "treasury", tmp_path / "run", "127.0.0.1", port or free_port())
    return LocalTreasury(place, credentials(), clock or RealClock(), **options)


@pytest.fixture
async def treasury(tmp_path):
    server = make(tmp_path)
    await server.ensure()
    await server.create_bucket(BUCKET)
    yield server
    await server.stop()


@pytest.fixture
async def objects(treasury):
    async with treasury.objects(BUCKET, PREFIX) as objects:
        yield objects


def as_account(treasury, name, secret, prefix="") -> S3Objects:
    endpoint = Endpoint(treasury.url, BUCKET, prefix, ca=treasury.ca)
    return S3Objects(endpoint, Credentials(name, Secret(secret)), RealClock())


async def test_objects_behave_as_the_contract_says(objects):
    assert await objects.get("a/b c+ü$.json") is None
    assert await objects.head("a/b c+ü$.json") is None
    etag = await objects.create("a/b c+ü$.json", b"one")
    assert await objects.get("a/b c+ü$.json") == (b"one", etag)
    with pytest.raises(Conflict):
        await objects.create("a/b c+ü$.json", b"two")
    newer = await objects.swap("a/b c+ü$.json", b"two", etag)
    with pytest.raises(Conflict):
        await objects.swap("a/b c+ü$.json", b"three", etag)
    stat = await objects.head("a/b c+ü$.json")
    assert stat is not None
    assert (stat.size, stat.etag) == (3, newer)
    assert abs(stat.modified - time.time()) < 60
    listed = [stat async for stat in objects.list("a/")]
    assert [(s.key, s.size, s.etag) for s in listed] == [("a/b c+ü$.json", 3, newer)]
    assert abs(listed[0].modified - time.time()) < 60
    await objects.delete("a/b c+ü$.json")
    await objects.delete("a/b c+ü$.json")
    assert await objects.get("a/b c+ü$.json") is None
    with pytest.raises(Conflict, match="never"):
        await objects.swap("never.json", b"four", newer)
    again = await objects.create("a/b c+ü$.json", b"five")
    assert await objects.get("a/b c+ü$.json") == (b"five", again)
    with pytest.raises(Conflict):
        await objects.create("a/b c+ü$.json", b"six")


async def test_of_sixteen_who_create_a_deleted_object_anew_one_wins(objects):
    await objects.create("lease.json", b"old")
    await objects.delete("lease.json")
    won = await asyncio.gather(
        *(objects.create("lease.json", b"new %d" % number) for number in range(16)), return_exceptions=True
    )
    assert sum(isinstance(answer, str) for answer in won) == 1
    assert sum(isinstance(answer, Conflict) for answer in won) == 15


async def test_a_listing_gives_every_page(objects):
    for first in range(0, 1010, 101):  # a thousand at once would be a test of the computer
        await asyncio.gather(*(objects.put(f"many/{number:04}", b"x") for number in range(first, first + 101)))
    assert len([stat async for stat in objects.list("many/")]) == 1010
    assert await objects.remove_all("many/") == 1010
    assert [stat async for stat in objects.list("")] == []


async def test_sixteen_creators_have_one_winner(objects):
    async def wins(number: int) -> bool:
        try:
            await objects.create("lease.json", b"body %d" % number)
        except Conflict:
            return False
        return True

    won = await asyncio.gather(*(wins(number) for number in range(16)))
    assert sum(won) == 1
    found = await objects.get("lease.json")
    assert found is not None
    assert found[0] == b"body %d" % won.index(True)


async def test_a_missing_bucket_is_not_an_empty_one(treasury):
    endpoint = Endpoint(treasury.url, "other-bucket", ca=treasury.ca)
    async with S3Objects(endpoint, treasury._credentials, RealClock()) as objects:
        for attempt in (objects.get("a"), objects.head("a"), objects.put("a", b""), objects.create("a", b"")):
            with pytest.raises(NotFound):
                await attempt
        with pytest.raises(NotFound):
            _ = [stat async for stat in objects.list("")]


async def test_wrong_keys_are_denied_with_the_code_of_the_server(treasury):
    root = treasury._credentials
    async with as_account(treasury, root.access_key, "wrong") as objects:
        with pytest.raises(Denied) as wrong_secret:
            await objects.get("a")
    assert "SignatureDoesNotMatch" in wrong_secret.value.why
    async with as_account(treasury, "nobody", "x") as objects:
        with pytest.raises(Denied) as unknown:
            await objects.get("a")
    assert "InvalidAccessKeyId" in unknown.value.why


async def test_a_wrong_clock_is_named_with_both_times(treasury):
    endpoint = Endpoint(treasury.url, BUCKET, ca=treasury.ca)
    async with S3Objects(endpoint, treasury._credentials, RealClock(ahead=-1200)) as objects:
        with pytest.raises(Denied) as error:
            await objects.get("a")
    assert "RequestTimeTooSkewed" in error.value.why
    assert error.value.why.count("UTC") == 2


async def test_certificates(treasury, tmp_path):
    async with S3Objects(Endpoint(treasury.url, BUCKET), treasury._credentials, RealClock()) as objects:
        with pytest.raises(Permanent, match=r"certificate of 127\.0\.0\.1") as unknown:
            await objects.get("a")
    assert "code" in unknown.value.why
    assert "treasury.ca" in unknown.value.hints[-1]

    other = make(tmp_path / "other", port=treasury.place.port)
    other.place.runtime.mkdir(parents=True)
    assert not await other.alive()

    context = ssl.create_default_context(cadata=treasury.ca)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("treasury.castle", "localhost", "127.0.0.1"):
        _, writer = await asyncio.open_connection("127.0.0.1", treasury.place.port, ssl=context, server_hostname=name)
        writer.close()
        await writer.wait_closed()
    assert (treasury.place.state / "tls" / "server.key").stat().st_mode & 0o777 == 0o600
    assert treasury.place.state.stat().st_mode & 0o777 == 0o700


async def test_an_expired_certificate_is_named(tmp_path):
    long_ago = make(tmp_path, clock=RealClock(ahead=-400 * 86400), start_deadline=1.0)
    with pytest.raises(Unreachable, match="does not answer") as error:
        await long_ago.ensure()
    assert "expired" in error.value.why
    endpoint = Endpoint(long_ago.url, BUCKET, ca=long_ago.ca)
    async with S3Objects(endpoint, long_ago._credentials, RealClock()) as objects:
        with pytest.raises(Permanent, match="not valid") as expired:
            await objects.get("a")
    assert "expired" in expired.value.why
    # The same place with the right time renews the certificate and starts anew.
    today = LocalTreasury(long_ago.place, long_ago._credentials, RealClock())
    assert await today.ensure()
    assert await today.alive()
    await today.stop()


async def test_ensure_is_idempotent_and_survives_kill_9(treasury):
    mark = ProcessMark.read(treasury._mark_file)
    assert mark is not None
    async with treasury.objects(BUCKET, PREFIX) as objects:
        await objects.put("kept", b"precious")
    assert not await treasury.ensure()
    assert ProcessMark.read(treasury._mark_file) == mark
    os.kill(mark.pid, signal.SIGKILL)
    await mark.end(RealClock())
    assert not await treasury.alive()
    assert await treasury.ensure()
    async with treasury.objects(BUCKET, PREFIX) as objects:
        assert (await objects.get("kept") or (b"",))[0] == b"precious"
        assert await objects.versioning()
    assert not await treasury.create_bucket(BUCKET)
    await treasury.sync()


async def test_a_pid_that_belongs_to_another_process_is_not_ours(treasury):
    await treasury.stop()
    ProcessMark(os.getpid(), 1, "x").write(treasury._mark_file)
    assert not await treasury.alive()
    assert await treasury.ensure()  # and this process was not ended


async def test_two_that_ensure_at_once_start_one_server(treasury):
    await treasury.stop()
    twin = LocalTreasury(treasury.place, treasury._credentials, RealClock())
    assert sorted(await asyncio.gather(treasury.ensure(), twin.ensure())) == [False, True]


@pytest.mark.skipif(os.geteuid() != 0, reason="entering a network namespace needs root")
async def test_the_pid_is_the_servers_behind_a_command_that_enters_a_namespace(tmp_path):
    server = make(tmp_path, enter=lambda argv: ["nsenter", f"--net=/proc/{os.getpid()}/ns/net", *argv])
    assert await server.ensure()
    mark = ProcessMark.read(server._mark_file)
    assert mark is not None
    assert os.path.samefile(f"/proc/{mark.pid}/exe", find_versitygw())  # noqa: ASYNC240, PTH121 - procfs does not block
    assert os.getsid(mark.pid) == mark.pid
    await server.stop()
    assert not mark.alive
    assert not await server.alive()


async def test_another_root_key_restarts_the_server(treasury):
    changed = LocalTreasury(treasury.place, credentials(), RealClock())
    assert await changed.ensure()
    async with changed.objects(BUCKET) as objects:
        assert await objects.exists()
    async with treasury.objects(BUCKET) as objects:
        with pytest.raises(Denied):
            await objects.get("a")


async def test_a_taken_port_is_named_with_the_last_words_of_the_server(tmp_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = make(tmp_path, port=listener.getsockname()[1])
        with pytest.raises(Permanent, match="does not start") as error:
            await server.ensure()
    assert "address already in use" in error.value.why
    assert "treasury.port" in error.value.hints[0]


async def test_the_root_key_is_nowhere_but_in_the_environment(treasury):
    mark = ProcessMark.read(treasury._mark_file)
    assert mark is not None
    secret = treasury._credentials.secret_key.reveal().encode()
    files = [Path(f"/proc/{mark.pid}/cmdline")]
    files += [file for file in treasury.place.state.parent.rglob("*") if file.is_file()]
    assert len(files) > 5
    assert [file for file in files if secret in file.read_bytes()] == []


async def test_accounts_are_looked_up_anew_for_every_request(treasury, objects):
    await VersityIdentities(objects).mint_writer("writer-1", "secret-1", [rights()])
    async with as_account(treasury, "writer-1", "secret-1") as writer:
        assert await writer.put(f"{STANZA}/x", b"")
        accounts = treasury.place.state / "iam" / "users.json"
        accounts.write_text('{"accessAccounts":{}}')  # behind the server's back, so it can only notice by looking
        with pytest.raises(Denied):
            await writer.put(f"{STANZA}/x", b"")


async def test_rights_are_split(treasury, objects):
    identities = VersityIdentities(objects)
    await identities.mint_writer("writer-1", "secret-writer-1", [rights()])
    await identities.mint_reader("reader", "secret-reader")
    await identities.mint_keeper("keeper", "secret-keeper")
    assert await identities.names() == ["keeper", "reader", "writer-1"]
    await objects.put("secrets.age", b"private")
    backup, archive = f"{STANZA}/20260101F", STANZA.replace("/backup/", "/archive/")

    async with as_account(treasury, "writer-1", "secret-writer-1") as writer:
        for key in (f"{backup}/backup.manifest.copy", f"{STANZA}/latest", f"{backup}/data", f"{archive}/15-1/0001"):
            await writer.put(key, b"data")
            assert await writer.get(key) is not None
        assert await writer.get(f"{STANZA}/not-there") is None
        assert len([stat async for stat in writer.list(f"{PREFIX}/pgbackrest/")]) == 4
        await writer.delete(f"{backup}/backup.manifest.copy")
        await writer.delete(f"{STANZA}/latest")
        for key in (f"{backup}/data", f"{archive}/15-1/0001", f"{STANZA}/backup.info"):
            with pytest.raises(Denied):
                await writer.delete(key)
        for key in (f"{PREFIX}/castle.json", f"{PREFIX}/pgbackrest/database/backup/other/x", "elsewhere"):
            with pytest.raises(Denied):
                await writer.put(key, b"")
        with pytest.raises(Denied):
            await writer.get(f"{PREFIX}/secrets.age")
        assert await writer.remove_all(f"{STANZA}/nothing-here") == 0
        for attempt in (writer.put_policy("{}"), writer.policy(), writer.enable_versioning()):
            with pytest.raises(Denied):
                await attempt
        with pytest.raises((Denied, Conflict)):
            await writer.delete_versions([(f"{archive}/15-1/0001", "null")])
        with pytest.raises(Denied):
            await VersityIdentities(writer).mint_keeper("mine", "mine")

    async with as_account(treasury, "reader", "secret-reader") as reader:
        assert await reader.get(f"{backup}/data") is not None
        for attempt in (reader.put(f"{backup}/data", b""), reader.delete(f"{backup}/data")):
            with pytest.raises(Denied):
                await attempt
        with pytest.raises(Denied):
            await reader.get(f"{PREFIX}/secrets.age")

    async with as_account(treasury, "keeper", "secret-keeper") as keeper:
        await keeper.delete(f"{backup}/data")
        assert await keeper.get(f"{backup}/data") is None
        with pytest.raises(Denied):
            await keeper.delete(f"{PREFIX}/secrets.age")
        with pytest.raises((Denied, Conflict)):
            await keeper.delete_versions([(f"{archive}/15-1/0001", "null")])


async def test_a_revoked_key_is_dead_at_once(treasury, objects):
    identities = VersityIdentities(objects)
    await identities.mint_writer("writer-1", "secret-1", [rights()])
    await identities.mint_writer("writer-2", "secret-2", [rights()])
    key = f"{STANZA}/data"
    async with as_account(treasury, "writer-1", "secret-1") as old, as_account(treasury, "writer-2", "secret-2") as new:
        assert await old.put(key, b"before")
        refused = asyncio.Event()
        written_after: list[int] = []

        async def hammer(number: int) -> None:
            """Keeps looking the account up while it is revoked, over connections that stand already."""
            while True:
                after = revoked.is_set()
                try:
                    await old.put(f"{key}-{number}", b"more")
                except Denied:
                    refused.set()
                    return
                if after:
                    written_after.append(number)

        revoked = asyncio.Event()
        hammers = [asyncio.create_task(hammer(number)) for number in range(8)]
        await asyncio.sleep(0.2)
        await identities.revoke("writer-1")
        revoked.set()
        await asyncio.wait_for(asyncio.gather(*hammers), 20)
        assert written_after == []
        assert not await identities.exists("writer-1")
        assert "writer-1" not in await objects.policy()
        for _ in range(5):
            with pytest.raises(Denied) as error:
                await old.put(key, b"after")
            assert "InvalidAccessKeyId" in error.value.why
        assert await new.put(key, b"by the new life")
    await identities.revoke("writer-1")
    assert await identities.exists("writer-2")


async def test_a_writer_of_files_takes_back_its_locks_and_no_snapshot(treasury, objects):
    identities, files = VersityIdentities(objects), Rights(("restic/uploads",), ("restic/uploads/locks/*",))
    await identities.mint_writer("writer-1", "secret-writer-1", [rights(), files])
    await identities.mint_reader("files-reader", "secret-reader-1", "restic")
    base = f"{PREFIX}/restic/uploads"
    async with as_account(treasury, "writer-1", "secret-writer-1") as writer:
        for key in ("config", "data/ab/abcd", "snapshots/1234", "locks/5678"):
            assert await writer.put(f"{base}/{key}", b"x")
        await writer.delete(f"{base}/locks/5678")
        for key in ("config", "data/ab/abcd", "snapshots/1234"):
            with pytest.raises(Denied):
                await writer.delete(f"{base}/{key}")
    async with as_account(treasury, "files-reader", "secret-reader-1") as reader:
        assert await reader.get(f"{base}/config")
        with pytest.raises(Denied):
            await reader.get(f"{STANZA}/backup.info")
    assert await identities.may_write("writer-1", [rights(), files])
    assert not await identities.may_write("writer-1", [rights()])
    assert not await identities.may_write("nobody", [rights(), files])


async def test_minting_again_adopts_the_account_with_the_new_secret_and_rights(treasury, objects):
    identities = VersityIdentities(objects)
    await identities.mint_writer("writer-1", "old-secret", [rights()])
    await identities.mint_writer("writer-1", "new-secret", [rights("other")])
    async with as_account(treasury, "writer-1", "old-secret") as stale:
        with pytest.raises(Denied):
            await stale.put(f"{STANZA}/x", b"")
    async with as_account(treasury, "writer-1", "new-secret") as fresh:
        assert await fresh.put(f"{STANZA}/x".replace("castle", "other"), b"")
        with pytest.raises(Denied):
            await fresh.put(f"{STANZA}/x", b"")
    with pytest.raises(Refused):
        await identities.revoke(treasury._credentials.access_key)


async def test_accounts_survive_the_server_and_many_fit_into_the_policy(treasury, objects):
    identities = VersityIdentities(objects)
    for number in range(12):
        await identities.mint_writer(f"here-{number}-writer-of-a-life", f"secret-{number}", [rights()])
    await treasury.stop()
    await treasury.ensure()
    async with as_account(treasury, "here-0-writer-of-a-life", "secret-0") as writer:
        assert await writer.put(f"{STANZA}/x", b"")
    assert len(await objects.policy()) < 3000


async def test_a_policy_that_names_a_dead_account_is_repaired(treasury, objects):
    identities = VersityIdentities(objects)
    await identities.mint_reader("reader", "secret-reader")
    await identities.mint_keeper("keeper", "secret-keeper")
    await objects.client.call("PATCH", "/delete-user", query=[("access", "reader")], doing="deleting behind our back")
    await identities.mint_writer("writer-1", "secret-1", [rights()])
    text = await objects.policy()
    assert '"reader"' not in text
    assert rewrite(text, BUCKET, "nobody", (), {"keeper", "writer-1"}) == text


async def test_the_probe_finds_what_the_server_has(treasury, objects):
    checks = {check.title: check for check in await probe(objects)}
    assert [check for check in checks.values() if check.ok is False] == []
    assert checks["versions"].ok is True
    assert checks["object lock"].ok is None
    assert checks["of 16 clients one wins"].data["winners"] == [1, 1]
    async with treasury.objects(BUCKET) as whole:
        assert [stat async for stat in whole.list("")] == []
        page = await whole.request("GET", "", [("versions", ""), ("prefix", f"{PREFIX}/{FOLDER}")])
        assert b"<Version>" not in page.body
        assert b"<DeleteMarker>" not in page.body


async def test_the_probe_names_what_stands_in_its_way(treasury, objects):
    endpoint = Endpoint(treasury.url, "other-bucket", ca=treasury.ca)
    async with S3Objects(endpoint, treasury._credentials, RealClock()) as missing:
        checks = await probe(missing)
    assert [(check.ok, "other-bucket" in check.fact) for check in checks] == [(False, True)]
    await VersityIdentities(objects).mint_reader("reader", "secret-reader")
    async with as_account(treasury, "reader", "secret-reader", PREFIX) as reader:
        failed = [check for check in await probe(reader) if check.ok is False]
    assert any("AccessDenied" in check.fact for check in failed)


async def test_an_object_lock_bucket_is_seen(treasury):
    async with treasury.objects("locked-bucket") as objects:
        assert await objects.ensure_bucket(object_lock=True)
        assert not await objects.ensure_bucket(object_lock=True)
        assert await objects.object_lock()


async def test_secrets_stored_at_the_same_time_are_all_kept(objects):
    keys = KeyFile.generate("castle")
    vault = TreasuryVault(objects, keys)
    names = [f"layer/{number}" for number in range(12)]
    await asyncio.gather(*(vault.put(name, Secret(f"value of {name}")) for name in names))
    assert await TreasuryVault(objects, keys).names() == sorted(names)
    assert [await vault.get(name) for name in names] == [Secret(f"value of {name}") for name in names]


async def test_the_vault_is_read_on_another_computer(treasury, objects, tmp_path):
    keys = KeyFile.generate("here")
    await TreasuryVault(objects, keys).put("database/app", Secret("s3cret-value"))
    keys.write(tmp_path / "copy.key")
    async with treasury.objects(BUCKET, PREFIX) as elsewhere:
        vault = TreasuryVault(elsewhere, KeyFile.load(tmp_path / "copy.key"))
        assert await vault.get("database/app") == Secret("s3cret-value")
        assert await vault.get("nothing") is None
        found = await elsewhere.get("secrets.age")
    assert found is not None
    assert b"s3cret-value" not in found[0]


def test_the_server_certificate_ends_in_a_year(tmp_path):
    from ephemeral_castle.world.certificates import ensure_certificates

    issued = ensure_certificates(tmp_path, ["treasury.castle", "10.0.0.1"], time.time())
    certificate = x509.load_pem_x509_certificate(issued.chain.read_bytes())
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=364) < left < timedelta(days=366)
